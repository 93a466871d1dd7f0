//! Detection of stable properties by repeated snapshots; termination is one.
//!
//! # The problem
//!
//! Has the computation ended? Each process can say whether it is passive, but a message under way can wake it again, and when one looks at the last process the first may be
//! active again. The same with deadlock, a lost token, or garbage: once true, true for ever, and true of no process alone.
//!
//! # The rules
//!
//! Chandy and Lamport 1985, section 5: a property is *stable* if it stays true once it is true. Take a snapshot, judge it, and say yes if the property holds in it; otherwise
//! take the next.
//!
//! [`Detector`] wraps an application, takes a snapshot every period at the one node that is told to ([`Detector::watching`]), and emits [`Event::Detected`] the
//! first time that its [`StableProperty`] holds. [`Termination`] holds if every process is passive and no message is under way.
//!
//! # What is guaranteed
//!
//! Never a yes too early: if the property holds in the snapshot, it held when the snapshot was complete. Never a yes too late: if it held when a snapshot began, that
//! snapshot says yes.
//!
//! # What is assumed
//!
//! What [snapshots](super::chandy_lamport) assume; and that the property is stable, of which [`Termination`] is sure if only messages make passive processes active.
//!
//! # What it costs
//!
//! A snapshot a period; detection takes up to one period and two snapshots.
//!
//! # What is left out
//!
//! Cheaper algorithms for termination alone (Dijkstra and Scholten 1980, Mattern's counters 1987): they count messages instead of recording states.
//!
//! # Example
//!
//! Two nodes without anything to do; n1 takes a snapshot and sees that.
//!
//! ```
//! use std::{collections::VecDeque, time::Duration};
//! use synod_machine::*;
//! use synod_protocols::snapshot::chandy_lamport::Topology;
//! use synod_protocols::snapshot::stable_property::{Detector, Event, Termination, Timer};
//! use synod_protocols::snapshot::transfers::{Setting, Transfers};
//!
//! let (one, two) = (NodeId(1), NodeId(2));
//! let node = |me, peer| {
//!     let pace = Duration::ZERO..=Duration::ZERO;
//!     let idle = Setting { peers: vec![peer], balance: 10, tasks: vec![], pace, logged_one_in: 0 };
//!     Detector::new(me, Topology::complete(me, [one, two]), Transfers::new(idle), Termination)
//! };
//! let mut nodes = [node(one, two).watching(Duration::from_secs(1)), node(two, one)];
//! let mut inputs = VecDeque::from([(one, Input::Fire(Timer::Snapshot))]);
//! let mut detected = None;
//! while let Some((me, input)) = inputs.pop_front() {
//!     let mut buffer = Buffer::new(First, Ticket(1));
//!     nodes[me.0 as usize - 1].step(&Context::at(me, Mono::ZERO), input, &mut buffer.effects());
//!     for effect in buffer.effects {
//!         match effect {
//!             Effect::Send { to, message, .. } => inputs.push_back((to, Input::Receive { from: me, message })),
//!             Effect::Emit(Event::Detected(snapshot)) => detected = Some(snapshot.to_string()),
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(detected.as_deref(), Some("n1/1"));
//! ```

use core::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, NodeId, RequestId, Scope, Ticket, View};

use super::chandy_lamport::{
    ChandyLamport, Command, Event as SnapshotEvent, GlobalState, Message, Recordable, Reply, SnapshotId,
    Topology,
};

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// A property of global states that stays true once it is true.
pub trait StableProperty<M: Recordable> {
    /// Whether it holds in that state.
    fn holds(&self, state: &GlobalState<M::State, M::Message>) -> bool;
}

/// A local state that is active, or passive until a message comes.
pub trait Activity {
    /// Whether the process may act of itself.
    fn is_active(&self) -> bool;
}

/// Every process is passive, and no message is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Termination;

impl<M: Recordable> StableProperty<M> for Termination
where
    M::State: Activity,
{
    fn holds(&self, state: &GlobalState<M::State, M::Message>) -> bool {
        state.states().all(|(_, state)| !state.is_active()) && state.in_transit().next().is_none()
    }
}

/// Names of deadlines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer<T> {
    /// The next snapshot is due.
    Snapshot,
    /// The application's.
    Application(T),
}

/// What whoever embeds the machine is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<E, S, T> {
    /// The property holds; this snapshot shows it.
    Detected(SnapshotId),
    /// Of a snapshot.
    Snapshot(SnapshotEvent<E, S, T>),
}

/// An application that is watched for a stable property.
#[derive(Clone, Debug, Hash)]
pub struct Detector<M: Recordable, P> {
    snapshots: ChandyLamport<M>,
    watch: Watch<P>,
}

#[derive(Clone, Debug, Hash)]
struct Watch<P> {
    property: P,
    /// How often this node takes a snapshot, if it does.
    period: Option<Duration>,
    detected: Option<SnapshotId>,
}

impl<M: Recordable, P: StableProperty<M>> Detector<M, P> {
    /// A node that takes part, but takes no snapshot of itself.
    pub fn new(me: NodeId, topology: Topology, application: M, property: P) -> Self {
        let watch = Watch { property, period: None, detected: None };
        Detector { snapshots: ChandyLamport::new(me, topology, application), watch }
    }

    /// The node that takes a snapshot every `period`, until the property holds.
    pub fn watching(mut self, period: Duration) -> Self {
        self.watch.period = Some(period);
        self
    }

    /// The snapshots and the application.
    pub fn snapshots(&self) -> &ChandyLamport<M> {
        &self.snapshots
    }

    /// The snapshot in which the property held, if there was one.
    pub fn detected(&self) -> Option<SnapshotId> {
        self.watch.detected
    }

    fn within(
        &mut self,
        fx: &mut Effects<'_, Self>,
        act: impl FnOnce(&mut ChandyLamport<M>, &mut Effects<'_, ChandyLamport<M>>),
    ) {
        let Self { snapshots, watch } = self;
        fx.scope(watch, |fx| act(snapshots, fx));
    }

    fn wait(&self, fx: &mut Effects<'_, Self>) {
        if let Some(period) = self.watch.period.filter(|_| self.watch.detected.is_none()) {
            fx.arm(Timer::Snapshot, period..=period);
        }
    }
}

impl<M: Recordable, P: StableProperty<M>> Machine for Detector<M, P> {
    type Message = Message<M::Message, M::State>;
    type Timer = Timer<M::Timer>;
    type Command = Command<M::Command>;
    type Reply = Reply<M::Reply, M::State, M::Message>;
    type Event = Event<M::Event, M::State, M::Message>;
    type Write = M::Write;
    type Job = M::Job;
    type Done = M::Done;

    const NEEDS: Needs = ChandyLamport::<M>::NEEDS;

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        let input = match input {
            Input::Fire(Timer::Snapshot) => {
                self.within(fx, |snapshots, fx| {
                    snapshots.begin(fx);
                });
                self.wait(fx);
                return;
            }
            Input::Fire(Timer::Application(timer)) => Input::Fire(timer),
            Input::Start { saved } => {
                self.wait(fx);
                Input::Start { saved }
            }
            Input::Receive { from, message } => Input::Receive { from, message },
            Input::Command { id, command } => Input::Command { id, command },
            Input::Durable(ticket) => Input::Durable(ticket),
            Input::Done(done) => Input::Done(done),
            Input::Link { peer, up } => Input::Link { peer, up },
        };
        self.within(fx, |snapshots, fx| snapshots.step(cx, input, fx));
    }

    fn inspect(&self, view: &mut View) {
        view.show("detected", self.watch.detected);
        self.snapshots.inspect(view);
    }
}

impl<M: Recordable, P: StableProperty<M>> Scope<ChandyLamport<M>, Detector<M, P>> for Watch<P> {
    fn message(
        &mut self,
        _: NodeId,
        message: Message<M::Message, M::State>,
        _: Option<Ticket>,
    ) -> Message<M::Message, M::State> {
        message
    }

    fn timer(&mut self, timer: M::Timer) -> Timer<M::Timer> {
        Timer::Application(timer)
    }

    fn write(&mut self, write: M::Write) -> M::Write {
        write
    }

    fn work(&mut self, job: M::Job, fx: &mut Effects<'_, Detector<M, P>>) {
        fx.work(job);
    }

    fn reply(
        &mut self,
        id: RequestId,
        reply: Reply<M::Reply, M::State, M::Message>,
        fx: &mut Effects<'_, Detector<M, P>>,
    ) {
        fx.reply(id, reply);
    }

    fn event(
        &mut self,
        event: SnapshotEvent<M::Event, M::State, M::Message>,
        fx: &mut Effects<'_, Detector<M, P>>,
    ) {
        if let SnapshotEvent::Completed(state) = &event
            && self.detected.is_none()
            && self.property.holds(state)
        {
            self.detected = Some(state.id);
            fx.disarm(Timer::Snapshot);
            fx.emit(Event::Detected(state.id));
        }
        fx.emit(Event::Snapshot(event));
    }

    fn forget(&mut self, before: Ticket, fx: &mut Effects<'_, Detector<M, P>>) {
        fx.forget(before);
    }
}
