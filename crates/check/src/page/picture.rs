//! What is drawn, and where: the layout of a history.
//!
//! Every end of an operation has a rank, its place in the order of events. Each rank gets a position to the right of the
//! one before, as far as the text of the bar that ends there needs; so bars overlap in the picture exactly if the
//! operations did. Clients that come one after the other, as processes that replace crashed ones do, share a lane.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::format::objects::Keying;
use crate::format::{Ending, Log};
use crate::history::Client;
use crate::judge::{Answer, describe, named};

/// A history, laid out. Positions are in pixels from the left.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What it is a picture of.
    pub title: String,
    /// What was found, in lines.
    pub verdict: String,
    /// From top to bottom.
    pub lanes: Vec<Lane>,
    /// In the order of invocation, one for each operation of the log.
    pub bars: Vec<Bar>,
    /// What was done to the system.
    pub bands: Vec<Band>,
    /// What breaks a model, the first problem first.
    pub problems: Vec<Problem>,
    /// The bars that are impossible already, taken together.
    pub core: Vec<usize>,
    /// Bars in the order in which they take effect, of each part of the object.
    pub orders: Vec<Vec<usize>>,
    /// What stands before the number of an operation where the verdict names it: `#7`, `T7`.
    pub mark: &'static str,
    /// How wide it is.
    pub width: f64,
}

/// An operation that breaks a model.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Its bar.
    pub bar: usize,
    /// What is wrong with it, as a clause.
    pub why: String,
}

/// A row of bars that do not overlap.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The clients whose operations are in it.
    pub clients: Vec<String>,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Bar {
    /// In which lane.
    pub lane: usize,
    /// Whose.
    pub client: String,
    /// Where it was invoked.
    pub from: f64,
    /// Where it ended; of an open one, where its text ends.
    pub to: f64,
    /// What was asked and answered.
    pub label: String,
    /// How it ended.
    pub kind: Kind,
    /// Where it takes effect, if that is known.
    pub point: Option<f64>,
    /// The line of the file where it begins.
    pub line: u64,
    /// When it was invoked, if that is known.
    pub invoked: Option<Duration>,
    /// How long it took, if that is known.
    pub took: Option<Duration>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was answered.
    Returned,
    /// It did not happen.
    Failed,
    /// Nobody knows.
    Open,
}

/// A time in which something was done to the system.
#[derive(Clone, Debug)]
pub struct Band {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What it is.
    pub what: String,
}

/// Least distance between two events.
const GAP: f64 = 10.0;
/// Least distance between two bars of a lane.
const LANE_GAP: f64 = 8.0;
/// Width of a character of a label, and what is left free at its sides.
pub(super) const CHARACTER_WIDTH: f64 = 7.25;
const PADDING: f64 = 14.0;
/// Longest label, in characters; the rest is shown on demand.
const LABEL_CHARACTERS_MAX: usize = 28;
/// Up to this many clients each has a lane of its own.
const OWN_LANES_MAX: usize = 12;

impl Picture {
    /// Lays a log out, with what was found about it.
    pub fn new(log: &Log, answer: &Answer, title: &str, verdict: &str) -> Self {
        let lane_of = lanes(log);
        let mut layout = Layout::new(log, answer.keying, &lane_of);
        layout.place();
        let end = layout.positions.last().copied().unwrap_or_default() + GAP;
        let width = layout.lane_ends.iter().fold(end, |width, lane_end| width.max(*lane_end + GAP));
        let points = points(log, answer, &layout);
        let mut lanes = vec![Lane { clients: Vec::new() }; lane_of.values().max().map_or(0, |last| last + 1)];
        for (&client, &lane) in &lane_of {
            lanes[lane].clients.push(log.client_name(client));
        }
        let bars = log.operations.iter().enumerate().map(|(index, operation)| {
            let (kind, ended) = match &operation.ending {
                Ending::Returned { at, .. } => (Kind::Returned, Some(*at)),
                Ending::Failed { at, .. } => (Kind::Failed, Some(*at)),
                Ending::Unknown { .. } => (Kind::Open, None),
            };
            Bar {
                lane: lane_of[&operation.client],
                client: log.client_name(operation.client),
                from: layout.from[index],
                to: layout.to[index],
                label: describe(operation, answer.keying),
                kind,
                point: points[index],
                line: operation.place.line,
                invoked: log.is_timed.then_some(operation.invoked),
                took: ended.filter(|_| log.is_timed).map(|at| at.saturating_sub(operation.invoked)),
            }
        });
        Self {
            title: title.to_owned(),
            verdict: verdict.to_owned(),
            lanes,
            bars: bars.collect(),
            bands: bands(log, &layout, width),
            problems: problems(answer),
            core: core(answer),
            mark: answer.mark(),
            orders: answer.orders.clone(),
            width,
        }
    }
}

/// The operations that break models, each once.
fn problems(answer: &Answer) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for explained in &answer.findings {
        let Some(breach) = explained.judgement.breach() else { continue };
        let Some(bar) = breach.witness.first().map(|operation| operation.id.0 as usize) else { continue };
        if problems.iter().any(|problem| problem.bar == bar) {
            continue;
        }
        let why = match explained.core {
            Some(_) => "it cannot be placed anywhere between its invocation and its return".to_owned(),
            None => format!("{} is broken: {}", explained.judgement.model.title(), named(answer, breach)),
        };
        problems.push(Problem { bar, why });
    }
    problems
}

/// The operations that are impossible together, in the order of invocation.
fn core(answer: &Answer) -> Vec<usize> {
    let mut all = BTreeSet::new();
    for explained in &answer.findings {
        match (&explained.core, explained.judgement.breach()) {
            (Some(core), _) => all.extend(core.operations.iter().copied()),
            (None, Some(breach)) => {
                all.extend(breach.witness.iter().map(|operation| operation.id.0 as usize))
            }
            (None, None) => {}
        }
    }
    all.into_iter().collect()
}

/// The lane of each client: its own, or, where there are many, one whose clients were gone before.
fn lanes(log: &Log) -> BTreeMap<Client, usize> {
    let mut last_seen: BTreeMap<Client, usize> = BTreeMap::new();
    for (rank, end) in log.ends().enumerate() {
        last_seen.insert(log.operations[end.operation].client, rank);
    }
    if last_seen.len() <= OWN_LANES_MAX {
        return last_seen.into_keys().zip(0..).collect();
    }
    let mut lane_of = BTreeMap::new();
    let mut lane_ends: Vec<usize> = Vec::new();
    for (rank, end) in log.ends().enumerate() {
        let client = log.operations[end.operation].client;
        if lane_of.contains_key(&client) {
            continue;
        }
        let free = lane_ends.iter().position(|last| *last < rank);
        let lane = free.unwrap_or_else(|| {
            lane_ends.push(0);
            lane_ends.len() - 1
        });
        lane_ends[lane] = last_seen[&client];
        lane_of.insert(client, lane);
    }
    lane_of
}

/// Positions under way.
struct Layout<'a> {
    log: &'a Log,
    keying: Keying,
    lane_of: &'a BTreeMap<Client, usize>,
    /// By rank.
    positions: Vec<f64>,
    /// By operation.
    from: Vec<f64>,
    to: Vec<f64>,
    /// By operation, the rank of its invocation and of its end.
    ranks: Vec<(usize, Option<usize>)>,
    /// By lane, where its last bar ends.
    lane_ends: Vec<f64>,
}

impl<'a> Layout<'a> {
    fn new(log: &'a Log, keying: Keying, lane_of: &'a BTreeMap<Client, usize>) -> Self {
        let count = log.operations.len();
        let lanes = lane_of.values().max().map_or(0, |last| last + 1);
        Self {
            log,
            keying,
            lane_of,
            positions: Vec::with_capacity(count * 2),
            from: vec![0.0; count],
            to: vec![0.0; count],
            ranks: vec![(0, None); count],
            lane_ends: vec![0.0; lanes],
        }
    }

    fn place(&mut self) {
        let mut latest = 0.0;
        for end in self.log.ends() {
            let operation = &self.log.operations[end.operation];
            let lane = self.lane_of[&operation.client];
            let is_open = matches!(operation.ending, Ending::Unknown { .. });
            let rank = self.positions.len();
            let mut at = latest + GAP;
            if end.is_invocation {
                at = f64::max(at, self.lane_ends[lane] + LANE_GAP);
                self.from[end.operation] = at;
                self.ranks[end.operation].0 = rank;
                if is_open {
                    self.to[end.operation] = at + text_width(operation, self.keying);
                    self.lane_ends[lane] = self.to[end.operation];
                }
            } else if !is_open {
                at = f64::max(at, self.from[end.operation] + text_width(operation, self.keying));
                self.to[end.operation] = at;
                self.lane_ends[lane] = at;
                self.ranks[end.operation].1 = Some(rank);
            }
            self.positions.push(at);
            latest = at;
        }
    }
}

fn text_width(operation: &crate::format::Operation, keying: Keying) -> f64 {
    let characters = describe(operation, keying).chars().count().min(LABEL_CHARACTERS_MAX);
    characters as f64 * CHARACTER_WIDTH + PADDING
}

/// Where each operation takes effect: for each order, as late as the next one allows and as early as the one before
/// does, and in the middle between these.
fn points(log: &Log, answer: &Answer, layout: &Layout<'_>) -> Vec<Option<f64>> {
    let mut points = vec![None; log.operations.len()];
    for order in &answer.orders {
        let mut earliest = 0.0;
        let first: Vec<f64> = order
            .iter()
            .map(|&index| {
                earliest = f64::max(earliest, layout.from[index]);
                earliest
            })
            .collect();
        let mut latest = f64::MAX;
        for (place, &index) in order.iter().enumerate().rev() {
            let is_open = layout.ranks[index].1.is_none();
            // An operation without an end takes effect when it has to.
            let own_end = if is_open { f64::max(first[place], layout.to[index]) } else { layout.to[index] };
            latest = f64::min(latest, own_end);
            points[index] = Some(f64::midpoint(first[place], f64::max(first[place], latest)));
        }
    }
    points
}

fn bands(log: &Log, layout: &Layout<'_>, width: f64) -> Vec<Band> {
    let times: Vec<Duration> = log.ends().map(|end| end.at).collect();
    let at = |time: Duration| {
        let rank = times.partition_point(|at| *at < time);
        layout.positions.get(rank).copied().unwrap_or(width)
    };
    let place = |fault: &crate::format::Disturbance| {
        let from = at(fault.from);
        let to = fault.to.map_or(width, at);
        Band { from, to: f64::max(to, from + GAP / 2.0), what: fault.what.clone() }
    };
    log.faults.iter().map(place).collect()
}
