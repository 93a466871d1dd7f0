//! Known bugs, to be put back.

/// Bugs that databases of this kind have had, each behind a switch at the one place where the right code stands. All off
/// by default; tests switch one on and demand that the simulator finds it. Consensus has its own list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// The applied index is stored apart from the data, and a restart applies the last entries again.
    pub apply_again_after_restart: bool,
    /// The session table is left out of snapshots: an old copy of a change is applied a second time.
    pub snapshot_without_sessions: bool,
    /// After a snapshot was installed, watches go on with the next live event instead of the history in between.
    pub watch_skips_snapshot: bool,
    /// A deposed leader goes on ending leases, by way of its successor.
    pub lessor_outlives_leadership: bool,
    /// A read shares the answer to a round that was begun before it came.
    pub read_joins_round: bool,
}
