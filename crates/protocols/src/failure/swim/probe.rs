//! One probe a period, and probes for others.

use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Context, NodeId};

use super::order::Pass;
use super::types::{Claim, Message, Phase, Rumour, State, Timer};
use super::{Fx, ProbeOrder, Swim};

/// Part of the asker's patience after which a helper says that it tried (Lifeguard: 80 %).
const NACK_AFTER_PERCENT: u32 = 80;

/// The probe of this period.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Probe {
    pub number: u64,
    pub target: NodeId,
    pub answered: bool,
    /// Helpers that have not said anything.
    pub silent: Vec<NodeId>,
}

/// A ping made for somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Relay {
    asker: NodeId,
    probe: u64,
    target: NodeId,
    /// It was told that the target is silent so far.
    told: bool,
    /// It is dropped then at the latest.
    patience: Duration,
}

impl Swim {
    /// Judges the last period and begins the next.
    pub(super) fn begin_period(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        if self.phase != Phase::Member {
            return;
        }
        fx.disarm(Timer::Direct);
        if let Some(probe) = self.probe.take().filter(|probe| !probe.answered) {
            fx.note("swim probes without answer", 1);
            self.health.doubt(1 + probe.silent.len() as u32);
            self.accuse(probe.target, self.me, cx, fx);
        }
        if let Some(target) = self.next_target(fx) {
            self.probes += 1;
            let number = self.probes;
            self.probe = Some(Probe { number, target, answered: false, silent: Vec::new() });
            let rumours = self.news_for(target, self.config.lifeguard.buddy);
            fx.send(target, Message::Ping { probe: number, rumours });
            let timeout = self.health.stretch(self.config.timeout);
            fx.arm(Timer::Direct, timeout..=timeout);
        }
        let period = self.health.stretch(self.config.period);
        fx.arm(Timer::Period, period..=period);
    }

    fn next_target(&mut self, fx: &mut Fx) -> Option<NodeId> {
        if self.config.order == ProbeOrder::Random {
            return self.draw("swim probe", &[], fx);
        }
        // The rest of this pass, and if nobody is left in it a whole one: who is not in that either is not there.
        for _ in 0..2 {
            while let Some(seat) = self.pass.next() {
                let member = self.table.seat(seat);
                let target = member.filter(|m| m.state.is_present() && m.node != self.me);
                if let Some(target) = target {
                    return Some(target.node);
                }
            }
            self.pass = Pass::new(fx.entropy(), self.table.seats());
        }
        None
    }

    /// No direct answer in time.
    pub(super) fn ask_helpers(&mut self, fx: &mut Fx) {
        let Some((number, target)) =
            self.probe.as_ref().filter(|probe| !probe.answered).map(|probe| (probe.number, probe.target))
        else {
            return;
        };
        let helpers = self.draw_several("swim helper", self.config.helpers, &[target], fx);
        let (period, timeout) = (self.config.period, self.config.timeout);
        let wants_nack = self.config.lifeguard.probe;
        let patience = wants_nack.then(|| self.health.stretch(period - timeout));
        for helper in &helpers {
            let rumours = self.news_for(*helper, false);
            fx.send(*helper, Message::PingRequest { probe: number, target, patience, rumours });
        }
        if wants_nack && let Some(probe) = &mut self.probe {
            probe.silent = helpers;
        }
    }

    /// Pings `target` for `asker`.
    pub(super) fn ping_for(
        &mut self,
        asker: NodeId,
        probe: u64,
        target: NodeId,
        patience: Option<Duration>,
        fx: &mut Fx,
    ) {
        if target == self.me {
            // It lost the way, and is here: the best answer that there is.
            let rumours = self.news_for(asker, false);
            return fx.send(asker, Message::Ack { probe, rumours });
        }
        if self.relays.len() >= self.config.relays_max {
            return fx.note("swim relays refused", 1);
        }
        self.probes += 1;
        let number = self.probes;
        let rumours = self.news_for(target, self.config.lifeguard.buddy);
        fx.send(target, Message::Ping { probe: number, rumours });
        let longest = self.config.period * (self.config.health_max + 1);
        let wanted = patience.unwrap_or(self.config.period).min(longest);
        let early = wanted * NACK_AFTER_PERCENT / 100;
        let (first, rest) =
            if patience.is_some() { (early, wanted - early) } else { (wanted, Duration::ZERO) };
        self.relays.insert(number, Relay { asker, probe, target, told: patience.is_none(), patience: rest });
        fx.arm(Timer::Nack(number), first..=first);
    }

    /// Somebody answered a probe of this member or one that it made for another.
    pub(super) fn answered(&mut self, number: u64, fx: &mut Fx) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.number == number && !probe.answered) {
            probe.answered = true;
            probe.silent.clear();
            self.health.reassure();
            fx.disarm(Timer::Direct);
        } else if let Some(relay) = self.relays.remove(&number) {
            fx.disarm(Timer::Nack(number));
            let rumours = self.news_for(relay.asker, false);
            fx.send(relay.asker, Message::Ack { probe: relay.probe, rumours });
        }
    }

    /// A helper is there, though it has no answer either.
    pub(super) fn tried(&mut self, helper: NodeId, number: u64) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.number == number) {
            probe.silent.retain(|silent| *silent != helper);
        }
    }

    /// The target of a probe for another is silent so far; later its answer is not waited for any more.
    pub(super) fn tell_that_it_tried(&mut self, number: u64, fx: &mut Fx) {
        let Some(relay) = self.relays.get_mut(&number) else { return };
        if relay.told {
            self.relays.remove(&number);
            return;
        }
        relay.told = true;
        let (asker, probe, rest) = (relay.asker, relay.probe, relay.patience);
        fx.send(asker, Message::Nack { probe });
        fx.arm(Timer::Nack(number), rest..=rest);
    }

    /// The rumours of a message to `to`. It is told first what is said of itself if it must refute that: always when it is held for failed or
    /// gone, when it is held for suspect if `buddy`.
    pub(super) fn news_for(&mut self, to: NodeId, buddy: bool) -> Vec<Rumour> {
        let mut news = Vec::new();
        if let Some(member) = self.table.get(to)
            && (member.state > State::Suspect || (buddy && member.state == State::Suspect))
        {
            let claim = match member.state {
                State::Failed => Claim::Failed { by: self.me },
                State::Left => Claim::Left,
                State::Alive | State::Suspect => Claim::Suspect { by: self.me },
            };
            news.push(Rumour { node: to, incarnation: member.incarnation, claim });
        }
        let room = self.config.rumours_max - news.len().min(self.config.rumours_max);
        let except = (!news.is_empty()).then_some(to);
        let transmissions = self.config.transmissions(self.present());
        self.rumours.take(room, transmissions, except, &mut news);
        news
    }
}
