//! Experiments made and held against what is expected of them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::entry::{Expected, Experiment, Measured, Row, Settings, Tolerance, Trial};

/// What one experiment came to under one set of parameters.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The experiment.
    pub experiment: &'static str,
    /// Every parameter with its value.
    pub settings: Vec<(&'static str, String)>,
    /// How many runs were made.
    pub runs: u64,
    /// From which seed.
    pub seed: u64,
    /// The figures, in their order.
    pub figures: Vec<Judged>,
}

/// A measured figure with what was expected of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// As measured.
    pub measured: Measured,
    /// What was expected, if the parameters are those of a known row.
    pub expected: Option<Expectation>,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// The value.
    pub value: f64,
    /// How near.
    pub tolerance: Tolerance,
    /// Who says so.
    pub source: &'static str,
}

impl Judged {
    /// Whether it is as expected; nothing if nothing is.
    pub fn ok(&self) -> Option<bool> {
        self.expected.map(|expected| expected.tolerance.holds(self.measured.value, expected.value))
    }
}

impl Measurement {
    /// Whether every figure of which something is expected is as expected.
    pub fn ok(&self) -> bool {
        self.figures.iter().all(|figure| figure.ok() != Some(false))
    }
}

/// How to measure.
pub struct Measure<'a> {
    /// Runs, where it is not the experiment's own number.
    pub runs: Option<u64>,
    /// The seed of all streams.
    pub seed: u64,
    /// Threads; 0 is as many as the machine has cores.
    pub threads: usize,
    /// Told how much is done of how much; answers whether to go on.
    pub progress: &'a (dyn Fn(u64, u64) -> bool + Sync),
}

/// Why nothing was measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// The settings cannot be measured.
    #[error("{0}")]
    Settings(String),
    /// A figure is expected that was not measured: the catalogue is wrong.
    #[error("expected the figure `{0}` to be measured, found none of that name")]
    Missing(&'static str),
    /// Progress ended it.
    #[error("it was ended before it was done")]
    Ended,
}

impl Measure<'_> {
    /// Makes an experiment.
    ///
    /// # Errors
    /// When the settings cannot be measured, or the progress ended it.
    pub fn go(
        &self,
        experiment: &'static Experiment,
        settings: &Settings,
    ) -> Result<Measurement, MeasureError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let ended = Mutex::new(false);
        let progress = |done, of| {
            let goes_on = (self.progress)(done, of);
            if !goes_on {
                *ended.lock().expect("nothing panics while it holds a flag") = true;
            }
            goes_on
        };
        let trial = Trial {
            settings,
            runs: self.runs.unwrap_or(experiment.runs),
            seed: self.seed,
            threads: if self.threads == 0 { cores } else { self.threads },
            progress: &progress,
        };
        let measured = (experiment.run)(&trial).map_err(MeasureError::Settings)?;
        if *ended.lock().expect("nothing panics while it holds a flag") {
            return Err(MeasureError::Ended);
        }
        let expected = experiment.row(settings).map_or(&[][..], |row| row.expected);
        let missing =
            expected.iter().find(|expected| !measured.iter().any(|figure| figure.name == expected.figure));
        if let Some(missing) = missing {
            return Err(MeasureError::Missing(missing.figure));
        }
        let judge = |figure: Measured| {
            let expected = expected.iter().find(|expected| expected.figure == figure.name);
            Judged { expected: expected.map(|expected| expectation(expected, settings)), measured: figure }
        };
        Ok(Measurement {
            experiment: experiment.name,
            settings: settings.iter().collect(),
            runs: trial.runs,
            seed: self.seed,
            figures: measured.into_iter().map(judge).collect(),
        })
    }
}

fn expectation(expected: &Expected, settings: &Settings) -> Expectation {
    Expectation { value: expected.value(settings), tolerance: expected.tolerance, source: expected.source }
}

/// The settings of every known row of an experiment, each once: a row for many settings may stand for another's.
///
/// # Panics
/// When a row sets what cannot be set: the catalogue is wrong then.
pub fn rows(experiment: &Experiment) -> impl Iterator<Item = Settings> {
    let mut seen = BTreeSet::new();
    let settings = |row: &Row| {
        let assignments: Vec<(&str, &str)> = row.assignments().copied().collect();
        Settings::of(experiment.parameters).with(&assignments)
    };
    experiment
        .rows
        .iter()
        .map(settings)
        .filter(move |settings| seen.insert(settings.iter().collect::<Vec<_>>()))
}
