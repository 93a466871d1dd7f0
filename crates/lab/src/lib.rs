//! The laboratory: Synod's mechanisms in hostile worlds, with what must hold of them.
//!
//! An entry of the [`catalogue`] is a mechanism, the clients that use it, the faults that it claims to survive, the properties that must hold all the same, what
//! breaks it, and what it costs. It runs in the worlds of `synod_sim`, judged by the checkers of `synod_check`. The compiled code that runs here is the
//! code that runs on servers.
//!
//! - [`catalogue`]: every entry by name.
//! - [`chronicle`]: what clients did, as a history for `synod check`.
//! - [`crowd`]: a lean driver for what is measured at ten thousand nodes.
//! - [`entry`]: what an entry is; the traits and the ready-made parts for writing one.
//! - [`mechanism`]: the entries themselves, one folder a family.
//! - [`hunt`]: many seeds of an entry, those that were bad once first, and a verdict.
//! - [`replay`]: one seed again, to be looked at.
//! - [`scenario`]: a run as data, in a file.
//! - [`shrink`]: a small run in place of a large one; [`diff`]: where two runs part.
//! - [`measure`]: experiments, held against what is known; [`export`]: runs for other programs.
//! - [`report`]: all of it in words, for a terminal or a file.
//! - [`template`]: a project of one's own.
//! - [`suggest`]: what was meant by a mistyped name.

pub mod catalogue;
pub mod chronicle;
pub mod crowd;
pub mod diff;
pub mod entry;
pub mod export;
pub mod hunt;
pub mod measure;
pub mod mechanism;
pub mod replay;
pub mod report;
pub mod scenario;
pub mod shrink;
pub mod suggest;
pub mod template;
