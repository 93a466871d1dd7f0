//! What an entry costs, as formulas: N processes, request sets of K with the process itself, a message takes T, a stay E.

use core::time::Duration;

/// Messages an entry without contention: REQUEST, GRANT and RELEASE for every member but oneself (Maekawa 1985, section 5).
pub const fn messages_uncontended(set: u64) -> u64 {
    3 * (set - 1)
}

/// Messages an entry when all always want to enter: every request is told FAILED once.
pub const fn messages_saturated(set: u64) -> u64 {
    4 * (set - 1)
}

/// The bound that is quoted: REQUEST, INQUIRE, YIELD, GRANT and RELEASE for every member (Maekawa 1985, section 5).
pub const fn messages_published_most(set: u64) -> u64 {
    5 * (set - 1)
}

/// The most that one request can cause at an arbiter: besides those the second GRANT to the one that yielded.
pub const fn messages_most(set: u64) -> u64 {
    6 * (set - 1)
}

/// From one leaving to the next entering: RELEASE to the common arbiter and GRANT from it.
pub fn synchronization_delay(message: Duration) -> Duration {
    2 * message
}

/// Entries a second when all always want to enter: 1/(SD + E).
pub fn entries_per_second(synchronization_delay: Duration, stay: Duration) -> f64 {
    1.0 / (synchronization_delay + stay).as_secs_f64()
}

/// The least K for N processes, all sets alike and meeting in one process: the K with N = K(K-1) + 1, about √N.
pub fn least_set(processes: u64) -> u64 {
    (1..).find(|set| set * (set - 1) + 1 >= processes).unwrap_or(processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_set_is_that_of_the_planes() {
        for (processes, set) in [(1, 1), (3, 2), (7, 3), (13, 4), (21, 5), (31, 6)] {
            assert_eq!(least_set(processes), set);
        }
    }
}
