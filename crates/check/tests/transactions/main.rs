//! Transactions: textbook histories by name, and the checker against brute force.

#[path = "../cases/mod.rs"]
mod cases;
mod generated;
mod golden;
mod random;
mod written;
