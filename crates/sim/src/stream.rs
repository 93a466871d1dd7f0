//! Random numbers: one named stream per concern, all from one seed.
//!
//! A run must replay exactly, and a new draw in one place must not shift the draws of another: otherwise each change to the
//! simulator would make every saved seed mean something else. So nothing draws from a common generator. Each concern (a link,
//! a node's timers, a label of [`Choices::choose`]) owns a stream that is the seed salted with its name. The
//! generator is xoshiro256++, whose output is fixed by its authors and never changes between versions of a library.

use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use synod_machine::Choices;

/// One stream of random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of that name under `seed`.
    pub fn named(seed: u64, label: &str) -> Self {
        Stream(Xoshiro256PlusPlus::seed_from_u64(salt(seed, label)))
    }

    /// The `index`th stream of that name: one a node, one a link.
    pub fn numbered(seed: u64, label: &str, index: u64) -> Self {
        Stream::named(mix(seed ^ mix(index)), label)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, which is at least 1. The bias is below `end` in 2^64: nothing for a simulation.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "a draw needs something to draw from");
        scaled(self.bits(), end)
    }

    /// A number in `least..=most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        assert!(least <= most, "a draw's range must not be empty, found {least}..={most}");
        match (most - least).checked_add(1) {
            Some(width) => least + self.below(width),
            None => self.bits(),
        }
    }

    /// A duration in `least..=most`.
    pub fn duration(&mut self, least: Duration, most: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(least), nanos(most)))
    }

    /// Whether something of these odds happens.
    pub fn happens(&mut self, odds: Odds) -> bool {
        odds.hit(self.bits())
    }

    /// One of `items`, which is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// A random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// A probability in parts per million, so that plans compare and print exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Odds(u32);

impl Odds {
    /// What never happens.
    pub const NEVER: Odds = Odds(0);
    /// What always happens.
    pub const ALWAYS: Odds = Odds(1_000_000);

    /// Parts in a million; more than a million is always.
    pub const fn per_million(parts: u32) -> Self {
        Odds(if parts > 1_000_000 { 1_000_000 } else { parts })
    }

    /// Parts in a hundred.
    pub const fn percent(parts: u32) -> Self {
        Odds::per_million(parts.saturating_mul(10_000))
    }

    /// In parts per million.
    pub const fn parts(self) -> u32 {
        self.0
    }

    /// Whether these random bits mean that it happens.
    pub fn hit(self, bits: u64) -> bool {
        self.0 != 0 && scaled(bits, 1_000_000) < u64::from(self.0)
    }
}

/// The free choices of one node in one life: a stream a label.
#[derive(Clone, Debug)]
pub struct NodeChoices {
    seed: u64,
    // A handful of labels: a search of a short list beats a map.
    streams: Vec<(&'static str, Stream)>,
    entropy: Stream,
}

impl NodeChoices {
    /// The choices of the node's `life`th life. Lives differ, or a restarted node would draw the "unique" identities
    /// of its former life again.
    pub fn new(seed: u64, node: u64, life: u64) -> Self {
        let seed = mix(seed ^ mix(node ^ mix(life)));
        NodeChoices { seed, streams: Vec::new(), entropy: Stream::named(seed, "entropy") }
    }
}

impl Choices for NodeChoices {
    fn choose(&mut self, label: &'static str, options: u32) -> u32 {
        let place = self.streams.iter().position(|(known, _)| *known == label).unwrap_or_else(|| {
            self.streams.push((label, Stream::named(self.seed, label)));
            self.streams.len() - 1
        });
        self.streams[place].1.below(u64::from(options)) as u32
    }

    fn entropy(&mut self) -> u64 {
        self.entropy.bits()
    }
}

/// `bits` scaled to `0..end`, by the high half of the product: no division.
pub(crate) fn scaled(bits: u64, end: u64) -> u64 {
    ((u128::from(bits) * u128::from(end)) >> 64) as u64
}

/// A duration in nanoseconds; simulated times stay far below 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

fn salt(seed: u64, label: &str) -> u64 {
    // FNV-1a over the label; the mixing makes near seeds far.
    let hash = label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(seed ^ mix(hash))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_for_ever() {
        // If this fails, every saved seed has lost its meaning.
        assert_eq!(Stream::named(42, "link").bits(), 1_814_784_227_280_363_535);
    }

    #[test]
    fn a_new_label_shifts_no_other() {
        let mut plain = NodeChoices::new(7, 1, 0);
        let mut more = NodeChoices::new(7, 1, 0);
        let expected: Vec<u32> = (0..20).map(|_| plain.choose("peer", 1000)).collect();
        let found: Vec<u32> = (0..20)
            .map(|_| {
                more.choose("other", 3);
                more.entropy();
                more.choose("peer", 1000)
            })
            .collect();
        assert_eq!(expected, found);
    }

    #[test]
    fn draws_cover_their_range() {
        let mut stream = Stream::named(1, "range");
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[stream.between(10, 14) as usize - 10] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert!(!stream.happens(Odds::NEVER));
        assert!(stream.happens(Odds::ALWAYS));
        let hits = (0..10_000).filter(|_| stream.happens(Odds::percent(30))).count();
        assert!((2_700..3_300).contains(&hits), "30 % of 10,000 should be near 3,000, found {hits}");
    }

    #[test]
    fn lives_and_nodes_differ() {
        let mut first = NodeChoices::new(7, 1, 0);
        assert_ne!(first.entropy(), NodeChoices::new(7, 1, 1).entropy());
        assert_ne!(NodeChoices::new(7, 1, 0).entropy(), NodeChoices::new(7, 2, 0).entropy());
    }
}
