//! One node: what dies with its process, and what outlives it.

use std::collections::VecDeque;

use synod_machine::{Buffer, Machine, NodeId, Output, RequestId, SendId};

use super::Event;
use crate::agenda::Moment;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::stream::NodeChoices;
use crate::timers::Timers;
use crate::{Stream, Subject};

/// What leaves only when its ticket is durable.
#[derive(Debug)]
pub(crate) enum Held<M: Machine> {
    Send { id: SendId, to: NodeId, message: M::Message },
    Reply { id: RequestId, reply: M::Reply },
}

/// A running process. A crash drops it as a whole.
pub(crate) struct Process<S: Subject> {
    pub machine: S::Machine,
    pub worker: S::Worker,
    pub buffer: Buffer<S::Machine, NodeChoices>,
    pub timers: Timers<<S::Machine as Machine>::Timer>,
    /// In the order in which they were asked for.
    pub held: VecDeque<(u64, Held<S::Machine>)>,
    pub jobs: VecDeque<<S::Machine as Machine>::Job>,
    pub output: Output<S::Machine>,
    /// A worker's event is in the agenda.
    pub working: bool,
    /// The worker has more to do, if only to be told that no job waits.
    pub more_work: bool,
}

pub(crate) struct Node<S: Subject> {
    pub id: NodeId,
    pub process: Option<Process<S>>,
    pub disk: Disk,
    pub persisted: Option<S::Persisted>,
    pub clock: Clock,
    /// Counts processes: events of an earlier one mean nothing.
    pub life: u32,
    pub version: u32,
    /// It never was up, or its disk was wiped since.
    pub blank: bool,
    pub wiped: bool,
    /// Its durable state is gone for good: it never comes back.
    pub lost: bool,
    /// Rot waits in its log for the next start.
    pub rotten: bool,
    pub crash_at_sync: bool,
    /// What a `crash-at-sync` that lasts does next.
    pub back_after: Option<std::time::Duration>,
    /// Once the first is durable, what lies before the second is not needed.
    pub forgetting: VecDeque<(u64, u64)>,
    pub paused_until: Option<Moment>,
    /// What came while it was paused.
    pub backlog: VecDeque<Event>,
    /// Delays of its timers, and what its crashes leave.
    pub timer_draw: Stream,
    pub crash_draw: Stream,
    pub work_draw: Stream,
    /// Last arrivals of each client lane, to and from this node.
    pub lanes: Vec<(Moment, Moment)>,
}

impl<S: Subject> Node<S> {
    pub(crate) fn new(id: NodeId, seed: u64, clock: Clock) -> Self {
        let draw = |label| Stream::numbered(seed, label, id.0);
        Node {
            id,
            process: None,
            disk: Disk::new(draw("disk")),
            persisted: None,
            clock,
            life: 0,
            version: 1,
            blank: true,
            wiped: false,
            lost: false,
            rotten: false,
            crash_at_sync: false,
            back_after: None,
            forgetting: VecDeque::new(),
            paused_until: None,
            backlog: VecDeque::new(),
            timer_draw: draw("timers"),
            crash_draw: draw("crash"),
            work_draw: draw("work"),
            lanes: vec![(Moment(0), Moment(0)); crate::subject::LANES_MAX as usize],
        }
    }

    pub(crate) fn machine(&self) -> Option<&S::Machine> {
        self.process.as_ref().map(|process| &process.machine)
    }

    pub(crate) fn worker(&self) -> Option<&S::Worker> {
        self.process.as_ref().map(|process| &process.worker)
    }

    pub(crate) fn up(&self) -> bool {
        self.process.is_some()
    }
}
