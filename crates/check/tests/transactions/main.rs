//! Transactions: textbook histories by name, and the checker against brute force.

mod generated;
mod golden;
mod random;
mod written;
