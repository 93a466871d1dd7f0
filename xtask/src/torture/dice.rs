//! Choices, all drawn from one seed.
//!
//! Processes, disks and clocks are real, so a seed does not repeat a run; it repeats the kinds of things that were done.

use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// A source of choices.
#[derive(Clone, Debug)]
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// The choices that belong to a seed and to a name; those of another name are independent of them.
    pub fn new(seed: u64, name: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed ^ name.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// An index into something of that length, which is not 0.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("a number below a length is an index")
    }

    /// One of them. There must be some.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// True that many times of a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A time between the two, in milliseconds.
    pub fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    /// A positive number that is drawn only once, as good as certainly.
    pub fn identity(&mut self) -> i64 {
        i64::try_from(self.0.next_u64() >> 2).expect("62 bits fit") | 1
    }
}
