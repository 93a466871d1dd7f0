//! What must hold of nodes that keep time.

use alloc::format;
use alloc::string::String;

use synod_machine::NodeId;

use super::{Ntp, Reading, STRATUM_MAX, Timestamp};

/// The true time lies within the stated error (RFC 5905, section 11.2: correctness intervals).
///
/// # Errors
/// A sentence with both times.
pub fn within_its_bound(node: NodeId, reading: &Reading, true_time: Timestamp) -> Result<(), String> {
    let Some(error) = reading.error else { return Ok(()) };
    let off = reading.time - true_time;
    // Half a nanosecond is cut off here and there.
    if off.magnitude() <= error + core::time::Duration::from_nanos(10) {
        return Ok(());
    }
    Err(format!("the clock of {node} is off by {off}, and says that it is off by at most {error:?}"))
}

/// Between steps a clock does not go back (RFC 5905, section 11.3: slews are slower than time).
///
/// # Errors
/// A sentence with both readings.
pub fn forward(node: NodeId, before: Timestamp, now: Timestamp) -> Result<(), String> {
    if before <= now {
        return Ok(());
    }
    Err(format!("the clock of {node} went back by {} without a step", before - now))
}

/// Who is synchronized has a stratum of one more than somebody's, and below 16 (RFC 5905, section 11.1).
///
/// # Errors
/// A sentence with what it says.
pub fn stratum_in_range(ntp: &Ntp) -> Result<(), String> {
    let stratum = ntp.reading().stratum;
    let is_right = if ntp.is_primary() { stratum == 1 } else { (2..=STRATUM_MAX).contains(&stratum) };
    if is_right {
        return Ok(());
    }
    Err(format!("{} says that it is at stratum {stratum}", ntp.id()))
}

/// Nobody follows a server that said itself that it follows this node (RFC 5905, section 11.1: loops).
///
/// # Errors
/// A sentence with both nodes.
pub fn no_loop(ntp: &Ntp) -> Result<(), String> {
    let Some(followed) = ntp.follows() else { return Ok(()) };
    let me = ntp.id();
    let reference = ntp.associations().get(&followed).and_then(super::Association::reference);
    if reference != Some(me) {
        return Ok(());
    }
    Err(format!("{me} follows {followed}, which says that it follows {me}"))
}
