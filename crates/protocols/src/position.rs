//! Places on a ring of 2^64, from names.
//!
//! Consistent hashing needs a function that spreads names evenly and is the same in every build and on every machine for ever: data lies where
//! it says. Nothing here resists an adversary who chooses names to collide; Chord's SHA-1 (Stoica et al. 2003, section 3.1) was meant to, at a time when it did.
//!
//! The construction: eight bytes at a time are added to the state, which is then mixed by two rounds of multiply and shift (the finalizer of
//! Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014, with their constants); the length goes in last, so that trailing zeros count.

/// The place of a name. Rings with different seeds place the same names independently.
pub fn of_bytes(bytes: &[u8], seed: u64) -> u64 {
    let mut state = mix(seed ^ GOLDEN);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(state.wrapping_add(GOLDEN) ^ u64::from_le_bytes(word));
    }
    mix(state.wrapping_add(GOLDEN) ^ bytes.len() as u64)
}

/// The place of the `index`th point of number `name`.
pub fn of_numbers(name: u64, index: u64, seed: u64) -> u64 {
    mix(mix(mix(seed ^ GOLDEN).wrapping_add(name)).wrapping_add(GOLDEN) ^ index)
}

/// 2^64 divided by the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64-bit words in which every bit of the input moves about half of the bits of the output.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
