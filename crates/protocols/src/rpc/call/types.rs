//! The words that callers, servers and the binder share: names, messages, writes, answers.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use synod_machine::NodeId;

use super::Value;

/// A set of procedures with a number, as programs have in ONC RPC (RFC 5531).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface(pub u32);

/// A life of a process, durable and growing: what happened in an earlier one is not confused with what happens in this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// Who calls: one life of one client. Calls of one activity are numbered (Birrell and Nelson 1984, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Activity {
    /// The client.
    pub client: NodeId,
    /// Its life.
    pub incarnation: Incarnation,
}

/// A call, for ever: all its copies and retransmissions bear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// Whose.
    pub activity: Activity,
    /// Which; from 1.
    pub sequence: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Activity { client, incarnation } = self.activity;
        write!(f, "{client}.{}#{}", incarnation.0, self.sequence)
    }
}

/// How often a call is executed, whatever is lost, repeated or crashes (Spector 1982, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Semantics {
    /// Sent once: executed once or not at all, if the network repeats nothing.
    Maybe,
    /// Repeated until answered: executed at least once if answered, maybe often. For procedures that may be repeated.
    AtLeastOnce,
    /// Repeated, and repetitions recognized: executed once if answered, at most once if not. Ends with the server's life.
    AtMostOnce,
    /// Recorded by both ends: executed once, whatever crashes, as soon as both are up long enough.
    ExactlyOnce,
}

/// Where an interface is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// By whom.
    pub server: NodeId,
    /// In which life: an at-most-once call is bound to it.
    pub incarnation: Incarnation,
}

/// A call on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Which call.
    pub call: CallId,
    /// What is promised of it.
    pub semantics: Semantics,
    /// The server's life that it is meant for.
    pub server: Incarnation,
    /// Calls of the activity below this are answered or given up: their results are not needed.
    pub closed: u64,
    /// Activities of the client's lives before this have no open call any more.
    pub oldest: Incarnation,
    /// What to call.
    pub procedure: u32,
    /// With what, marshaled.
    pub arguments: Bytes,
}

/// What nodes tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Call this.
    Request(Request),
    /// It was called; marshaled results.
    Response {
        /// Which call.
        call: CallId,
        /// What it returned.
        results: Bytes,
    },
    /// It was not called, as far as this server knows.
    Refused {
        /// Which call.
        call: CallId,
        /// Why.
        refusal: Refusal,
    },
    /// It is being executed: no need to ask again soon.
    Working {
        /// Which call.
        call: CallId,
    },
    /// To the binder: who serves this?
    Import(Interface),
    /// From the binder: this does, if anyone.
    Imported(Interface, Option<Binding>),
    /// To the binder: I serve this, in this life.
    Export(Interface, Incarnation),
    /// From the binder: noted, durably.
    Exported(Interface, Incarnation),
}

impl Message {
    /// The kind in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Request(_) => "request",
            Message::Response { .. } => "response",
            Message::Refused { .. } => "refused",
            Message::Working { .. } => "working",
            Message::Import(_) => "import",
            Message::Imported(..) => "imported",
            Message::Export(..) => "export",
            Message::Exported(..) => "exported",
        }
    }
}

/// Why a server does not execute a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It was meant for an earlier life of the server; this is the present one.
    Stale(Incarnation),
    /// Its client has been heard in a later life: the call is an orphan.
    Orphan,
    /// The arguments are not what marshaling makes.
    Garbage,
    /// There is no such procedure.
    NoSuchProcedure,
    /// The server executes or remembers as many calls as it can.
    Busy,
}

/// What clients of this node ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Call a procedure.
    Call {
        /// Which.
        procedure: u32,
        /// With what.
        arguments: Vec<Value>,
        /// How often it may be executed.
        semantics: Semantics,
    },
}

/// What clients are answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The procedure was executed and returned this.
    Returned {
        /// Which call it became.
        call: CallId,
        /// The results.
        results: Vec<Value>,
    },
    /// No results.
    Failed {
        /// Which call it became, if it became one.
        call: Option<CallId>,
        /// What is known.
        failure: Failure,
    },
}

/// Why there are no results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nobody answered: it may have been executed or not.
    Unknown,
    /// The server began a new life meanwhile: it may have been executed or not, and will not be any more.
    ServerRestarted,
    /// The server refused: it was not executed.
    Refused(Refusal),
    /// Nothing was sent: too many calls are open here ([`super::OPEN_CALLS_MAX`]).
    TooManyOpen,
    /// Nothing was sent: the arguments are too large.
    TooLarge,
    /// Nothing was sent: nobody serves the interface.
    NotBound,
}

/// What is told to the embedder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A server executed the procedure for this call.
    Executed {
        /// Which call.
        call: CallId,
        /// What was promised of it.
        semantics: Semantics,
    },
    /// A server stopped executing a call whose client is gone.
    Exterminated {
        /// Which call.
        call: CallId,
    },
    /// A server has heard of a client's new life.
    Reincarnated(Activity),
    /// A call of an earlier life of this client, found in its log, is answered.
    Recovered {
        /// Which call.
        call: CallId,
    },
}

/// Names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Client: send it again, or give up.
    Retry(CallId),
    /// Client: ask the binder again. Server: tell it again.
    Bind,
    /// Server: the execution of that number ends.
    Execute(u64),
    /// Server: nothing was heard of the activity for the retention time.
    Expire(Activity),
}

/// A call as a client's log has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// Which.
    pub call: CallId,
    /// What to call.
    pub procedure: u32,
    /// With what, marshaled.
    pub arguments: Bytes,
}

/// What a server's table knows of an activity, as its log has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remembered {
    /// Whose.
    pub activity: Activity,
    /// Calls below are closed.
    pub closed: u64,
    /// Results of calls that are not.
    pub results: Vec<(u64, Bytes)>,
}

/// What must survive a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// This node's present life.
    Incarnation(Incarnation),
    /// Client: an exactly-once call, before it is sent.
    Called(Recorded),
    /// Client: it is answered.
    Answered(CallId),
    /// Client: all of the above that still counts, in one.
    Calls(Incarnation, Vec<Recorded>),
    /// Server: an exactly-once call as it was executed; the procedures are deterministic, so this is also its effect.
    Executed {
        /// The request.
        request: Request,
    },
    /// Server: everything before, in one.
    Base {
        /// The life.
        incarnation: Incarnation,
        /// The service's state ([`super::Service::save`]).
        service: Bytes,
        /// The duplicate table.
        table: Vec<Remembered>,
    },
    /// Binder: who serves what.
    Bound(Interface, Binding),
}
