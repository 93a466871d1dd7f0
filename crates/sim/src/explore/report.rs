//! What an exploration came to: counts, a verdict, and how the verdict is shown.

use std::fmt;
use std::time::Duration;

use super::Path;

/// How much was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct states.
    pub states: u64,
    /// How many states those stand for: as many, or more where states that differ in names alone are one.
    pub represented: u64,
    /// Ways from a state to a state, the initial ones included.
    pub transitions: u64,
    /// Ways that were not gone, because the same actions in another order lead to the same state.
    pub asleep: u64,
    /// Steps from an initial state to the farthest one.
    pub depth: u32,
    /// Of the states, those where the run is over.
    pub over: u64,
    /// Of the states, those beyond which a bound of the model forbids to look.
    pub cut: u64,
    /// States found and not yet looked beyond.
    pub waiting: u64,
    /// What the set of states takes.
    pub set_bytes: u64,
}

impl Counts {
    /// The chance, at most, that two states had the same 64 bits and one was overlooked for it.
    pub fn odds_of_oversight(&self) -> f64 {
        let states = self.states as f64;
        states * states / 2f64.powi(65)
    }
}

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// How much was seen. Does not depend on the number of threads.
    pub counts: Counts,
    /// How long it took.
    pub elapsed: Duration,
    /// The most memory that the process was seen to take; none where the system does not say.
    pub memory_bytes: Option<u64>,
    /// The verdict. Does not depend on the number of threads.
    pub verdict: Verdict,
    /// Each `sometimes` with the shortest way to a state that shows it.
    pub reached: Vec<(String, Option<Path>)>,
    /// Each `always` and `eventually`.
    pub demanded: Vec<String>,
    /// What must be known of the model: [`Model::remarks`](super::Model::remarks).
    pub remarks: Vec<String>,
}

/// Whether everything holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every state was seen, and everything holds.
    Holds,
    /// Something does not hold: a shortest way to where.
    Violated(Counterexample),
    /// A bound of the exploration was met before every state was seen: which.
    Incomplete(String),
    /// Nothing was violated, but it proves nothing: why.
    Vacuous(String),
}

/// A shortest way to a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The property's name.
    pub property: String,
    /// What was expected and what was found.
    pub sentence: String,
    /// The way, for [`Path::walk`].
    pub path: Path,
    /// The way in words, a line an action.
    pub lines: Vec<String>,
    /// The way as a picture, if the model draws one.
    pub diagram: Option<String>,
}

impl Report {
    /// 0 if everything holds, 1 if something is violated, 2 if neither can be said.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Holds => 0,
            Verdict::Violated(_) => 1,
            Verdict::Incomplete(_) | Verdict::Vacuous(_) => 2,
        }
    }

    /// The counterexample, if there is one.
    pub fn violation(&self) -> Option<&Counterexample> {
        match &self.verdict {
            Verdict::Violated(counterexample) => Some(counterexample),
            _ => None,
        }
    }

    /// Distinct states a second.
    pub fn states_per_second(&self) -> f64 {
        self.counts.states as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Panics unless everything holds: for tests.
    pub fn assert_holds(&self) -> &Self {
        assert!(self.verdict == Verdict::Holds, "{self}");
        self
    }

    /// The counterexample to `property`; panics unless it was found to be violated: for tests.
    pub fn assert_violates(&self, property: &str) -> &Counterexample {
        let found = self.violation().filter(|found| found.property == property);
        found.unwrap_or_else(|| panic!("expected a violation of {property}, found:\n{self}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { states, represented, transitions, asleep, depth, over, cut, set_bytes, .. } =
            self.counts;
        let seconds = self.elapsed.as_secs_f64();
        let rate = grouped(self.states_per_second() as u64);
        let (transitions, set) = (grouped(transitions), bytes(set_bytes));
        writeln!(f, "{} states, {transitions} transitions, depth {depth}", grouped(states))?;
        if represented > states {
            writeln!(f, "they stand for {} states that differ in names alone", grouped(represented))?;
        }
        writeln!(f, "{seconds:.2} s ({rate} states/s), {set} in the set")?;
        let (over, cut, asleep) = (grouped(over), grouped(cut), grouped(asleep));
        writeln!(f, "{over} where the run is over, {cut} cut by a bound, {asleep} transitions left out")?;
        self.remarks.iter().try_for_each(|remark| writeln!(f, "  note     {remark}"))?;
        for (name, path) in &self.reached {
            match path {
                Some(path) => writeln!(f, "  reached  {name}, after {} steps", path.steps())?,
                None => writeln!(f, "  never    {name}")?,
            }
        }
        match &self.verdict {
            Verdict::Holds => {
                let odds = self.counts.odds_of_oversight();
                write!(f, "complete: {} hold in every state", self.demanded.join(", "))?;
                write!(f, " (a state was overlooked with odds below {odds:.0e})")
            }
            Verdict::Violated(found) => {
                writeln!(
                    f,
                    "{} VIOLATED after {} steps: {}",
                    found.property,
                    found.path.steps(),
                    found.sentence
                )?;
                found.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
                if let Some(diagram) = &found.diagram {
                    write!(f, "{diagram}")?;
                }
                write!(f, "path {}", found.path)
            }
            Verdict::Incomplete(why) => write!(f, "not complete: {why}; nothing violated so far"),
            Verdict::Vacuous(why) => write!(f, "nothing violated, but it proves nothing: {why}"),
        }
    }
}

/// Digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Of memory, rounded up.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_048_576 => format!("{} KiB", count.div_ceil(1024)),
        _ => format!("{} MiB", count.div_ceil(1_048_576)),
    }
}
