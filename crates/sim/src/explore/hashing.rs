//! The hash of states. Speed is what it is for, and that no two of some hundred million states collide; nobody attacks it.

use std::hash::Hasher;

/// Multiplies and folds the two halves of the product, as wyhash does (Wang Yi 2019): each bit of the input reaches every bit of the state.
#[derive(Clone, Copy, Debug)]
pub struct FastHasher {
    state: u64,
    /// Small values wait here until 64 bits are together: a state is mostly bytes and discriminants.
    waiting: u64,
    bits: u32,
}

// Digits of pi: odd, and without a pattern.
const MULTIPLIER: u64 = 0x2438_6f15_8a3e_3b41;
const SEED: u64 = 0x1319_8a2e_0370_7344;
const FINAL: u64 = 0xa409_3822_299f_31d1;

impl Default for FastHasher {
    fn default() -> Self {
        FastHasher { state: SEED, waiting: 0, bits: 0 }
    }
}

impl FastHasher {
    #[inline]
    fn fold(&mut self, word: u64) {
        self.state = folded(self.state ^ word, MULTIPLIER).rotate_left(23);
    }

    #[inline]
    fn small(&mut self, value: u64, bits: u32) {
        if self.bits + bits > 64 {
            let word = self.waiting;
            self.fold(word);
            (self.waiting, self.bits) = (0, 0);
        }
        self.waiting |= value << self.bits;
        self.bits += bits;
    }
}

#[inline]
fn folded(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Hasher for FastHasher {
    #[inline]
    fn finish(&self) -> u64 {
        // How much is waiting matters: a zero byte must differ from none.
        let last = folded(self.state ^ self.waiting, FINAL ^ u64::from(self.bits));
        folded(last ^ SEED, MULTIPLIER)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.fold(u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes")));
        }
        for byte in chunks.remainder() {
            self.small(u64::from(*byte), 8);
        }
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.small(u64::from(value), 8);
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.small(u64::from(value), 16);
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.small(u64::from(value), 32);
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.fold(value as u64);
    }

    #[inline]
    fn write_isize(&mut self, value: isize) {
        // Discriminants of enums, which are small; what does not fit is folded in full.
        match u8::try_from(value) {
            Ok(value) => self.small(u64::from(value), 8),
            Err(_) => self.fold(value as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::explore::fingerprint;

    #[test]
    fn near_values_do_not_collide() {
        let mut seen = BTreeSet::new();
        for a in 0..64u8 {
            for b in 0..64u16 {
                for c in [None, Some(0u32), Some(1), Some(u32::MAX)] {
                    assert!(seen.insert(fingerprint(&(a, b, c))), "({a}, {b}, {c:?}) collides");
                }
            }
        }
        for length in 0..40 {
            assert!(seen.insert(fingerprint(&vec![0u8; length][..])), "{length} zeros collide");
        }
    }

    #[test]
    fn every_bit_of_the_input_moves_about_half_of_the_output() {
        let plain = fingerprint(&0u64);
        for bit in 0..64 {
            let moved = (fingerprint(&(1u64 << bit)) ^ plain).count_ones();
            assert!((16..=48).contains(&moved), "bit {bit} moves {moved} bits");
        }
    }
}
