//! SWIM and Lifeguard, tested from outside: readable scripts, random worlds.

mod group;
mod properties;
mod scripts;
