//! What time it is: clocks in the laboratory that are set by other clocks.

pub mod ntp;
