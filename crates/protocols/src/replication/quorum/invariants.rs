//! What must hold of the copies of a key at one moment, and of what clients read. Each function gives a sentence where it does not.

use alloc::format;
use alloc::string::String;

use super::{Key, Quorum, Reply};
use crate::clocks::Dot;

/// An acknowledged write is at `W` of the key's nodes (Gifford 1979), or at nodes that stand in for them: as long as no disk is lost. `has` says whether a node has it.
pub fn stored_at_quorum(nodes: usize, write: usize, key: Key) -> Result<(), String> {
    if nodes >= write {
        return Ok(());
    }
    Err(format!("key {}: an acknowledged write is at {nodes} nodes, expected at least {write}", key.0))
}

/// When all is quiet and every key was read: the copies of these nodes converge (Dynamo, section 4.4, *eventual consistency*), and no hint for one of them is left.
pub fn converged<'a>(
    nodes: impl Iterator<Item = &'a Quorum> + Clone,
    keys: impl Iterator<Item = Key>,
) -> Result<(), String> {
    for key in keys {
        let mut copies = nodes.clone().filter(|node| node.preference(key).contains(&node.me));
        let Some(first) = copies.next() else { continue };
        if let Some(other) = copies.find(|other| other.copy(key) != first.copy(key)) {
            return Err(format!("key {}: {} and {} have different copies", key.0, first.me, other.me));
        }
    }
    for node in nodes.clone() {
        let waits = node.hints.keys().find(|(owner, _)| nodes.clone().any(|other| other.me == *owner));
        if let Some((owner, key)) = waits {
            return Err(format!("{} still keeps a copy of key {} for {owner}", node.me, key.0));
        }
    }
    Ok(())
}

/// `R + W > N`: a read includes a write that was complete when it began (Gifford 1979, section 2).
pub fn not_stale(key: Key, read: &Reply, complete: &Dot) -> Result<(), String> {
    match read {
        Reply::Values { context, .. } if !context.contains(complete) => Err(format!(
            "key {}: write {complete} was complete when the read began, and the read does not include it",
            key.0
        )),
        _ => Ok(()),
    }
}
