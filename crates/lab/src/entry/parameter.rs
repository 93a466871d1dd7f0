//! What can be set, with its default and its range.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use synod_sim::{Seconds, parse_duration};

/// A parameter of a mechanism or an experiment, in the papers' terms.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name: a word, with hyphens.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub sentence: &'static str,
    /// Default and range.
    pub domain: Domain,
}

/// The kind of a parameter's values, the default and the range.
#[derive(Clone, Copy, Debug)]
pub enum Domain {
    /// Whole numbers.
    Integer {
        /// Where nothing is set.
        default: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// Numbers.
    Number {
        /// Where nothing is set.
        default: f64,
        /// Least.
        least: f64,
        /// Most.
        most: f64,
    },
    /// Durations such as `1.25s` or `50ms`.
    Duration {
        /// Where nothing is set.
        default: Duration,
        /// Least.
        least: Duration,
        /// Most.
        most: Duration,
    },
    /// One of these words; the first is the default.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Switch(bool),
    /// Text of a form of its own, such as a distribution.
    Text {
        /// Where nothing is set.
        default: &'static str,
        /// What it looks like, for messages: `uniform(30ms,40ms) or exponential(2ms)`.
        form: &'static str,
        /// Whether a text is of that form.
        reads: fn(&str) -> bool,
    },
}

impl Parameter {
    /// A whole number.
    pub const fn integer(
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        sentence: &'static str,
    ) -> Self {
        let domain = Domain::Integer { default, least: *range.start(), most: *range.end() };
        Parameter { name, sentence, domain }
    }

    /// A number.
    pub const fn number(
        name: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
        sentence: &'static str,
    ) -> Self {
        let domain = Domain::Number { default, least: *range.start(), most: *range.end() };
        Parameter { name, sentence, domain }
    }

    /// A duration.
    pub const fn duration(
        name: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
        sentence: &'static str,
    ) -> Self {
        let domain = Domain::Duration { default, least: *range.start(), most: *range.end() };
        Parameter { name, sentence, domain }
    }

    /// One of several words, the first of them if nothing is set.
    pub const fn word(name: &'static str, words: &'static [&'static str], sentence: &'static str) -> Self {
        Parameter { name, sentence, domain: Domain::Word(words) }
    }

    /// `true` or `false`.
    pub const fn switch(name: &'static str, default: bool, sentence: &'static str) -> Self {
        Parameter { name, sentence, domain: Domain::Switch(default) }
    }

    /// Text that a function of yours reads.
    pub const fn text(
        name: &'static str,
        default: &'static str,
        form: &'static str,
        reads: fn(&str) -> bool,
        sentence: &'static str,
    ) -> Self {
        Parameter { name, sentence, domain: Domain::Text { default, form, reads } }
    }

    /// The default, as it would be written.
    pub fn default(&self) -> String {
        match self.domain {
            Domain::Integer { default, .. } => default.to_string(),
            Domain::Number { default, .. } => default.to_string(),
            Domain::Duration { default, .. } => Seconds(default).to_string(),
            Domain::Word(words) => words.first().copied().unwrap_or_default().to_owned(),
            Domain::Switch(default) => default.to_string(),
            Domain::Text { default, .. } => default.to_owned(),
        }
    }

    /// A value in its one written form, so that `1000ms` and `1s` are the same; `None` if it is not a value of the parameter.
    pub fn canonical(&self, text: &str) -> Option<String> {
        let text = text.trim();
        match self.domain {
            Domain::Integer { least, most, .. } => {
                let value: u64 = text.replace('_', "").parse().ok()?;
                (least..=most).contains(&value).then(|| value.to_string())
            }
            Domain::Number { least, most, .. } => {
                let value: f64 = text.parse().ok()?;
                (least..=most).contains(&value).then(|| value.to_string())
            }
            Domain::Duration { least, most, .. } => {
                let value = parse_duration(text)?;
                (least..=most).contains(&value).then(|| Seconds(value).to_string())
            }
            Domain::Word(words) => words.contains(&text).then(|| text.to_owned()),
            Domain::Switch(_) => matches!(text, "true" | "false").then(|| text.to_owned()),
            Domain::Text { reads, .. } => reads(text).then(|| text.to_owned()),
        }
    }
}

/// The range, as help and errors show it.
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Integer { least, most, .. } => write!(f, "{least} to {most}"),
            Domain::Number { least, most, .. } => write!(f, "{least} to {most}"),
            Domain::Duration { least, most, .. } => write!(f, "{} to {}", Seconds(*least), Seconds(*most)),
            Domain::Word(words) => f.write_str(&words.join(", ")),
            Domain::Switch(_) => f.write_str("true, false"),
            Domain::Text { form, .. } => f.write_str(form),
        }
    }
}
