//! On which nodes a key's copies lie.

use alloc::vec::Vec;

use synod_machine::NodeId;

use super::HashRing;

impl HashRing {
    /// The nodes of `count` copies of what lies at `place`, the owner first: the next nodes along the ring whose zones are new; when there are no new zones any more,
    /// the nodes that were passed over for their zones, in the order of the ring. Fewer if there are fewer nodes.
    pub fn replicas(&self, place: u64, count: usize) -> Vec<NodeId> {
        let mut chosen: Vec<NodeId> = Vec::with_capacity(count.min(self.members.len()));
        let mut zones: Vec<u64> = Vec::new();
        let mut passed: Vec<NodeId> = Vec::new();
        let owning = self.members.values().filter(|member| member.weight > 0).count();
        for (_, node) in self.walk(place) {
            // Once every node was seen there is nothing new on the ring.
            if chosen.len() == count || chosen.len() + passed.len() == owning {
                break;
            }
            if chosen.contains(&node) || passed.contains(&node) {
                continue;
            }
            let zone = self.members[&node].zone;
            if zones.contains(&zone) {
                passed.push(node);
            } else {
                zones.push(zone);
                chosen.push(node);
            }
        }
        let missing = count - chosen.len();
        chosen.extend(passed.into_iter().take(missing));
        chosen
    }

    /// All nodes in the order in which a key at `place` tries them, each once.
    pub fn preference(&self, place: u64) -> impl Iterator<Item = NodeId> + '_ {
        let mut seen: Vec<NodeId> = Vec::new();
        self.walk(place).filter_map(move |(_, node)| {
            let new = !seen.contains(&node);
            if new {
                seen.push(node);
            }
            new.then_some(node)
        })
    }
}
