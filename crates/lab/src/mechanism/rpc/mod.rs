//! Remote procedure calls in the laboratory.

pub mod call;
