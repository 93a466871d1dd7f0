//! Delays as PBS has them: a mixture of a Pareto body and an exponential tail.

use synod_sim::Stream;

/// A distribution of one-way delays, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mixture {
    /// How often the body is drawn.
    body: f64,
    /// Its shortest delay, in milliseconds, and its shape.
    pareto: (f64, f64),
    /// Events a millisecond of the exponential tail.
    rate: f64,
}

/// What a mixture looks like.
pub(super) const FORM: &str =
    "`0.9122 pareto(0.235,10) else exp(1.66)`: milliseconds and a shape, events a millisecond";

impl Mixture {
    /// Reads `0.9122 pareto(0.235,10) else exp(1.66)`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (body, rest) = text.trim().split_once(" pareto(")?;
        let (pareto, tail) = rest.split_once(") else exp(")?;
        let (least, shape) = pareto.split_once(',')?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let positive = |text: &str| number(text).filter(|number| *number > 0.0);
        Some(Mixture {
            body: number(body).filter(|share| (0.0..=1.0).contains(share))?,
            pareto: (positive(least)?, positive(shape)?),
            rate: positive(tail.strip_suffix(')')?)?,
        })
    }

    /// Draws a delay, in milliseconds.
    pub(super) fn draw(&self, draw: &mut Stream) -> f64 {
        let from_body = unit(draw) <= self.body;
        let fraction = unit(draw);
        if from_body {
            self.pareto.0 * fraction.powf(-1.0 / self.pareto.1)
        } else {
            -fraction.ln() / self.rate
        }
    }
}

/// Uniform in (0, 1].
fn unit(draw: &mut Stream) -> f64 {
    ((draw.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}
