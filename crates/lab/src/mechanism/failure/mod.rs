//! Who is up.

pub mod swim;
