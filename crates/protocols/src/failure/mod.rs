//! Who is up: failure detectors and the membership that rests on them.

pub mod swim;
