//! Raft, tested from outside: readable scripts, random worlds.

mod cluster;
mod properties;
mod random;
mod scripts;
