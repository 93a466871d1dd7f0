//! The families of mechanisms, as the folders are named.

/// A family: a chapter of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Logical clocks.
    Clocks,
    /// Global states.
    Snapshot,
    /// Agreement.
    Consensus,
    /// Mutual exclusion.
    Mutex,
    /// Atomic commitment.
    Commit,
    /// Copies of data.
    Replication,
    /// Where data is.
    Routing,
    /// Who is alive.
    Failure,
    /// Physical clocks.
    TimeSync,
    /// Calls to other machines.
    Rpc,
    /// Authentication.
    Kerberos,
    /// Epidemics.
    Gossip,
    /// The whole product.
    Database,
}

impl Family {
    /// Every family, in the order of chapters.
    pub const ALL: [Family; 13] = [
        Family::Clocks,
        Family::Snapshot,
        Family::Consensus,
        Family::Mutex,
        Family::Commit,
        Family::Replication,
        Family::Routing,
        Family::Failure,
        Family::TimeSync,
        Family::Rpc,
        Family::Kerberos,
        Family::Gossip,
        Family::Database,
    ];

    /// Its name: the folder's, with hyphens.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Clocks => "clocks",
            Family::Snapshot => "snapshot",
            Family::Consensus => "consensus",
            Family::Mutex => "mutex",
            Family::Commit => "commit",
            Family::Replication => "replication",
            Family::Routing => "routing",
            Family::Failure => "failure",
            Family::TimeSync => "time-sync",
            Family::Rpc => "rpc",
            Family::Kerberos => "kerberos",
            Family::Gossip => "gossip",
            Family::Database => "database",
        }
    }
}
