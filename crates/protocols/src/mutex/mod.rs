//! Mutual exclusion: at most one process is in its critical section, and whoever asks gets in.
//!
//! Processes are machines; a client at each asks it to enter and tells it when it leaves. All mechanisms of the family speak the
//! same [`Command`] and [`Reply`], so that one workload drives them all.

pub mod central;
pub mod lamport;
pub mod maekawa;

/// What a client asks of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// To be let into the critical section.
    Enter,
    /// It has left the critical section.
    Leave,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// It is in the critical section from now on.
    Entered,
    /// It waits already, is inside already, or was not inside: the command has no effect.
    Refused,
}
