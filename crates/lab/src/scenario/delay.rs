//! Distributions of delays and probabilities in words.

use std::time::Duration;

use synod_sim::{Delay, Odds, Seconds, parse_duration};

/// What a delay looks like, for errors.
pub(super) const DELAY_FORM: &str = "a delay such as `constant 1ms`, `uniform 1ms to 5ms`, `exponential 1ms mean 2ms most 1s`, \
                                     `pareto 1ms shape 1.3 most 1s` or `lognormal 5ms sigma 0.8 most 1s`";

pub(super) fn delay_text(delay: &Delay) -> String {
    let seconds = |duration: &Duration| Seconds(*duration).to_string();
    match delay {
        Delay::Constant(always) => format!("constant {}", seconds(always)),
        Delay::Uniform { least, most } => format!("uniform {} to {}", seconds(least), seconds(most)),
        Delay::Exponential { least, mean, most } => {
            format!("exponential {} mean {} most {}", seconds(least), seconds(mean), seconds(most))
        }
        Delay::Pareto { least, shape, most } => {
            format!("pareto {} shape {shape} most {}", seconds(least), seconds(most))
        }
        Delay::LogNormal { median, sigma, most } => {
            format!("lognormal {} sigma {sigma} most {}", seconds(median), seconds(most))
        }
    }
}

pub(super) fn delay_of(text: &str) -> Option<Delay> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |word: &str| word.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    let delay = match words[..] {
        ["constant", always] => Delay::Constant(parse_duration(always)?),
        ["uniform", least, "to", most] => {
            Delay::Uniform { least: parse_duration(least)?, most: parse_duration(most)? }
        }
        ["exponential", least, "mean", mean, "most", most] => Delay::Exponential {
            least: parse_duration(least)?,
            mean: parse_duration(mean)?,
            most: parse_duration(most)?,
        },
        ["pareto", least, "shape", shape, "most", most] => Delay::Pareto {
            least: parse_duration(least)?,
            shape: number(shape)?,
            most: parse_duration(most)?,
        },
        ["lognormal", median, "sigma", sigma, "most", most] => Delay::LogNormal {
            median: parse_duration(median)?,
            sigma: number(sigma)?,
            most: parse_duration(most)?,
        },
        _ => return None,
    };
    let ordered = match &delay {
        Delay::Uniform { least, most }
        | Delay::Exponential { least, most, .. }
        | Delay::Pareto { least, most, .. } => least <= most,
        _ => true,
    };
    ordered.then_some(delay)
}

pub(super) fn odds_text(odds: Odds) -> String {
    let (percent, rest) = (odds.parts() / 10_000, odds.parts() % 10_000);
    let digits = format!("{rest:04}");
    let digits = digits.trim_end_matches('0');
    format!("{percent}{}{digits}%", if digits.is_empty() { "" } else { "." })
}

pub(super) fn odds_of(text: &str) -> Option<Odds> {
    let (whole, part) = text.strip_suffix('%')?.split_once('.').unwrap_or((text.strip_suffix('%')?, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 4 || !plain(whole) || !plain(part) {
        return None;
    }
    let parts: u32 = format!("{whole}{part:0<4}").parse().ok()?;
    (parts <= 1_000_000).then(|| Odds::per_million(parts))
}
