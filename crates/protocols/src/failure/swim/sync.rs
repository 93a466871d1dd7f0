//! Tables compared, and a good-bye.

use alloc::vec::Vec;

use synod_machine::{Context, NodeId, RequestId};

use super::types::{Claim, Incarnation, Member, Message, Phase, Reply, Rumour, State, Timer};
use super::{Fx, Swim};

impl Swim {
    /// Time to compare: with anybody; with a seed too until anybody has answered; and with a member that failed, which may be back or may be the
    /// other half of a group that was cut in two.
    pub(super) fn sync(&mut self, fx: &mut Fx) {
        if self.phase != Phase::Member {
            return;
        }
        // Members that know each other must not wait for seeds that are gone: news that were lost between them come only so.
        let seed = if self.alone { self.draw_seed(fx) } else { None };
        let partner = self.draw("swim sync", seed.as_slice(), fx);
        let failed = self.table.failed().len() as u32;
        let lost = if failed == 0 { None } else { Some(fx.choose("swim reconnect", failed)) };
        let lost = lost.and_then(|place| self.table.failed().nth(place as usize));
        let lost = lost.filter(|lost| seed != Some(*lost));
        for to in seed.into_iter().chain(partner).chain(lost) {
            self.send_table(to, true, fx);
        }
        let period = self.config.period;
        match self.config.sync_interval {
            _ if self.alone && !self.seeds.is_empty() => fx.arm(Timer::Sync, period..=period * 2),
            // Spread over the interval, or members that start together would compare together for ever.
            Some(interval) => fx.arm(Timer::Sync, interval * 3 / 4..=interval * 5 / 4),
            None => {}
        }
    }

    fn draw_seed(&mut self, fx: &mut Fx) -> Option<NodeId> {
        let seeds = self.seeds.iter().filter(|seed| **seed != self.me).count() as u32;
        if seeds == 0 {
            return None;
        }
        let place = fx.choose("swim seed", seeds) as usize;
        self.seeds.iter().filter(|seed| **seed != self.me).nth(place).copied()
    }

    fn send_table(&self, to: NodeId, reply: bool, fx: &mut Fx) {
        let mut piece = Vec::new();
        for member in self.table.members() {
            if piece.len() >= self.config.sync_members_max {
                let members = core::mem::take(&mut piece);
                fx.send(to, Message::Sync { members, reply: false });
            }
            piece.push(member.clone());
        }
        // The last piece asks, so that the answer is given in the knowledge of all.
        fx.send(to, Message::Sync { members: piece, reply });
    }

    /// A piece of another's table.
    pub(super) fn compare(
        &mut self,
        from: NodeId,
        mut members: Vec<Member>,
        reply: bool,
        cx: &Context<'_>,
        fx: &mut Fx,
    ) {
        if members.len() > self.config.sync_members_max {
            fx.note("swim table too long", 1);
            members.truncate(self.config.sync_members_max);
        }
        self.alone = false;
        for member in members {
            self.compare_one(from, member, cx, fx);
        }
        if reply {
            self.send_table(from, false, fx);
        }
    }

    fn compare_one(&mut self, from: NodeId, theirs: Member, cx: &Context<'_>, fx: &mut Fx) {
        let Member { node, state, incarnation, metadata } = theirs;
        let ours = self.table.get(node).map(|member| (member.incarnation, member.state));
        let mut hear = |claim: Claim| self.hear(Rumour { node, incarnation, claim }, cx, fx);
        let is_ahead = |ours: Option<(Incarnation, State)>| ours.is_none_or(|(known, _)| incarnation > known);
        match state {
            State::Alive => hear(Claim::Alive { metadata }),
            State::Suspect => {
                // It must have announced itself before it could be suspected.
                if is_ahead(ours) {
                    hear(Claim::Alive { metadata });
                }
                hear(Claim::Suspect { by: from });
            }
            // An old table shall not bury anybody: who is present here may refute first.
            State::Failed if ours.is_some_and(|(_, state)| state.is_present()) => {
                hear(Claim::Suspect { by: from });
            }
            State::Failed => hear(Claim::Failed { by: from }),
            State::Left => hear(Claim::Left),
        }
    }

    /// Begins to leave.
    pub(super) fn leave(&mut self, id: RequestId, fx: &mut Fx) {
        self.phase = Phase::Leaving(id);
        for timer in [Timer::Period, Timer::Direct, Timer::Sync, Timer::Gossip] {
            fx.disarm(timer);
        }
        for node in core::mem::take(&mut self.suspicions).into_keys() {
            fx.disarm(Timer::Suspicion(node));
        }
        self.probe = None;
        if let Some(known) = self.table.get(self.me) {
            let member = Member { state: State::Left, ..known.clone() };
            self.put(member);
        }
        self.say_good_bye(fx);
        fx.arm(Timer::Leave, self.config.period..=self.config.period);
    }

    /// Once more, and it is gone.
    pub(super) fn leave_now(&mut self, fx: &mut Fx) {
        let Phase::Leaving(id) = self.phase else { return };
        self.say_good_bye(fx);
        self.phase = Phase::Left;
        fx.reply(id, Reply::Left);
    }

    fn say_good_bye(&mut self, fx: &mut Fx) {
        let count = self.config.transmissions(self.present());
        let rumour = Rumour { node: self.me, incarnation: self.incarnation, claim: Claim::Left };
        for node in self.draw_several("swim good-bye", count, &[], fx) {
            fx.send(node, Message::Gossip { rumours: alloc::vec![rumour.clone()] });
        }
    }
}
