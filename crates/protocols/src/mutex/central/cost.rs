//! What an entry costs.

use core::time::Duration;

/// Messages an entry of a process that is not the coordinator: request, grant, release.
pub const fn messages_per_entry() -> u64 {
    3
}

/// From one process's leaving to the next one's entering: a release and a grant are under way, one after the other.
pub const fn synchronization_delay(message_delay: Duration) -> Duration {
    message_delay.saturating_mul(2)
}
