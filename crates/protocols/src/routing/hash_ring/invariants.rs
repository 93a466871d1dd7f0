//! What must hold of a ring and of the keys on it. Each function gives a sentence where it does not.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use synod_machine::NodeId;

use super::{BoundedLoads, HashRing};

/// Replicas are on distinct nodes, and on as many zones as can be had (Dynamo, section 4.3: "distinct physical nodes").
pub fn replicas_apart(ring: &HashRing, place: u64, count: usize) -> Result<(), String> {
    let replicas = ring.replicas(place, count);
    let nodes: BTreeSet<NodeId> = replicas.iter().copied().collect();
    let owning = || ring.members().filter(|(_, member)| member.weight > 0);
    if nodes.len() != count.min(owning().count()) {
        return Err(format!("expected {count} distinct nodes for place {place}, found {replicas:?}"));
    }
    let zone = |node: &NodeId| ring.member(*node).map(|member| member.zone);
    let zones: BTreeSet<Option<u64>> = nodes.iter().map(zone).collect();
    let all: BTreeSet<u64> = owning().map(|(_, member)| member.zone).collect();
    let most = count.min(all.len());
    if zones.len() != most {
        return Err(format!(
            "expected {most} zones for place {place}, found {} in {replicas:?}",
            zones.len()
        ));
    }
    Ok(())
}

/// Only what must move moves (Karger et al., "monotonicity"): when nodes join, to them only; when nodes leave, from them only.
pub fn minimal_movement(before: &HashRing, after: &HashRing) -> Result<(), String> {
    let weight = |ring: &HashRing, node: NodeId| ring.member(node).map_or(0, |member| member.weight);
    for moved in before.moves_to(after) {
        let gains = moved.to.is_some_and(|node| weight(after, node) > weight(before, node));
        let loses = moved.from.is_some_and(|node| weight(after, node) < weight(before, node));
        if !gains && !loses {
            return Err(format!(
                "{moved:?} moves although neither its old owner lost weight nor its new one gained"
            ));
        }
    }
    Ok(())
}

/// No node has more than its capacity (Mirrokni et al., section 1).
pub fn loads_bounded<K: Ord + Clone>(loads: &BoundedLoads<K>) -> Result<(), String> {
    for (node, _) in loads.ring().members() {
        let (load, capacity) = (loads.load(node), loads.capacity(node));
        if load > capacity {
            return Err(format!("expected at most {capacity} keys at {node}, found {load}"));
        }
    }
    Ok(())
}

/// A key has passed full nodes only (Mirrokni et al., section 2): so where keys are is consistent, not an accident of their order.
pub fn passed_only_full<K: Ord + Clone>(loads: &BoundedLoads<K>) -> Result<(), String> {
    for (_, place, at) in loads.placed() {
        for node in loads.ring().preference(place).take_while(|node| *node != at) {
            if loads.load(node) < loads.capacity(node) {
                return Err(format!(
                    "the key at place {place} lies at {at} although {node} before it has room"
                ));
            }
        }
    }
    Ok(())
}
