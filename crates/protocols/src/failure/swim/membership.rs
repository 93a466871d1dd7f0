//! What a member believes of others, and how it defends itself.

use alloc::vec::Vec;

use synod_machine::{Context, NodeId, Ticket};

use super::order::Pass;
use super::types::{Claim, Event, Incarnation, Member, Message, Phase, Rumour, State, Timer, Write};
use super::{Fx, Suspicion, Swim};

impl Swim {
    pub(super) fn hear_all(&mut self, rumours: Vec<Rumour>, cx: &Context<'_>, fx: &mut Fx) {
        for rumour in rumours {
            self.hear(rumour, cx, fx);
        }
    }

    /// Takes a rumour for what it is worth. What is news is passed on.
    pub(super) fn hear(&mut self, rumour: Rumour, cx: &Context<'_>, fx: &mut Fx) {
        if rumour.node == self.me {
            return self.hear_of_self(&rumour, fx);
        }
        if let Claim::Alive { metadata } = &rumour.claim
            && metadata.len() > self.config.metadata_bytes_max
        {
            return fx.note("swim metadata too long", 1);
        }
        let Some(known) = self.table.get(rumour.node) else { return self.hear_of_stranger(rumour, fx) };
        let is_newer = (rumour.incarnation, rumour.claim.state()) > (known.incarnation, known.state);
        match rumour.claim {
            _ if is_newer => self.believe(rumour, cx, fx),
            // What it said about itself in that incarnation came after what was said about it.
            Claim::Alive { metadata }
                if rumour.incarnation == known.incarnation && known.state != State::Alive =>
            {
                let member = Member { metadata, ..known.clone() };
                self.put(member);
            }
            Claim::Suspect { by } if rumour.incarnation == known.incarnation => {
                self.confirm(rumour.node, by, cx, fx);
            }
            _ => {}
        }
    }

    /// A member did not answer this one.
    pub(super) fn accuse(&mut self, node: NodeId, by: NodeId, cx: &Context<'_>, fx: &mut Fx) {
        let Some(known) = self.table.get(node) else { return };
        let claim = if self.config.suspicion { Claim::Suspect { by } } else { Claim::Failed { by } };
        let rumour = Rumour { node, incarnation: known.incarnation, claim };
        self.hear(rumour, cx, fx);
    }

    /// Its time to refute is over.
    pub(super) fn give_up_on(&mut self, node: NodeId, cx: &Context<'_>, fx: &mut Fx) {
        let Some(known) = self.table.get(node).filter(|known| known.state == State::Suspect) else { return };
        let claim = Claim::Failed { by: self.me };
        let rumour = Rumour { node, incarnation: known.incarnation, claim };
        self.hear(rumour, cx, fx);
    }

    /// It failed or left long ago.
    pub(super) fn forget(&mut self, node: NodeId) {
        if self.table.get(node).is_some_and(|member| !member.state.is_present()) {
            self.rumours.remove(node);
            if self.table.forget(node) {
                self.pass = Pass::default();
            }
        }
    }

    fn hear_of_stranger(&mut self, rumour: Rumour, fx: &mut Fx) {
        // Of somebody unknown only its own word is of use.
        let Claim::Alive { metadata } = &rumour.claim else { return };
        if self.table.known() >= self.config.members_max {
            return fx.note("swim members refused", 1);
        }
        let (node, metadata) = (rumour.node, metadata.clone());
        self.put(Member { node, state: State::Alive, incarnation: rumour.incarnation, metadata });
        fx.emit(Event::Joined(node));
        self.spread(rumour, fx);
    }

    /// A statement that overrides what was known.
    fn believe(&mut self, rumour: Rumour, cx: &Context<'_>, fx: &mut Fx) {
        let node = rumour.node;
        let Some(known) = self.table.get(node).cloned() else { return };
        let mut member =
            Member { state: rumour.claim.state(), incarnation: rumour.incarnation, ..known.clone() };
        if let Claim::Alive { metadata } = &rumour.claim {
            member.metadata = metadata.clone();
        }
        let is_changed = member.metadata != known.metadata;
        let state = member.state;
        self.put(member);
        if self.suspicions.remove(&node).is_some() {
            fx.disarm(Timer::Suspicion(node));
        }
        if state.is_present() && !known.state.is_present() {
            fx.disarm(Timer::Forget(node));
            fx.emit(Event::Joined(node));
        }
        if !state.is_present() && known.state.is_present() {
            fx.arm(Timer::Forget(node), self.config.forget_after..=self.config.forget_after);
        }
        match (&rumour.claim, known.state) {
            (Claim::Alive { .. }, State::Suspect) => fx.emit(Event::Refuted(node)),
            (Claim::Suspect { by }, _) => self.suspect(node, *by, known.state != State::Suspect, cx, fx),
            (Claim::Failed { .. }, State::Alive | State::Suspect) => fx.emit(Event::Failed(node)),
            (Claim::Left, State::Alive | State::Suspect | State::Failed) => fx.emit(Event::Left(node)),
            _ => {}
        }
        if is_changed {
            fx.emit(Event::Changed(node));
        }
        self.spread(rumour, fx);
    }

    fn suspect(&mut self, node: NodeId, by: NodeId, is_news: bool, cx: &Context<'_>, fx: &mut Fx) {
        let present = self.table.present();
        let (least, most) = self.config.suspicion_bounds(present);
        // Who could confirm: neither the suspect nor who raised the suspicion.
        let others = present.saturating_sub(2);
        let can_be_confirmed =
            self.config.lifeguard.suspicion && others >= self.config.confirmations as usize;
        let needed = if can_be_confirmed { self.config.confirmations } else { 0 };
        let suspicion = Suspicion::new(by, cx.now, least, most, needed);
        let wait = suspicion.wait();
        self.suspicions.insert(node, suspicion);
        fx.arm(Timer::Suspicion(node), wait..=wait);
        if is_news {
            fx.emit(Event::Suspected(node));
        }
    }

    /// Somebody else suspects the same.
    fn confirm(&mut self, node: NodeId, by: NodeId, cx: &Context<'_>, fx: &mut Fx) {
        let Some(suspicion) = self.suspicions.get_mut(&node) else { return };
        if suspicion.confirm(by) {
            let left = suspicion.left(cx.now);
            fx.arm(Timer::Suspicion(node), left..=left);
            // Others need to hear it too: each of them counts for itself.
            let incarnation = self.table.get(node).map(|member| member.incarnation).unwrap_or_default();
            self.spread(Rumour { node, incarnation, claim: Claim::Suspect { by } }, fx);
        }
    }

    /// Somebody speaks of this node. What contradicts it is refuted, by a higher incarnation.
    fn hear_of_self(&mut self, rumour: &Rumour, fx: &mut Fx) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Left) {
            return;
        }
        let contradicts = match &rumour.claim {
            Claim::Alive { metadata } => {
                rumour.incarnation > self.incarnation
                    || rumour.incarnation == self.incarnation && *metadata != self.metadata
            }
            _ => rumour.incarnation >= self.incarnation,
        };
        if !contradicts {
            return;
        }
        if self.phase == Phase::Member && rumour.claim.state() != State::Alive {
            self.health.doubt(1);
            fx.note("swim refutations", 1);
        }
        let above = rumour.incarnation.next();
        let flawed = self.config.flaws.refute_without_incarnation && self.phase == Phase::Member;
        self.raise(if flawed { self.incarnation } else { above }, fx);
    }

    /// Announces this node under an incarnation of at least `least`, as soon as no later life can give it again. Gives the incarnation.
    pub(super) fn raise(&mut self, least: Incarnation, fx: &mut Fx) -> Incarnation {
        let wanted = self.reserve.wanted.map_or(least, |wanted| wanted.max(least));
        if wanted <= self.reserve.upto || self.config.flaws.forgetful_incarnation {
            self.announce(wanted, fx);
        } else {
            self.reserve.wanted = Some(wanted);
        }
        // Ahead of need, so that a refutation seldom waits for the disk.
        let is_low = wanted.0.saturating_add(self.config.reservation / 2) > self.reserve.upto.0;
        if is_low && self.reserve.pending.is_none() && !self.config.flaws.forgetful_incarnation {
            let upto = Incarnation(wanted.0.saturating_add(self.config.reservation));
            let ticket = fx.write(Write::Reserve(upto));
            self.reserve.pending = Some((ticket, upto));
        }
        wanted
    }

    pub(super) fn reserved_upto(&mut self, durable: Ticket, fx: &mut Fx) {
        let Some((ticket, upto)) = self.reserve.pending.filter(|(ticket, _)| *ticket <= durable) else {
            return;
        };
        self.reserve.pending = None;
        self.reserve.upto = upto;
        fx.forget(ticket);
        if let Some(wanted) = self.reserve.wanted.take() {
            self.raise(wanted, fx);
        }
    }

    fn announce(&mut self, incarnation: Incarnation, fx: &mut Fx) {
        if matches!(self.phase, Phase::Leaving(_) | Phase::Left) {
            return;
        }
        self.incarnation = incarnation;
        let metadata = self.metadata.clone();
        self.put(Member { node: self.me, state: State::Alive, incarnation, metadata: metadata.clone() });
        if self.phase == Phase::Starting {
            self.take_part(fx);
        }
        self.spread(Rumour { node: self.me, incarnation, claim: Claim::Alive { metadata } }, fx);
    }

    /// Passes a rumour on from now on.
    pub(super) fn spread(&mut self, rumour: Rumour, fx: &mut Fx) {
        self.rumours.push(rumour);
        if let Some(gossip) = self.config.gossip
            && !self.gossiping
            && self.phase != Phase::Starting
        {
            self.gossiping = true;
            fx.arm(Timer::Gossip, gossip.interval..=gossip.interval);
        }
    }

    /// A round of gossip beyond what probes carry.
    pub(super) fn gossip(&mut self, fx: &mut Fx) {
        self.gossiping = false;
        let Some(gossip) = self.config.gossip else { return };
        for node in self.draw_several("swim gossip", gossip.fanout, &[], fx) {
            let rumours = self.news_for(node, false);
            if !rumours.is_empty() {
                fx.send(node, Message::Gossip { rumours });
            }
        }
        if !self.rumours.is_empty() {
            self.gossiping = true;
            fx.arm(Timer::Gossip, gossip.interval..=gossip.interval);
        }
    }

    pub(super) fn put(&mut self, member: Member) {
        if self.table.put(member) {
            self.pass = Pass::default();
        }
    }
}
