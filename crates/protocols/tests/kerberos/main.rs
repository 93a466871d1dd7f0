//! Kerberos: golden scripts of the exchanges, and of what an adversary on the wire achieves.

mod scripts;
#[path = "../steered/mod.rs"]
mod steered;
