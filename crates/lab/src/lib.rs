//! The laboratory: Synod's mechanisms in hostile worlds, with what must hold of them.
//!
//! A [`scenario`] is a mechanism, the clients that use it, the faults that it claims to survive and the properties that must hold all the same. It
//! runs in the worlds of `synod_sim`, judged by the checkers of `synod_check`. The compiled code that runs here is the code that runs on
//! servers.
//!
//! - [`scenario::database`]: the whole database node, several of them, under load and under fire.
//! - [`hunt`]: many seeds of a scenario, those that were bad once first, and a verdict.
//! - [`replay`]: one seed again, to be looked at.
//! - [`planted`]: known bugs put back one by one, to prove that a hunt would have found them.
//! - [`report`]: all of it in words, for a terminal or a file.

pub mod hunt;
pub mod planted;
pub mod replay;
pub mod report;
pub mod scenario;
