//! What processes tell each other, and how requests are ordered.

use core::fmt;

use synod_machine::NodeId;

/// A wish to enter. The order is the precedence: smaller stamps first, equal ones by the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// The Lamport clock of its process at that time.
    pub stamp: u64,
    /// Whose it is.
    pub node: NodeId,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.stamp)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message with its sender's Lamport clock, so that a later wish has a later stamp than any that its process may know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The sender's clock.
    pub clock: u64,
    /// What it says.
    pub body: Body,
}

/// What a message says; each names the request that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// May I enter?
    Request(Request),
    /// You may, as far as I am concerned (the paper: LOCKED).
    Grant(Request),
    /// Not yet, another precedes you.
    Failed(Request),
    /// Would you give my grant back?
    Inquire(Request),
    /// Have your grant back for now (the paper: RELINQUISH).
    Yield(Request),
    /// I am out, or wish no more.
    Release(Request),
}

impl Message {
    /// The kind in one word.
    pub fn name(&self) -> &'static str {
        match self.body {
            Body::Request(_) => "request",
            Body::Grant(_) => "grant",
            Body::Failed(_) => "failed",
            Body::Inquire(_) => "inquire",
            Body::Yield(_) => "yield",
            Body::Release(_) => "release",
        }
    }

    /// The request that it is about.
    pub fn request(&self) -> Request {
        match self.body {
            Body::Request(request)
            | Body::Grant(request)
            | Body::Failed(request)
            | Body::Inquire(request)
            | Body::Yield(request)
            | Body::Release(request) => request,
        }
    }
}
