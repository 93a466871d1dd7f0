//! Large groups of SWIM members, as the experiments drive them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::failure::swim::{Config, Event, Incarnation, Member, Message, Swim, Table};
use synod_sim::{Delay, Odds};

use crate::crowd::{Crowd, Watch};

/// Messages of a data centre.
pub(super) const DELAY: Delay = Delay::micros(200, 1_000);

/// Members that know each other, none of them started yet. They share one table.
pub(super) fn members(seed: u64, count: u64, config: &Config, loss: Odds) -> Crowd<Swim> {
    // What they will say of themselves first is known: it is no news.
    let first = Incarnation(1);
    let base: Arc<[Member]> =
        (1..=count).map(|node| Member { incarnation: first, ..Member::new(NodeId(node)) }).collect();
    let machines = (1..=count).map(|node| {
        let table = Table::new(base.clone());
        Swim::new(NodeId(node), config.clone(), table, Vec::new())
    });
    Crowd::new(seed, machines, DELAY, loss)
}

/// Counts messages, and notes the first ping of each member that it looks out for.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// When each failed, and when it was first pinged since.
    pub wanted: BTreeMap<NodeId, (Duration, Option<Duration>)>,
    missing: usize,
    waits: bool,
    pub sent: u64,
    pub received: u64,
}

impl Pings {
    /// Over when each of these was pinged after its time.
    pub fn of(failures: impl IntoIterator<Item = (NodeId, Duration)>) -> Self {
        let wanted: BTreeMap<_, _> = failures.into_iter().map(|(node, at)| (node, (at, None))).collect();
        Pings { missing: wanted.len(), waits: true, wanted, ..Pings::default() }
    }
}

impl Watch<Swim> for Pings {
    fn sent(&mut self, now: Duration, _: NodeId, to: NodeId, message: &Message) {
        self.sent += 1;
        if matches!(message, Message::Ping { .. })
            && let Some((failed, first)) = self.wanted.get_mut(&to)
            && first.is_none()
            && now >= *failed
        {
            *first = Some(now);
            self.missing -= 1;
        }
    }

    fn received(&mut self, _: Duration, _: NodeId) {
        self.received += 1;
    }

    fn is_over(&self) -> bool {
        self.waits && self.missing == 0
    }
}

/// When members were taken for failed, and by how many.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Of those that the experiment disturbed: first report by somebody else, and reports.
    pub disturbed: BTreeMap<NodeId, Reported>,
    /// Reports of members that nothing was wrong with.
    pub false_positives: u64,
    /// Of those, by members that nothing was wrong with either.
    pub false_positives_at_healthy: u64,
    /// Suspicions of members that nothing was wrong with.
    pub false_suspicions: u64,
    /// Over when each that was disturbed was reported by so many.
    pub enough: Option<u64>,
}

/// Reports of one member.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reported {
    pub first: Option<Duration>,
    pub last: Option<Duration>,
    pub count: u64,
}

impl Failures {
    /// Looks out for reports of these, and for reports of others.
    pub fn of(disturbed: impl IntoIterator<Item = NodeId>) -> Self {
        let disturbed = disturbed.into_iter().map(|node| (node, Reported::default())).collect();
        Failures { disturbed, ..Failures::default() }
    }
}

impl Watch<Swim> for Failures {
    fn told(&mut self, now: Duration, by: NodeId, event: &Event) {
        match event {
            Event::Failed(node) => match self.disturbed.get_mut(node) {
                Some(reported) => {
                    reported.first.get_or_insert(now);
                    reported.last = Some(now);
                    reported.count += 1;
                }
                None => {
                    self.false_positives += 1;
                    self.false_positives_at_healthy += u64::from(!self.disturbed.contains_key(&by));
                }
            },
            Event::Suspected(node) if !self.disturbed.contains_key(node) => self.false_suspicions += 1,
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        self.enough.is_some_and(|enough| self.disturbed.values().all(|reported| reported.count >= enough))
    }
}
