//! Logical clocks, tested from outside.

mod dotted;
mod version_vector;
