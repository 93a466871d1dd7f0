//! A picture of the whole system, taken while it runs.

pub mod chandy_lamport;
pub mod stable_property;
pub mod transfers;
