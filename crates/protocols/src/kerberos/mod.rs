//! Kerberos: who is who, among those that share a key with one they trust.

pub mod exchanges;
