//! What is measured, and what it is held against.

use super::{Measured, Parameter, Settings, Trial};

/// An experiment. Its name and its parameters are the papers' terms.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// Its name: words with hyphens, unique in the catalogue.
    pub name: &'static str,
    /// What is measured, in a sentence; what it drives if that is not the full simulator.
    pub sentence: &'static str,
    /// What can be set.
    pub parameters: &'static [Parameter],
    /// How many runs it takes where nothing is said.
    pub runs: u64,
    /// The parameter sets that have expected values.
    pub rows: &'static [Row],
    /// Measures. The error says which settings cannot be measured and why.
    pub run: fn(&Trial<'_>) -> Result<Vec<Measured>, String>,
}

/// A parameter set with known results. A row is known when every parameter has the value that the row names, or its default if the row
/// does not name it; the value `*` fits all.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Parameters that differ from their defaults.
    pub settings: &'static [(&'static str, &'static str)],
    /// What is expected, by figure.
    pub expected: &'static [Expected],
}

/// The expected value of a figure.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The figure's name, as measured.
    pub figure: &'static str,
    /// What it should be.
    pub value: Value,
    /// How near it must come.
    pub tolerance: Tolerance,
    /// Who says so: paper and section, or a model.
    pub source: &'static str,
}

/// An expected value.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// This.
    Is(f64),
    /// What the formula says, for rows that fit many settings.
    Of(fn(&Settings) -> f64),
}

/// How near a measured value must come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// No difference, but for the last bits of floating point.
    Exact,
    /// The difference is at most that.
    Absolute(f64),
    /// The difference is at most that share of the expected value: 0.02 for 2 %.
    Relative(f64),
    /// The expected value is the most.
    AtMost,
    /// The expected value is the least.
    AtLeast,
}

impl Tolerance {
    /// Whether a measured value is good.
    pub fn holds(self, measured: f64, expected: f64) -> bool {
        let difference = (measured - expected).abs();
        match self {
            Tolerance::Exact => difference <= 1e-9 * expected.abs().max(1.0),
            Tolerance::Absolute(most) => difference <= most,
            Tolerance::Relative(share) => difference <= share * expected.abs(),
            Tolerance::AtMost => measured <= expected,
            Tolerance::AtLeast => measured >= expected,
        }
    }
}

impl std::fmt::Display for Tolerance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tolerance::Exact => f.pad("exact"),
            Tolerance::Absolute(most) => f.pad(&format!("±{most}")),
            Tolerance::Relative(share) => f.pad(&format!("±{} %", (share * 1e4).round() / 1e2)),
            Tolerance::AtMost => f.pad("at most"),
            Tolerance::AtLeast => f.pad("at least"),
        }
    }
}

impl Experiment {
    /// The expectations of the row that the settings belong to; none if it is no known row.
    pub fn row(&self, settings: &Settings) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.fits(self.parameters, settings))
    }
}

impl Row {
    /// Whether the settings are this row's.
    fn fits(&self, parameters: &[Parameter], settings: &Settings) -> bool {
        parameters.iter().all(|parameter| {
            let named = self.settings.iter().find(|(name, _)| *name == parameter.name);
            match named {
                Some((_, "*")) => true,
                Some((_, value)) => {
                    parameter.canonical(value).as_ref() == Some(&settings.text(parameter.name))
                }
                None => parameter.canonical(&parameter.default()) == Some(settings.text(parameter.name)),
            }
        })
    }

    /// The settings of the row, to be measured: its own over the defaults.
    pub fn assignments(&self) -> impl Iterator<Item = &(&'static str, &'static str)> {
        self.settings.iter().filter(|(_, value)| *value != "*")
    }
}

impl Expected {
    /// The expected value under these settings.
    pub fn value(&self, settings: &Settings) -> f64 {
        match self.value {
            Value::Is(value) => value,
            Value::Of(formula) => formula(settings),
        }
    }
}
