//! Messages, tickets and what is said about them (RFC 4120, section 5).

use core::fmt;
use core::time::Duration;

use synod_machine::{Context, RequestId};

use super::{Address, Key, Principal, Sealed};

/// Wall-clock time since the epoch, in microseconds: the standard's time with its microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub u64);

impl Stamp {
    /// What the node's wall clock shows.
    pub fn now(cx: &Context<'_>) -> Self {
        Stamp(u64::try_from(cx.wall.since_epoch.as_micros()).unwrap_or(u64::MAX))
    }

    /// That much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Stamp(self.0.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How far two are apart.
    pub fn apart(self, other: Stamp) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// What a server believes of a client (section 5.3): sealed for the server, opaque to the client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// Who may use it.
    pub client: Principal,
    /// With whom.
    pub server: Principal,
    /// The key that both then share.
    pub session: Key,
    /// Not before.
    pub start: Stamp,
    /// Not after.
    pub end: Stamp,
}

/// Proof that the sender of a ticket has its session key, now (section 5.5.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Authenticator {
    /// Who it is from.
    pub client: Principal,
    /// When; unique for this client.
    pub time: Stamp,
    /// To the ticket-granting service: the request that it goes with.
    pub request: Option<TgsBody>,
}

/// What is asked of the ticket-granting service (KDC-REQ-BODY, section 5.4.1), in the open but covered by the authenticator's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TgsBody {
    /// A ticket for this server.
    pub server: Principal,
    /// Wanted until then.
    pub till: Stamp,
    /// Comes back in the reply.
    pub nonce: u64,
}

/// The client's part of a reply of the key distribution centre (EncKDCRepPart, section 5.4.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KdcPart {
    /// The key to use with the ticket.
    pub session: Key,
    /// For whom the ticket is.
    pub server: Principal,
    /// The request's.
    pub nonce: u64,
    /// When the ticket ends.
    pub end: Stamp,
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Body {
    /// KRB_AS_REQ: a first ticket, please.
    AsRequest {
        /// For this client.
        client: Principal,
        /// With this server: the ticket-granting service.
        server: Principal,
        /// Wanted until then.
        till: Stamp,
        /// Comes back in the reply.
        nonce: u64,
        /// The time under the client's key (PA-ENC-TIMESTAMP, section 5.2.7.2).
        proof: Option<Sealed<Stamp>>,
    },
    /// KRB_AS_REP.
    AsReply {
        /// Whose ticket.
        client: Principal,
        /// For the server.
        ticket: Sealed<Ticket>,
        /// For the client.
        part: Sealed<KdcPart>,
    },
    /// KRB_TGS_REQ: a ticket for a service, please.
    TgsRequest {
        /// The first ticket.
        ticket: Sealed<Ticket>,
        /// Proof of its key.
        authenticator: Sealed<Authenticator>,
        /// What is asked.
        body: TgsBody,
    },
    /// KRB_TGS_REP.
    TgsReply {
        /// Whose ticket.
        client: Principal,
        /// For the service.
        ticket: Sealed<Ticket>,
        /// For the client.
        part: Sealed<KdcPart>,
    },
    /// KRB_AP_REQ: it is me.
    ApRequest {
        /// The service's ticket.
        ticket: Sealed<Ticket>,
        /// Proof of its key.
        authenticator: Sealed<Authenticator>,
        /// And who are you?
        mutual: bool,
    },
    /// KRB_AP_REP: it is me too, for I could read your time.
    ApReply {
        /// The authenticator's time under the session key.
        part: Sealed<Stamp>,
    },
    /// KRB_ERROR: nobody vouches for it.
    Error(ErrorCode),
}

/// A packet, with addresses that anybody can write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packet {
    /// Where answers go.
    pub source: Address,
    /// Where it goes.
    pub destination: Address,
    /// What it says.
    pub body: Body,
}

impl Packet {
    /// The kind in one word.
    pub fn name(&self) -> &'static str {
        match self.body {
            Body::AsRequest { .. } => "as-req",
            Body::AsReply { .. } => "as-rep",
            Body::TgsRequest { .. } => "tgs-req",
            Body::TgsReply { .. } => "tgs-rep",
            Body::ApRequest { .. } => "ap-req",
            Body::ApReply { .. } => "ap-rep",
            Body::Error(_) => "error",
        }
    }
}

/// Why not, with the standard's numbers (section 7.5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ErrorCode {
    /// KDC_ERR_C_PRINCIPAL_UNKNOWN.
    ClientUnknown = 6,
    /// KDC_ERR_S_PRINCIPAL_UNKNOWN.
    ServerUnknown = 7,
    /// KDC_ERR_NEVER_VALID: the ticket would end before it begins.
    NeverValid = 11,
    /// KDC_ERR_PREAUTH_FAILED: the proof is under another key.
    ProofFailed = 24,
    /// KDC_ERR_PREAUTH_REQUIRED.
    ProofRequired = 25,
    /// KRB_AP_ERR_BAD_INTEGRITY.
    BadIntegrity = 31,
    /// KRB_AP_ERR_TKT_EXPIRED.
    TicketExpired = 32,
    /// KRB_AP_ERR_TKT_NYV: not yet valid.
    TicketNotYetValid = 33,
    /// KRB_AP_ERR_REPEAT: the authenticator was seen before.
    Repeat = 34,
    /// KRB_AP_ERR_NOT_US: the ticket is another server's.
    NotUs = 35,
    /// KRB_AP_ERR_BADMATCH: ticket and authenticator name different clients.
    BadMatch = 36,
    /// KRB_AP_ERR_SKEW: the clocks are too far apart.
    Skew = 37,
    /// KRB_AP_ERR_MODIFIED: the request is not the one that was vouched for.
    Modified = 41,
    /// KRB_AP_ERR_BADKEYVER: the ticket is under a key that is not used any more.
    BadKeyVersion = 44,
    /// KRB_ERR_GENERIC: here, more authenticators at a time than can be remembered.
    Generic = 60,
}

impl ErrorCode {
    /// The standard's number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// What users of a client ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Show a service who I am; get what tickets that takes.
    Access {
        /// Which service.
        service: Principal,
        /// Have it show who it is, too.
        mutual: bool,
    },
    /// Forget all tickets.
    Destroy,
}

/// What they are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The service knows this client by that authenticator; `mutual`: and the client the service.
    Authenticated {
        /// The authenticator's time.
        time: Stamp,
        /// The key that both share.
        session: Key,
        /// Whether the service has proven itself.
        mutual: bool,
    },
    /// Somebody said no.
    Failed(ErrorCode),
    /// Nobody answered.
    NoAnswer,
    /// Too many wait ([`super::ACCESSES_MAX`]).
    Busy,
    /// The tickets are gone.
    Destroyed,
}

/// What is told to the embedder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A client has made an authenticator.
    Made {
        /// Who.
        client: Principal,
        /// For whom.
        server: Principal,
        /// With which time.
        time: Stamp,
    },
    /// A service believes that this client is there.
    Accepted {
        /// The service.
        server: Principal,
        /// The client.
        client: Principal,
        /// The authenticator's time.
        time: Stamp,
        /// The shared key.
        session: Key,
    },
    /// A server has refused an authenticator or a request.
    Refused(ErrorCode),
    /// The adversary has learnt a key.
    Learnt(Key),
}

/// Names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Client: ask again.
    Retry,
    /// Adversary: send what was held back.
    Release,
}

/// What must survive a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// A server has begun to accept.
    Started,
    /// A server has accepted this authenticator.
    Seen(Seen),
    /// All that still count, in one.
    All(alloc::vec::Vec<Seen>),
}

/// An authenticator as a replay cache keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen {
    /// Its time.
    pub time: Stamp,
    /// Its client.
    pub client: Principal,
}

/// A command that waits.
pub(super) type Waiting = (RequestId, Command);
