//! [`Machine`], what it is given, and what it may ask for.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

use crate::{Effects, Mono, NodeId, RequestId, Ticket, Wall};

/// What every message, command, write … can do: be copied into a record, be shown, and be hashed into a run's fingerprint.
pub trait Data: Clone + Debug + Hash {}
impl<T: Clone + Debug + Hash> Data for T {}

/// What stands in for a kind of input or effect that a machine has no use for; it has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Never {}

/// A distributed mechanism at one node, as a pure state machine.
///
/// `step` is total: it does not block, fail, read a clock, or draw a random number of its own. A peer's nonsense is
/// dropped and counted, a client's is answered with an error. A broken invariant panics, saying what was expected and what was found.
pub trait Machine {
    /// What nodes send each other.
    type Message: Data;
    /// The *names* of deadlines; at most one is armed per name.
    type Timer: Data + Ord;
    /// What clients of this node ask.
    type Command: Data;
    /// What they are answered.
    type Reply: Data;
    /// What is told to whoever embeds the machine.
    type Event: Data;
    /// What must survive a crash.
    type Write: Data;
    /// Work for the node's [`Worker`](crate::Worker), done in order beside the machine.
    type Job: Data;
    /// What the worker hands back.
    type Done: Data;

    /// The assumptions under which the machine's guarantees hold.
    const NEEDS: Needs;

    /// Take one input; say in `fx` what is to be done.
    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>);

    /// Show the state to a person: names and values, most telling first.
    fn inspect(&self, view: &mut View);
}

/// One input. The driver makes each exactly one step.
#[derive(Debug)]
pub enum Input<M: Machine + ?Sized> {
    /// The node is up. `saved` are the writes that survived, oldest first, from the last
    /// [`forget`](Effects::forget) on; empty at the first start. Always the first input, and only then.
    Start {
        /// Surviving writes, oldest first.
        saved: Vec<M::Write>,
    },
    /// A message came in.
    Receive {
        /// Its sender; the transport vouches for it.
        from: NodeId,
        /// The message.
        message: M::Message,
    },
    /// A deadline passed. The timer is not armed any more.
    Fire(M::Timer),
    /// A client's request.
    Command {
        /// Comes back with each reply.
        id: RequestId,
        /// The request.
        command: M::Command,
    },
    /// Every write up to and including this ticket survives any crash from now on.
    Durable(Ticket),
    /// The worker finished a job, or has news.
    Done(M::Done),
    /// The connection to a peer came up or went down. A hint: messages may be lost without it.
    Link {
        /// The other end.
        peer: NodeId,
        /// Whether it is up now.
        up: bool,
    },
}

// Derives would ask for `M: Clone`, which no input needs.
impl<M: Machine + ?Sized> Clone for Input<M> {
    fn clone(&self) -> Self {
        match self {
            Input::Start { saved } => Input::Start { saved: saved.clone() },
            Input::Receive { from, message } => Input::Receive { from: *from, message: message.clone() },
            Input::Fire(timer) => Input::Fire(timer.clone()),
            Input::Command { id, command } => Input::Command { id: *id, command: command.clone() },
            Input::Durable(ticket) => Input::Durable(*ticket),
            Input::Done(done) => Input::Done(done.clone()),
            Input::Link { peer, up } => Input::Link { peer: *peer, up: *up },
        }
    }
}

impl<M: Machine + ?Sized> Hash for Input<M> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        core::mem::discriminant(self).hash(state);
        match self {
            Input::Start { saved } => saved.hash(state),
            Input::Receive { from, message } => (from, message).hash(state),
            Input::Fire(timer) => timer.hash(state),
            Input::Command { id, command } => (id, command).hash(state),
            Input::Durable(ticket) => ticket.hash(state),
            Input::Done(done) => done.hash(state),
            Input::Link { peer, up } => (peer, up).hash(state),
        }
    }
}

/// What a machine may know at a step beside its own state.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// This node.
    pub me: NodeId,
    /// Monotonic time; the same for the whole step.
    pub now: Mono,
    /// Wall-clock time with its error bound.
    pub wall: Wall,
    /// How much the transport would take for a peer at the moment.
    pub credit: &'a dyn Credit,
}

impl Debug for Context<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} at {}", self.me, self.now)
    }
}

impl<'a> Context<'a> {
    /// A context without back-pressure and without a wall clock, as small examples need it.
    pub fn at(me: NodeId, now: Mono) -> Context<'static> {
        Context { me, now, wall: Wall::default(), credit: &Unlimited }
    }
}

/// Room for sends. A machine with large messages asks before it sends; what is sent beyond may be dropped.
pub trait Credit {
    /// Bytes that the transport would still queue for `peer`.
    fn bytes(&self, peer: NodeId) -> usize;
}

/// No back-pressure.
pub struct Unlimited;
impl Credit for Unlimited {
    fn bytes(&self, _: NodeId) -> usize {
        usize::MAX
    }
}

/// The assumptions of a mechanism. A world that breaks one is refused, or labelled when the point is to see it break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Messages on a link arrive in the order of their sends.
    pub fifo: bool,
    /// Messages between live nodes arrive, once.
    pub reliable: bool,
    /// Messages arrive within a known time.
    pub bounded_delay: bool,
    /// Monotonic clocks of different nodes run at rates within a known bound.
    pub bounded_drift: bool,
    /// Durable writes survive crashes.
    pub stable_storage: bool,
    /// Wall clocks are within their stated error.
    pub wall_clock: bool,
}

impl Needs {
    /// No assumption at all.
    pub const NONE: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };
}

/// A machine's state as names and values, for the lab and for status pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// In the order in which the machine named them.
    pub entries: Vec<(String, String)>,
}

impl View {
    /// Adds one line.
    pub fn show(&mut self, name: &str, value: impl Debug) {
        self.entries.push((String::from(name), alloc::format!("{value:?}")));
    }

    /// Adds a child's lines, each name led by `prefix.`.
    pub fn scope(&mut self, prefix: &str, child: impl FnOnce(&mut View)) {
        let mut view = View::default();
        child(&mut view);
        self.entries
            .extend(view.entries.into_iter().map(|(name, value)| (alloc::format!("{prefix}.{name}"), value)));
    }
}
