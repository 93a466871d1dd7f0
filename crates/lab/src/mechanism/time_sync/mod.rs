//! What time it is.

pub mod ntp;
