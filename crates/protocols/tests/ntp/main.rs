//! NTP, tested from outside: readable scripts over clocks that are wrong and drift.

mod scripts;
mod world;
