//! Epidemics: news that spreads from anybody to anybody, until all have it.
//!
//! [`rumor`] is quick and leaves some without, [`anti_entropy`] is thorough and slow, [`epidemic`] is the machine that does both on the keys and values of a [`replica`].

pub mod anti_entropy;
pub mod epidemic;
pub mod replica;
pub mod rumor;
