//! What must hold at every moment, over all processes.

use alloc::format;
use alloc::string::String;

use synod_machine::NodeId;

use super::Process;

/// Mutual exclusion (Lamport 1978, condition I): at most one process is in its critical section. The error says who and how.
pub fn exclusion<'a>(processes: impl Iterator<Item = (NodeId, &'a Process)>) -> Result<(), String> {
    let mut inside = processes.filter_map(|(id, process)| Some((id, process.inside()?)));
    match (inside.next(), inside.next()) {
        (Some((one, stamp)), Some((other, other_stamp))) => Err(format!(
            "{one} (request {stamp}) and {other} (request {other_stamp}) are both in the critical section"
        )),
        _ => Ok(()),
    }
}

/// Order (condition II): entries are granted in the order of (stamp, process). `last` is the entry before.
pub fn same_order(last: (u64, NodeId), entered: (u64, NodeId)) -> Result<(), String> {
    if last < entered {
        return Ok(());
    }
    let ((before, first), (stamp, next)) = (last, entered);
    Err(format!("{next} entered with request {stamp} after {first} with the later request {before}"))
}
