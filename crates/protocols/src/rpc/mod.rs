//! Remote procedure calls.

pub mod call;
