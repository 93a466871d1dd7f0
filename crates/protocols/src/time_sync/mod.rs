//! Physical time: what clock servers show, and what follows from it for one's own clock.

pub mod ntp;
