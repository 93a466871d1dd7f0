//! Two-phase commit, tested from outside: readable scripts, worlds left to chance, known bugs put back, costs counted.

mod chance;
mod costs;
mod scripts;
mod words;
#[path = "../world/mod.rs"]
mod world;
