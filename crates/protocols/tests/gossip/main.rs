//! Epidemics, tested from outside.

mod epidemic;
mod exchange;
mod merkle;
#[path = "../network/mod.rs"]
mod network;
mod replica;
mod scripts;
