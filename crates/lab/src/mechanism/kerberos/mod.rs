//! Kerberos in the laboratory.

pub mod exchanges;
