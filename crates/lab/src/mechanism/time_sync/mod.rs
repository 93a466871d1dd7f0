//! Physical clocks: what time it is, and how far off a clock may be.

pub mod ntp;
