//! The on-wire calculation: four timestamps, an offset and a delay (RFC 5905, section 8; the survey's 10.1).

use super::types::{Offset, Timestamp};

/// One question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// T1: the question left, by the client's clock.
    pub origin: Timestamp,
    /// T2: it came in, by the server's.
    pub receive: Timestamp,
    /// T3: the answer left, by the server's.
    pub transmit: Timestamp,
    /// T4: it came in, by the client's.
    pub destination: Timestamp,
}

impl Exchange {
    /// How far the server's clock is ahead: `θ = ((T2 - T1) + (T3 - T4)) / 2`. Right if both ways take equally long; else off by half the difference, which is at most
    /// half the delay.
    pub fn offset(&self) -> Offset {
        ((self.receive - self.origin) + (self.transmit - self.destination)).half()
    }

    /// How long both ways took together: `δ = (T4 - T1) - (T3 - T2)`.
    pub fn delay(&self) -> Offset {
        (self.destination - self.origin) - (self.transmit - self.receive)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the two ways take: off by half the asymmetry, and by at most half the delay.
        #[test]
        fn the_error_is_half_the_asymmetry(
            ahead in -10_000_000_000_i64..10_000_000_000,
            there in 0_i64..5_000_000_000,
            at_server in 0_i64..1_000_000_000,
            back in 0_i64..5_000_000_000,
        ) {
            let client = |ns: i64| Timestamp::since_epoch(Duration::from_secs(1_000)) + Offset::from_nanoseconds(ns);
            let server = |ns: i64| client(ns) + Offset::from_nanoseconds(ahead);
            let exchange = Exchange {
                origin: client(0),
                receive: server(there),
                transmit: server(there + at_server),
                destination: client(there + at_server + back),
            };
            prop_assert_eq!(exchange.delay().nanoseconds(), there + back);
            let error = exchange.offset().nanoseconds() - ahead;
            // To the half nanosecond that is cut off.
            prop_assert!((2 * error - (there - back)).abs() <= 1);
            prop_assert!(2 * error.abs() <= there + back + 1);
        }
    }

    #[test]
    fn the_surveys_formula() {
        let at = |milliseconds| Timestamp::since_epoch(Duration::from_millis(milliseconds));
        let exchange =
            Exchange { origin: at(100), receive: at(160), transmit: at(165), destination: at(125) };
        assert_eq!(exchange.offset(), Offset::from_nanoseconds(50_000_000));
        assert_eq!(exchange.delay(), Offset::from_nanoseconds(20_000_000));
    }
}
