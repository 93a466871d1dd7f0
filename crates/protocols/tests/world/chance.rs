//! A world left to chance: messages in any order, lost and repeated, timers at any moment, disks that lag, crashes.

use synod_machine::*;

use super::{Words, World};

/// Splitmix: small, and the same for ever.
pub struct Chance(pub u64);

impl Chance {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.bits() % 100 < percent
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What may happen beside deliveries, in percent of all steps.
#[derive(Clone, Copy, Debug)]
pub struct Odds {
    pub crash: u64,
    pub restart: u64,
    pub fire: u64,
    pub sync: u64,
    pub lose: u64,
    pub repeat: u64,
}

/// One step of chance.
pub fn stir<M: Words>(world: &mut World<M>, odds: Odds, chance: &mut Chance) {
    let ids: Vec<NodeId> = world.nodes.keys().copied().collect();
    let id = chance.pick(&ids);
    if chance.percent(odds.crash) {
        let keep = chance.below(3);
        world.crash(id, keep);
    }
    if chance.percent(odds.restart) && world.machine(id).is_none() {
        world.start(id);
    }
    if chance.percent(odds.sync) {
        world.sync(id);
    }
    let timers: Vec<M::Timer> = world.nodes[&id].timers.iter().cloned().collect();
    if !timers.is_empty() && chance.percent(odds.fire) {
        world.fire(id, timers[chance.below(timers.len())].clone());
    }
    if world.network.is_empty() {
        return;
    }
    let place = chance.below(world.network.len());
    let flight = if chance.percent(odds.repeat) {
        world.network[place].clone()
    } else {
        world.network.remove(place).expect("it was just counted")
    };
    if !chance.percent(odds.lose) {
        world.receive(flight);
    }
}

/// From here on nothing fails: everyone is up, disks and messages keep their order. Until `done`, or as many rounds at most.
pub fn calm<M: Words>(world: &mut World<M>, rounds_max: usize, done: impl Fn(&World<M>) -> bool) -> bool {
    let ids: Vec<NodeId> = world.nodes.keys().copied().collect();
    for round in 0..rounds_max {
        for id in &ids {
            if world.machine(*id).is_none() {
                world.start(*id);
            }
            world.sync(*id);
        }
        while let Some(flight) = world.network.pop_front() {
            world.receive(flight);
            ids.iter().for_each(|id| {
                world.sync(*id);
            });
        }
        if done(world) {
            return true;
        }
        // One node at a time: chance would do it too, in the end.
        let id = ids[round % ids.len()];
        let timers: Vec<M::Timer> = world.nodes[&id].timers.iter().cloned().collect();
        for timer in timers {
            world.fire(id, timer);
        }
    }
    false
}
