//! Logical clocks, tested from outside.

mod dotted;
mod properties;
mod random;
mod scripts;
mod version_vector;
