//! Chord against its invariants, with the survey's ring as a script.

mod figure;
mod membership;
mod values;
#[path = "../timed_world/mod.rs"]
mod world;

use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::routing::chord::*;

use world::World;

/// Nodes whose ids are their identifiers: `n14` is at 14.
fn peer(id: u64) -> Peer {
    Peer { id: Identifier(id), node: NodeId(id) }
}

fn config(id: u64, bits: u32, successors: usize) -> Config {
    Config { ring: Ring::of_bits(bits), id: Identifier(id), successors, ..Config::default() }
}

/// A ring of these founders, settled.
fn founded(seed: u64, bits: u32, successors: usize, ids: &[u64]) -> World<Chord> {
    let mut world = World::new(seed);
    let founders: Vec<Peer> = ids.iter().copied().map(peer).collect();
    for id in ids {
        let config = Config { founders: founders.clone(), ..config(*id, bits, successors) };
        world.start(NodeId(*id), Chord::new(NodeId(*id), config));
    }
    world.run(Duration::from_millis(1), |_| ());
    world
}

fn join(world: &mut World<Chord>, id: u64, bits: u32, successors: usize, contacts: &[u64], flaws: Flaws) {
    let contacts = contacts.iter().copied().map(peer).collect();
    let config = Config { contacts, flaws, ..config(id, bits, successors) };
    world.start(NodeId(id), Chord::new(NodeId(id), config));
}

fn members(world: &World<Chord>) -> invariants::Members<'_> {
    invariants::Members::of(world.machines().map(|(_, chord)| chord))
}
