//! Maekawa's algorithm: golden scripts, and properties under random orders of delivery.

mod properties;
mod scripts;
#[path = "../steered/mod.rs"]
mod steered;
