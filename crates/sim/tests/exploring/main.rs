//! The explorer finds every state once, by a shortest way, with any number of threads; and small worlds do everything that they should, and nothing else.

mod memory;
mod plain;
mod reduction;
mod symmetry;
mod worlds;
