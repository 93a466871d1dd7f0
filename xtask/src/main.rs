//! Helpers for those who work on Synod.

fn main() {}
