//! How long things take: the distributions of network, disk and client delays.
//!
//! Every distribution has a longest value, where its tail is cut: a run is finite, and a world can say by which bound its
//! messages arrive. Logarithm and exponential are computed here with the four basic operations only, because those are
//! exact on every machine by IEEE 754 while a system's mathematical library is not: a seed must mean the same run everywhere.

use std::time::Duration;

use crate::stream::{nanos, scaled};

/// A distribution of durations.
#[derive(Clone, Debug, PartialEq)]
pub enum Delay {
    /// Always the same.
    Constant(Duration),
    /// Each value alike.
    Uniform {
        /// Shortest.
        least: Duration,
        /// Longest.
        most: Duration,
    },
    /// `least` plus an exponential part: independent disturbances.
    Exponential {
        /// Shortest.
        least: Duration,
        /// Mean of what is added.
        mean: Duration,
        /// Where the tail is cut.
        most: Duration,
    },
    /// A heavy tail: most are near `least`, a few are very long.
    Pareto {
        /// Shortest.
        least: Duration,
        /// The tail's weight: the smaller the heavier; 1 to 3 is usual.
        shape: f64,
        /// Where the tail is cut.
        most: Duration,
    },
    /// What round trips in the wild look like.
    LogNormal {
        /// Half are shorter.
        median: Duration,
        /// The spread of the logarithm; 0.1 is narrow, 1 is wide.
        sigma: f64,
        /// Where the tail is cut.
        most: Duration,
    },
}

impl Delay {
    /// Uniform between whole microseconds.
    pub const fn micros(least: u64, most: u64) -> Delay {
        Delay::Uniform { least: Duration::from_micros(least), most: Duration::from_micros(most) }
    }

    /// The longest that can be drawn.
    pub fn most(&self) -> Duration {
        match self {
            Delay::Constant(always) => *always,
            Delay::Uniform { most, .. }
            | Delay::Exponential { most, .. }
            | Delay::Pareto { most, .. }
            | Delay::LogNormal { most, .. } => *most,
        }
    }

    /// Turns 64 random bits into a delay. One draw whatever the distribution, so that its choice shifts no stream.
    pub fn draw(&self, bits: u64) -> Duration {
        Duration::from_nanos(self.draw_nanos(bits))
    }

    pub(crate) fn draw_nanos(&self, bits: u64) -> u64 {
        match self {
            Delay::Constant(always) => nanos(*always),
            Delay::Uniform { least, most } => {
                let least = nanos(*least);
                least + scaled(bits, nanos(*most).saturating_sub(least) + 1)
            }
            Delay::Exponential { least, mean, most } => {
                let added = -ln(fraction(bits)) * nanos(*mean) as f64;
                nanos(*least).saturating_add(added as u64).min(nanos(*most))
            }
            Delay::Pareto { least, shape, most } => {
                let factor = exp(-ln(fraction(bits)) / shape);
                ((nanos(*least) as f64 * factor) as u64).min(nanos(*most))
            }
            Delay::LogNormal { median, sigma, most } => {
                // The sum of four 16-bit uniforms is close to normal: mean 2, variance 1/3.
                let sum: u64 = (0..4).map(|lane| (bits >> (16 * lane)) & 0xffff).sum();
                let normal = (sum as f64 / 65_536.0 - 2.0) * 1.732_050_807_568_877_2;
                ((nanos(*median) as f64 * exp(sigma * normal)) as u64).min(nanos(*most))
            }
        }
    }
}

/// A fraction above 0 and at most 1.
fn fraction(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// Natural logarithm of a positive normal number.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    // ln m = 2 artanh((m - 1) / (m + 1)); the argument is at most 1/3, so that 16 terms are exact to the last bits.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for term in (0..16).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    2.0 * ratio * sum + exponent as f64 * std::f64::consts::LN_2
}

/// The exponential of a number of moderate size.
fn exp(x: f64) -> f64 {
    let x = x.clamp(-60.0, 60.0);
    // e^x = (e^(x / 256))^256: a short series and eight squarings.
    let small = x / 256.0;
    let mut sum = 1.0;
    for term in (1..=10).rev() {
        sum = 1.0 + sum * small / f64::from(term);
    }
    (0..8).fold(sum, |power, _| power * power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream;

    const MS: Duration = Duration::from_millis(1);

    fn mean(delay: &Delay) -> f64 {
        let mut stream = Stream::named(3, "delay");
        (0..20_000).map(|_| delay.draw(stream.bits()).as_secs_f64() * 1000.0).sum::<f64>() / 20_000.0
    }

    #[test]
    fn functions_are_close_to_the_library() {
        for step in 1..2_000 {
            let x = f64::from(step) / 1_000.0;
            assert!((ln(x) - x.ln()).abs() < 1e-12, "ln {x}: expected {}, found {}", x.ln(), ln(x));
            let y = x * 10.0 - 10.0;
            assert!(
                (exp(y) / y.exp() - 1.0).abs() < 1e-11,
                "exp {y}: expected {}, found {}",
                y.exp(),
                exp(y)
            );
        }
    }

    #[test]
    fn distributions_have_their_means_and_bounds() {
        let most = 1_000 * MS;
        assert!((mean(&Delay::Constant(5 * MS)) - 5.0).abs() < 1e-9);
        assert!((mean(&Delay::micros(2_000, 4_000)) - 3.0).abs() < 0.05);
        assert!((mean(&Delay::Exponential { least: MS, mean: 4 * MS, most }) - 5.0).abs() < 0.15);
        // A Pareto of shape 3 has the mean least * 3 / 2.
        assert!((mean(&Delay::Pareto { least: 2 * MS, shape: 3.0, most }) - 3.0).abs() < 0.15);
        let wild = Delay::LogNormal { median: 5 * MS, sigma: 1.0, most: 20 * MS };
        let mut stream = Stream::named(4, "bound");
        let draws: Vec<Duration> = (0..1_000).map(|_| wild.draw(stream.bits())).collect();
        assert!(draws.iter().all(|draw| *draw <= wild.most()));
        let below = draws.iter().filter(|draw| **draw < 5 * MS).count();
        assert!((430..570).contains(&below), "half should lie below the median, found {below} of 1,000");
    }
}
