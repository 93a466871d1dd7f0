//! What an entry costs, as the paper counts it.

use core::time::Duration;

/// Messages an entry, of `processes`: a request, an acknowledgement and a release for every other process.
pub const fn messages_per_entry(processes: u64) -> u64 {
    3 * processes.saturating_sub(1)
}

/// From one process's leaving to the next one's entering under load: one release is under way.
pub const fn synchronization_delay(message_delay: Duration) -> Duration {
    message_delay
}
