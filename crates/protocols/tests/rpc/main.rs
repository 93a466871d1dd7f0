//! Call semantics: golden scripts.

mod scripts;
#[path = "../steered/mod.rs"]
mod steered;
