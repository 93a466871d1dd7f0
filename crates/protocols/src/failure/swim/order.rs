//! Everybody once, in random order, without a list of everybody.
//!
//! A shuffled list costs every member as much memory as it has others, and every pass as much work. Here a pass is a keyed permutation of the
//! seats instead: a Feistel network over the next power of four, walked until it falls on a seat (cycle walking; Black and Rogaway, "Ciphers
//! with Arbitrary Finite Domains", 2002). Its next element costs a few multiplications, and its state is three numbers.

const ROUNDS: u64 = 6;

/// One pass over `0..seats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pass {
    key: u64,
    seats: u32,
    taken: u32,
}

impl Pass {
    /// A pass in the order of `key`.
    pub fn new(key: u64, seats: u32) -> Self {
        Pass { key, seats, taken: 0 }
    }
}

impl Iterator for Pass {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.taken >= self.seats {
            return None;
        }
        let mut seat = self.taken;
        self.taken += 1;
        loop {
            seat = permute(self.key, self.seats, seat);
            if seat < self.seats {
                return Some(seat);
            }
        }
    }
}

/// A permutation of the numbers below the power of four that is not below `seats`.
fn permute(key: u64, seats: u32, place: u32) -> u32 {
    let bits = (32 - seats.saturating_sub(1).leading_zeros()).max(2);
    let half = bits.div_ceil(2);
    let mask = (1_u64 << half) - 1;
    let (mut left, mut right) = (u64::from(place) >> half, u64::from(place) & mask);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ (mix(key ^ mix(round << 32 | right)) & mask));
    }
    (left << half | right) as u32
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_pass_takes_every_seat_once() {
        for seats in (0..70).chain([1000, 4095, 4096, 4097]) {
            let taken: Vec<u32> = Pass::new(u64::from(seats) * 77, seats).collect();
            assert_eq!(taken.len(), seats as usize);
            assert_eq!(taken.iter().copied().collect::<BTreeSet<_>>(), (0..seats).collect());
        }
    }

    #[test]
    fn every_order_of_few_seats_is_about_as_likely() {
        // 24 orders of four seats, 24,000 passes: 1,000 of each expected, standard deviation 31.
        let mut orders = alloc::collections::BTreeMap::<Vec<u32>, u32>::new();
        for key in 0..24_000 {
            *orders.entry(Pass::new(mix(key), 4).collect()).or_default() += 1;
        }
        assert_eq!(orders.len(), 24);
        let (least, most) = (orders.values().min(), orders.values().max());
        assert!(least > Some(&850) && most < Some(&1150), "from {least:?} to {most:?} of 1,000 expected");
    }

    #[test]
    fn a_seat_comes_at_any_place_of_a_pass_alike() {
        const SEATS: usize = 100;
        let mut places = vec![0_u32; SEATS];
        for key in 0..10_000 {
            let place = Pass::new(mix(key ^ 0xabcd), SEATS as u32).position(|seat| seat == 17);
            places[place.expect("a pass takes every seat")] += 1;
        }
        // 100 expected at each place, standard deviation 10.
        assert!(places.iter().all(|count| (55..150).contains(count)), "{places:?}");
    }
}
