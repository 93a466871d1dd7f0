//! What may go wrong in one run of a small world, and how often.

/// How often each thing may happen in one run. Each use makes the world larger by a factor: begin with none, and add one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budgets {
    /// Crashes: memory is gone, and any suffix of the writes that were not durable.
    pub crashes: u32,
    /// Starts of crashed nodes. Without any left, a crashed node stays down for good.
    pub restarts: u32,
    /// Crashes in which the disk is lost as well: the node that restarts remembers nothing.
    pub wipes: u32,
    /// Messages lost. A message that is never delivered counts for none: for safety alone, with messages that may overtake each other, losses add
    /// nothing; they matter to what a machine owes in the end.
    pub losses: u32,
    /// Messages delivered once more than they were sent.
    pub duplicates: u32,
    /// Timers that fire. [`Budgets::UNLIMITED`] is good for timers that do not come back for ever.
    pub timeouts: u32,
}

impl Budgets {
    /// Nothing goes wrong, and no timer fires.
    pub const NONE: Budgets =
        Budgets { crashes: 0, restarts: 0, wipes: 0, losses: 0, duplicates: 0, timeouts: 0 };
    /// As often as can be.
    pub const UNLIMITED: u32 = u32::MAX;
}

/// Takes one from a budget.
pub(super) fn spend(budget: &mut u32) {
    if *budget != Budgets::UNLIMITED {
        *budget = budget.checked_sub(1).expect("only what the budget has left is listed as possible");
    }
}
