//! How stale reads are: in versions, and in time.

use synod_machine::NodeId;
use synod_protocols::replication::quorum::{Copy, Tag, cost};
use synod_sim::Stream;

use super::delays::{FORM, Mixture};
use crate::entry::{
    Domain, Expected, Experiment, Measured, Parameter, Row, Sample, Settings, Tolerance, Trial, Value,
};

const COPIES: Parameter = Parameter::integer("copies", 3, 1..=64, "Copies (N).");
const READ: Parameter = Parameter::integer("read", 1, 1..=64, "Copies that a read waits for (R).");
const WRITE: Parameter = Parameter::integer("write", 1, 1..=64, "Copies that a write reaches (W).");

const STALE: Expected = Expected {
    figure: "stale reads",
    value: Value::Is(0.0),
    tolerance: Tolerance::Exact,
    source: "Gifford 1979, section 2: R + W > N",
};

const fn within(value: f64) -> Expected {
    Expected {
        figure: "P(within k versions)",
        value: Value::Is(value),
        tolerance: Tolerance::Absolute(0.005),
        source: "Bailis et al. 2012, section 3.1",
    }
}

pub(super) const STALENESS: Experiment = Experiment {
    name: "quorum-staleness",
    sentence: "How often a read misses the latest complete write, where each reaches exactly W copies drawn at random and no others. The \
               mechanism's own copies and merges, without a network.",
    parameters: &[
        COPIES,
        READ,
        WRITE,
        Parameter::integer("k", 1, 1..=1_000, "A read within k versions sees one of the last k writes."),
        Parameter::integer("reads", 10_000, 1..=1_000_000_000, "Reads a run."),
    ],
    runs: 100,
    rows: &[
        Row { settings: &[("k", "1")], expected: &[within(1.0 / 3.0)] },
        Row { settings: &[("k", "2")], expected: &[within(5.0 / 9.0)] },
        Row { settings: &[("k", "3")], expected: &[within(19.0 / 27.0)] },
        Row { settings: &[("read", "2"), ("write", "2")], expected: &[STALE] },
        Row { settings: &[("read", "1"), ("write", "3")], expected: &[STALE] },
        Row { settings: &[("copies", "5"), ("read", "3"), ("write", "3")], expected: &[STALE] },
    ],
    run: staleness,
};

fn sizes(settings: &Settings) -> Result<(usize, usize, usize), String> {
    let size = |name| settings.integer(name) as usize;
    let (copies, read, write) = (size("copies"), size("read"), size("write"));
    if read > copies || write > copies {
        return Err(format!("expected quorums of at most {copies} copies, found R = {read} and W = {write}"));
    }
    Ok((copies, read, write))
}

fn staleness(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let (copies, read, write) = sizes(trial.settings)?;
    let (k, reads) = (trial.settings.integer("k"), trial.settings.integer("reads"));
    let (mut stale, mut old) = (0, 0);
    trial.each(
        |_, draw| {
            let mut all = Replicated::new(copies);
            (0..k).for_each(|_| all.write(write, draw));
            let mut missed = (0, 0);
            for _ in 0..reads {
                all.write(write, draw);
                let behind = all.read(read, draw);
                missed = (missed.0 + u64::from(behind > 0), missed.1 + u64::from(behind >= k));
            }
            missed
        },
        |_, missed| (stale, old) = (stale + missed.0, old + missed.1),
    );
    let all = trial.runs * reads;
    let quorum = |name| trial.settings.integer(name);
    let formula = cost::within_versions(quorum("copies"), quorum("read"), quorum("write"), k as u32);
    Ok(vec![
        Measured::share("P(within k versions)", all - old, all),
        Measured::exact("by the formula", formula),
        Measured::exact("stale reads", stale as f64),
        Measured::exact("reads", all as f64),
    ])
}

/// Copies of one key.
struct Replicated {
    copies: Vec<Copy>,
    order: Vec<usize>,
    written: u64,
}

impl Replicated {
    fn new(copies: usize) -> Self {
        Replicated { copies: vec![Copy::Nothing; copies], order: (0..copies).collect(), written: 0 }
    }

    /// The next version, at `write` copies.
    fn write(&mut self, write: usize, draw: &mut Stream) {
        self.written += 1;
        let tag = Tag { counter: self.written, node: NodeId(1), nonce: 0 };
        let copy = Copy::Tagged { tag, value: bytes::Bytes::new() };
        draw.shuffle(&mut self.order);
        for index in &self.order[..write] {
            self.copies[*index].merge(&copy);
        }
    }

    /// How many versions a read of `read` copies is behind.
    fn read(&mut self, read: usize, draw: &mut Stream) -> u64 {
        draw.shuffle(&mut self.order);
        let mut newest = Copy::Nothing;
        for index in &self.order[..read] {
            newest.merge(&self.copies[*index]);
        }
        self.written - newest.tag().counter
    }
}

const SSD: &str = "0.9122 pareto(0.235,10) else exp(1.66)";
const DISK: &str = "0.38 pareto(1.05,1.51) else exp(0.183)";

const fn delay(name: &'static str, sentence: &'static str) -> Parameter {
    Parameter {
        name,
        sentence,
        domain: Domain::Text { default: SSD, form: FORM, reads: |text| Mixture::read(text).is_some() },
    }
}

macro_rules! wars {
    ($settings:expr, $fresh:literal, $time:literal) => {
        Row {
            settings: $settings,
            expected: &[
                Expected {
                    figure: "P(t=0)",
                    value: Value::Is($fresh),
                    tolerance: Tolerance::Absolute(0.005),
                    source: "the WARS model of Bailis et al. 2012, section 5.4 and table 3, recomputed",
                },
                Expected {
                    figure: "t to 99.9 %, ms",
                    value: Value::Is($time),
                    tolerance: Tolerance::Relative(0.1),
                    source: "the WARS model of Bailis et al. 2012, section 5.4 and table 3, recomputed",
                },
            ],
        }
    };
}

pub(super) const WARS: Experiment = Experiment {
    name: "pbs-wars",
    sentence: "How likely a read sees a write right after it, and after which time it does with 99.9 %, where a write goes to all copies. The WARS model: \
               orders of delays, without a network.",
    parameters: &[
        COPIES,
        READ,
        WRITE,
        delay("delay-w", "Delay of a write on its way to a copy (W)."),
        delay("delay-a", "Delay of its acknowledgement (A)."),
        delay("delay-r", "Delay of a read on its way to a copy (R)."),
        delay("delay-s", "Delay of the response (S)."),
        Parameter::integer("reads", 10_000, 1..=100_000_000, "Reads a run."),
    ],
    runs: 100,
    rows: &[
        wars!(&[], 0.9737, 1.96),
        wars!(&[("delay-w", DISK)], 0.4370, 52.8),
        wars!(&[("delay-w", DISK), ("read", "2")], 0.7625, 14.1),
    ],
    run: wars,
};

fn wars(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let (copies, read, write) = sizes(trial.settings)?;
    let reads = trial.settings.integer("reads");
    let mixture =
        |name| Mixture::read(&trial.settings.text(name)).ok_or_else(|| format!("{name}: expected {FORM}"));
    let model = Wars {
        copies,
        read,
        write,
        delays: [mixture("delay-w")?, mixture("delay-a")?, mixture("delay-r")?, mixture("delay-s")?],
    };
    let (mut needed, mut at_once) = (Sample::default(), 0);
    trial.each(
        |_, draw| (0..reads).map(|_| model.needed(draw)).collect::<Vec<f64>>(),
        |_, times| {
            at_once += times.iter().filter(|time| **time <= 0.0).count() as u64;
            needed.extend(times);
        },
    );
    let all = needed.len() as u64;
    Ok(vec![Measured::share("P(t=0)", at_once, all), needed.quantile_as("t to 99.9 %, ms", 0.999)])
}

/// The WARS model: one write and one read that begins some time after it.
struct Wars {
    copies: usize,
    read: usize,
    write: usize,
    /// W, A, R, S.
    delays: [Mixture; 4],
}

impl Wars {
    /// How long after the write's completion a read must begin to see it, in milliseconds; 0 or less: at once.
    fn needed(&self, draw: &mut Stream) -> f64 {
        let [w, a, r, s] = &self.delays;
        let drawn: Vec<[f64; 4]> =
            (0..self.copies).map(|_| [w.draw(draw), a.draw(draw), r.draw(draw), s.draw(draw)]).collect();
        let mut complete: Vec<f64> = drawn.iter().map(|[w, a, ..]| w + a).collect();
        complete.sort_by(f64::total_cmp);
        let complete = complete[self.write - 1];
        let mut answers: Vec<(f64, f64)> =
            drawn.iter().map(|[w, _, r, s]| (r + s, w - r - complete)).collect();
        answers.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        // The first answers make the read; one copy that had the write when it was asked is enough.
        answers[..self.read].iter().map(|(_, needed)| *needed).fold(f64::INFINITY, f64::min).max(0.0)
    }
}
