//! Histories of transactions that keep a model by construction, and anomalies to plant in them.
//!
//! # How it works
//! A store of versions stands in the middle. Each commit has a number, and a snapshot is a number: it holds what was
//! committed up to it. Sessions run their transactions at the same time; a model is which snapshot a transaction reads and
//! whether it may commit.
//!
//! | model | reads | commits |
//! |---|---|---|
//! | strict serializable | what is current when it commits | always |
//! | (strong session) serializable | the same if it writes, else any snapshot (not before what its session saw) | always |
//! | (strong session) snapshot isolation | any snapshot (not before what its session saw) | if nobody wrote its keys since |
//! | transactional causal | any snapshot not before what its session saw | always |
//! | read atomic | any snapshot | always |
//! | read committed | any snapshot for each read | always |
//!
//! So the history keeps the model that was asked for, and long ones break the stronger models on their own. An anomaly is
//! planted by transactions on keys of their own at the end ([`Plant`]), which break exactly the models that forbid it.
//!
//! # Left out
//! Causal histories in which two sessions disagree for long: their snapshots are all beginnings of one order.

use std::time::Duration;

use super::anomaly::{Anomaly, Order};
use super::history::{Builder, History};
use super::operation::{Header, Key, Kind, Operation, Status, Value};
use crate::generate::Random;
use crate::model::Model;

/// How a generated history looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What all choices are drawn from.
    pub seed: u64,
    /// What the keys hold.
    pub kind: Kind,
    /// Sessions that are busy all the time.
    pub sessions: u64,
    /// Transactions of all sessions together.
    pub transactions: usize,
    /// Most operations of a transaction, from 1; the least is 1.
    pub operations_max: u64,
    /// Keys in use at a time.
    pub keys: u64,
    /// After so many writes a key is retired and a new one takes its place, so that lists stay short.
    pub writes_per_key_max: usize,
    /// Of a thousand transactions, how many abort though nothing was in their way.
    pub aborted_per_mille: u64,
    /// Of a thousand transactions, of how many the outcome is never known.
    pub unknown_per_mille: u64,
}

impl Shape {
    /// Ten sessions on ten keys, up to four operations a transaction, thirty-two writes a key.
    pub fn new(seed: u64, kind: Kind, transactions: usize) -> Self {
        Self {
            seed,
            kind,
            sessions: 10,
            transactions,
            operations_max: 4,
            keys: 10,
            writes_per_key_max: 32,
            aborted_per_mille: 20,
            unknown_per_mille: 5,
        }
    }
}

/// An anomaly to plant, by its name and the order that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plant {
    /// The anomaly.
    pub anomaly: Anomaly,
    /// Whether it shows in the data alone, with sessions, or with time.
    pub order: Order,
}

/// A history that keeps `model` by construction.
///
/// # Panics
/// When the shape has no session, key or operation, or the model is none of transactions.
pub fn history(shape: Shape, model: Model) -> History {
    build(shape, model).finish()
}

/// The same with an anomaly planted at the end; `None` where histories of this kind cannot show it.
pub fn history_with(shape: Shape, model: Model, plant: Plant) -> Option<History> {
    let planted = recipe(shape.kind, plant)?;
    let mut builder = build(shape, model);
    let (sessions, key) = (shape.sessions, u64::MAX / 2);
    let begin = STEP * (4 * shape.transactions as u32 + 1000);
    for (place, Planted { session, status, text }) in planted.into_iter().enumerate() {
        let place = place as u32;
        // One after another if time matters, all at once if it does not.
        let (early, late) = if plant.order == Order::RealTime { (2 * place, 2 * place + 1) } else { (0, 99) };
        let header = Header::committed(sessions + session).with_status(status);
        let header = header.at(begin + STEP * early, begin + STEP * late);
        let operations: Vec<Operation> =
            text.split(',').map(|operation| written(operation, shape.kind, key)).collect();
        builder.push(header, &operations).expect("a planted transaction is like the others");
    }
    Some(builder.finish())
}

/// Time between two events of a generated run.
const STEP: Duration = Duration::from_micros(10);
/// Oldest snapshot, in commits.
const LAG_MAX: u64 = 8;

fn build(shape: Shape, model: Model) -> Builder {
    assert!(
        shape.sessions > 0 && shape.keys > 0 && shape.operations_max > 0,
        "expected at least one session, key and operation, found {shape:?}"
    );
    assert!(Model::TRANSACTIONS.contains(&model), "expected a model of transactions, found {model}");
    let mut database = Database::new(shape, model);
    while database.ended < shape.transactions {
        database.step();
    }
    database.builder
}

/// A key of the store.
struct Cell {
    key: Key,
    /// The number of the commit, and what it wrote.
    versions: Vec<(u64, Value)>,
    writes: usize,
}

/// A transaction under way.
struct Running {
    invoked: Duration,
    snapshot: u64,
    /// Which cells, and what is written there if anything.
    plan: Vec<(usize, Option<Value>)>,
}

#[derive(Default)]
struct Client {
    running: Option<Running>,
    /// The newest commit that it saw or made.
    seen: u64,
}

struct Database {
    shape: Shape,
    model: Model,
    random: Random,
    builder: Builder,
    cells: Vec<Cell>,
    /// By slot: the cell in use.
    slots: Vec<usize>,
    clients: Vec<Client>,
    commits: u64,
    now: Duration,
    begun: usize,
    ended: usize,
}

impl Database {
    fn new(shape: Shape, model: Model) -> Self {
        let cell = |number: u64| Cell { key: Key(number), versions: Vec::new(), writes: 0 };
        Self {
            shape,
            model,
            random: Random::new(shape.seed),
            builder: Builder::new(),
            cells: (0..shape.keys).map(cell).collect(),
            slots: (0..shape.keys as usize).collect(),
            clients: (0..shape.sessions).map(|_| Client::default()).collect(),
            commits: 0,
            now: Duration::ZERO,
            begun: 0,
            ended: 0,
        }
    }

    /// Some session begins or ends a transaction.
    fn step(&mut self) {
        self.now += STEP;
        let client = self.random.below(self.shape.sessions) as usize;
        match self.clients[client].running.take() {
            Some(running) => self.end(client, running),
            None if self.begun < self.shape.transactions => self.begin(client),
            None => {}
        }
    }

    fn begin(&mut self, client: usize) {
        self.begun += 1;
        let count = 1 + self.random.below(self.shape.operations_max);
        let plan: Vec<(usize, Option<Value>)> = (0..count)
            .map(|_| {
                let slot = self.random.below(self.shape.keys) as usize;
                let is_write = self.random.below(2) == 0;
                (self.slots[slot], is_write.then(|| self.fresh(slot)))
            })
            .collect();
        let lag = self.random.below(LAG_MAX);
        let seen = self.clients[client].seen;
        let any = self.commits.saturating_sub(lag);
        let writes = plan.iter().any(|(_, value)| value.is_some());
        let snapshot = match self.model {
            Model::StrictSerializable => u64::MAX,
            Model::Serializable | Model::StrongSessionSerializable if writes => u64::MAX,
            Model::StrongSessionSerializable
            | Model::StrongSessionSnapshotIsolation
            | Model::TransactionalCausal => any.max(seen),
            _ => any,
        };
        self.clients[client].running = Some(Running { invoked: self.now, snapshot, plan });
    }

    /// A value for the cell of a slot; the cell is replaced when it has had its share.
    fn fresh(&mut self, slot: usize) -> Value {
        let cell = &mut self.cells[self.slots[slot]];
        cell.writes += 1;
        let value = Value(cell.writes as i64);
        if cell.writes >= self.shape.writes_per_key_max {
            self.slots[slot] = self.cells.len();
            self.cells.push(Cell { key: Key(self.cells.len() as u64), versions: Vec::new(), writes: 0 });
        }
        value
    }

    fn end(&mut self, client: usize, running: Running) {
        self.ended += 1;
        let Running { invoked, snapshot, plan } = running;
        let must_be_first =
            matches!(self.model, Model::SnapshotIsolation | Model::StrongSessionSnapshotIsolation);
        let newest = |cell: usize| self.cells[cell].versions.last().map_or(0, |(commit, _)| *commit);
        let is_late =
            must_be_first && plan.iter().any(|&(cell, value)| value.is_some() && newest(cell) > snapshot);
        let is_unknown = self.random.below(1000) < self.shape.unknown_per_mille;
        let aborts = is_late
            || self.random.below(1000) < self.shape.aborted_per_mille
            || is_unknown && self.random.below(2) == 0;
        let operations = self.execute(snapshot, &plan);
        let mut header = Header::committed(client as u64).at(invoked, self.now);
        if !aborts {
            self.commits += 1;
            let mut last: Vec<(usize, Value)> =
                plan.iter().filter_map(|(cell, value)| Some((*cell, (*value)?))).collect();
            let writes_any = !last.is_empty();
            if self.shape.kind == Kind::Register {
                last.reverse();
                last.sort_by_key(|(cell, _)| *cell);
                last.dedup_by_key(|(cell, _)| *cell);
            }
            for (cell, value) in last {
                self.cells[cell].versions.push((self.commits, value));
            }
            let latest = if writes_any || snapshot > self.commits { self.commits } else { snapshot };
            let seen = &mut self.clients[client].seen;
            *seen = (*seen).max(latest);
        }
        if is_unknown {
            header.status = Status::Unknown;
            header.completed = None;
        } else if aborts {
            header.status = Status::Aborted;
        }
        self.builder.push(header, &operations).expect("the store makes good transactions");
    }

    /// What a transaction sees and does, on a snapshot.
    fn execute(&mut self, snapshot: u64, plan: &[(usize, Option<Value>)]) -> Vec<Operation> {
        let is_list = self.shape.kind == Kind::ListAppend;
        let mut operations = Vec::with_capacity(plan.len());
        for (index, &(cell, value)) in plan.iter().enumerate() {
            let snapshot = match self.model {
                Model::ReadCommitted => self.commits.saturating_sub(self.random.below(LAG_MAX)),
                _ => snapshot,
            };
            let Cell { key, versions, .. } = &self.cells[cell];
            let mut own =
                plan[..index].iter().filter(|(other, _)| *other == cell).filter_map(|(_, value)| *value);
            let visible = &versions[..versions.partition_point(|(commit, _)| *commit <= snapshot)];
            operations.push(match (value, is_list) {
                (Some(value), true) => Operation::Append(*key, value),
                (Some(value), false) => Operation::Write(*key, value),
                (None, true) => {
                    Operation::ReadList(*key, visible.iter().map(|(_, value)| *value).chain(own).collect())
                }
                (None, false) => {
                    Operation::Read(*key, own.next_back().or(visible.last().map(|(_, value)| *value)))
                }
            });
        }
        operations
    }
}

/// A transaction to plant: `a x 1` writes (appends), `r x 1 2` reads (the list, or its last element).
struct Planted {
    session: u64,
    status: Status,
    text: &'static str,
}

/// Transactions that show an anomaly and break no model that does not forbid it.
fn recipe(kind: Kind, plant: Plant) -> Option<Vec<Planted>> {
    let is_list = kind == Kind::ListAppend;
    let texts: &[&'static str] = match (plant.anomaly, plant.order) {
        (Anomaly::GSingle, Order::Process) => return sessions(&[(0, "a x 1"), (0, "r x")]),
        (Anomaly::G2Item, Order::Process) => return sessions(&[(0, "a z 1"), (0, "r x"), (1, "a x 1,r z")]),
        (Anomaly::GNonadjacent, Order::Process) => {
            return sessions(&[(0, "a x 1"), (0, "r y"), (1, "a y 1"), (1, "r x")]);
        }
        (Anomaly::GSingle, Order::RealTime) => &["a x 1", "r x", "r x 1"],
        (_, Order::Process | Order::RealTime) => return None,
        (Anomaly::GarbageRead, _) => &["r x 7"],
        (Anomaly::DuplicateElements, _) if is_list => &["a x 1", "r x 1 1"],
        (Anomaly::IncompatibleOrder, _) if is_list => &["a x 1", "a x 2", "r x 1 2", "r x 2 1"],
        (Anomaly::G1a, _) => &["abort a x 1", "r x 1"],
        (Anomaly::DirtyUpdate, _) if is_list => &["abort a x 1", "a x 2", "r x 1 2"],
        (Anomaly::G1b, _) => &["a x 1,a x 2", "r x 1"],
        (Anomaly::CyclicVersions, _) if !is_list => &["r x 2,a x 1", "r x 1,a x 2"],
        (Anomaly::G0, _) if is_list => &["a x 1,a y 1", "a x 2,a y 2", "r x 1 2,r y 2 1"],
        (Anomaly::G1c, _) => &["a x 1,r y 1", "a y 1,r x 1"],
        (Anomaly::Internal, _) => &["a x 1", "r x,r x 1"],
        (Anomaly::FracturedRead, _) => &["a x 1,a y 1", "r x 1,r y"],
        (Anomaly::GSingle, _) => &["a x 1", "r x 1,a y 1", "r y 1,r x"],
        (Anomaly::LostUpdate, _) => &["r x,a x 1", "r x,a x 2"],
        (Anomaly::GNonadjacent, _) => &["a x 1", "a y 1", "a z 1", "r x 1,r y", "r y 1,r z", "r z 1,r x"],
        (Anomaly::LongFork, _) => &["a x 1", "a y 1", "r x 1,r y", "r y 1,r x"],
        (Anomaly::WriteSkew, _) => &["r x,r y,a x 1", "r x,r y,a y 1"],
        (Anomaly::G2Item, _) => &["r x,a y 1", "r y,a z 1", "r z,a x 1"],
        _ => return None,
    };
    let planted = texts.iter().zip(0..).map(|(text, session)| match text.strip_prefix("abort ") {
        Some(text) => Planted { session, status: Status::Aborted, text },
        None => Planted { session, status: Status::Committed, text },
    });
    Some(planted.collect())
}

fn sessions(texts: &[(u64, &'static str)]) -> Option<Vec<Planted>> {
    let planted =
        |&(session, text): &(u64, &'static str)| Planted { session, status: Status::Committed, text };
    Some(texts.iter().map(planted).collect())
}

/// An operation of a recipe, on keys of its own.
fn written(text: &str, kind: Kind, first_key: u64) -> Operation {
    let mut words = text.split(' ');
    let verb = words.next().expect("a recipe's operation has a verb");
    let letter =
        words.next().expect("a recipe's operation has a key").bytes().next().expect("a key is a letter");
    let key = Key(first_key + u64::from(letter));
    let values: Vec<Value> =
        words.map(|word| Value(word.parse().expect("a recipe's values are numbers"))).collect();
    match (verb, kind) {
        ("a", Kind::ListAppend) => Operation::Append(key, values[0]),
        ("a", Kind::Register) => Operation::Write(key, values[0]),
        (_, Kind::ListAppend) => Operation::ReadList(key, values),
        (_, Kind::Register) => Operation::Read(key, values.last().copied()),
    }
}
