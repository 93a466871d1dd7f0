//! What all fuzz targets share: planting seeds.
//!
//! A fuzzer that starts from nothing spends its first hours on finding a version byte. So every target brings inputs of its
//! own, made by the real encoders when it starts: no binary file is kept, and a change of a format changes its seeds along.

use std::path::PathBuf;

/// The variable that names the folder to plant seeds in. The runner gives the same folder to the fuzzer as its corpus.
pub const SEEDS_VARIABLE: &str = "SYNOD_FUZZ_SEEDS";

/// Writes `seeds` as files into the folder that [`SEEDS_VARIABLE`] names; nothing without it.
///
/// # Panics
/// If a file cannot be written: the run would look sound and begin with nothing.
pub fn plant<Seed: AsRef<[u8]>>(seeds: impl IntoIterator<Item = Seed>) {
    let Some(folder) = std::env::var_os(SEEDS_VARIABLE).map(PathBuf::from) else { return };
    for (number, seed) in seeds.into_iter().enumerate() {
        let path = folder.join(format!("seed-{number:02}"));
        std::fs::write(&path, seed)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}

/// Reads an input as a row of pieces, each with its length before it in two bytes; the last one may be short.
pub fn pieces(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = input.split_first_chunk()?;
        let (piece, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        input = rest;
        Some(piece)
    })
}

/// Makes a row of pieces, as [`pieces`] reads it.
///
/// # Panics
/// If a piece is longer than 65,535 bytes: a seed is small.
pub fn join<Piece: AsRef<[u8]>>(pieces: impl IntoIterator<Item = Piece>) -> Vec<u8> {
    let mut row = Vec::new();
    for piece in pieces {
        let piece = piece.as_ref();
        let length = u16::try_from(piece.len()).expect("a seed is small");
        row.extend_from_slice(&length.to_le_bytes());
        row.extend_from_slice(piece);
    }
    row
}
