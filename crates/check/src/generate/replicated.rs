//! Histories of replicated key-value stores that keep a weak model by construction, and weak anomalies to plant in them.
//!
//! Each session has a replica of its own. It reads there, and writes there first; its writes reach the other replicas
//! later, in an order that the [`Delivery`] restricts. So each kind of delivery keeps its model however late anything
//! arrives, and as replicas lag all the time, hardly anything stronger.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Random, Shape};
use crate::history::{Client, History, Operation};
use crate::model::Model;
use crate::specification::{At, RegisterInput, RegisterOutput};

/// A history of a key-value store; every write has a value of its own, and keys begin with 0.
pub type ReadWriteHistory = History<At<u64, RegisterInput<u64>>, RegisterOutput<u64>>;

/// In which order writes arrive at the other replicas, and what happens when they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// All replicas apply one log of all writes; who writes has the log up to its write first (the local reads of Attiya
    /// and Welch 1994). Keeps sequential consistency.
    Total,
    /// In causal order; of two writes of a key the one with the larger Lamport time wins. Keeps causal convergence.
    CausalLastWriter,
    /// In causal order; what arrives later wins. Keeps causal memory.
    CausalArrival,
    /// Writes of one session in their order; what arrives later wins. Keeps PRAM.
    Fifo,
}

impl Delivery {
    /// All kinds of delivery.
    pub const ALL: [Self; 4] = [Self::Total, Self::CausalLastWriter, Self::CausalArrival, Self::Fifo];

    /// The model that is kept by construction.
    pub fn keeps(self) -> Model {
        match self {
            Self::Total => Model::Sequential,
            Self::CausalLastWriter => Model::CausalConvergence,
            Self::CausalArrival => Model::CausalMemory,
            Self::Fifo => Model::Pram,
        }
    }

    fn is_causal(self) -> bool {
        matches!(self, Self::CausalLastWriter | Self::CausalArrival)
    }
}

/// How long an operation takes, and how far apart two begin.
const OPERATION_TIME: Duration = Duration::from_micros(3);
const STEP_TIME: Duration = Duration::from_micros(1);

/// A history of a replicated store of `keys` keys, half reads and half writes. Nothing is lost: `lost_per_mille` is not
/// used.
///
/// # Panics
/// There are no clients or no keys.
pub fn replicated(shape: Shape, keys: u64, delivery: Delivery) -> ReadWriteHistory {
    assert!(shape.clients > 0 && keys > 0, "expected at least one client and one key");
    let clients = shape.clients as usize;
    let mut random = Random::new(shape.seed);
    let mut system = System {
        delivery,
        writes: vec![Vec::new(); clients],
        log: Vec::new(),
        replicas: vec![Replica::new(clients); clients],
    };
    let mut operations = Vec::with_capacity(shape.operations);
    let mut free_at = vec![Duration::ZERO; clients];
    for number in 0..shape.operations {
        let session = random.below(shape.clients) as usize;
        // As many arrivals as there are writes on the way, on average, and then some: replicas lag, but not for ever.
        for _ in 0..=random.below(shape.clients + 4) {
            system.deliver(session, random.below(shape.clients) as usize);
        }
        let key = random.below(keys);
        let from = free_at[session].max(STEP_TIME * number as u32);
        let to = from + OPERATION_TIME;
        free_at[session] = to + STEP_TIME;
        let (input, output) = if random.below(2) == 0 {
            let value = number as u64 + 1;
            system.write(session, key, value);
            (RegisterInput::Write(value), RegisterOutput::Written)
        } else {
            (RegisterInput::Read, RegisterOutput::Value(system.replicas[session].read(key)))
        };
        operations.push(Operation::returned(Client(session as u64), from, to, At { key, input }, output));
    }
    History::from_operations(operations).expect("sessions are sequential")
}

#[derive(Clone)]
struct Write {
    key: u64,
    value: u64,
    /// Lamport's time and the session: which of two writes wins, where that is asked.
    stamp: (u64, usize),
    /// How many writes of each session come before it.
    past: Vec<usize>,
}

#[derive(Clone)]
struct Replica {
    /// How many writes of each session have arrived (of the log, in the first place, where there is one).
    arrived: Vec<usize>,
    /// Value and stamp of each key.
    values: BTreeMap<u64, (u64, (u64, usize))>,
    lamport: u64,
}

impl Replica {
    fn new(clients: usize) -> Self {
        Self { arrived: vec![0; clients], values: BTreeMap::new(), lamport: 0 }
    }

    fn read(&self, key: u64) -> u64 {
        self.values.get(&key).map_or(0, |held| held.0)
    }

    fn apply(&mut self, write: &Write, by_stamp: bool) {
        self.lamport = self.lamport.max(write.stamp.0);
        let held = self.values.entry(write.key).or_insert((0, (0, 0)));
        if !by_stamp || held.1 < write.stamp {
            *held = (write.value, write.stamp);
        }
    }
}

struct System {
    delivery: Delivery,
    /// Of each session, in its order.
    writes: Vec<Vec<Write>>,
    log: Vec<Write>,
    replicas: Vec<Replica>,
}

impl System {
    fn write(&mut self, session: usize, key: u64, value: u64) {
        let by_stamp = self.delivery == Delivery::CausalLastWriter;
        let replica = &mut self.replicas[session];
        let write =
            Write { key, value, stamp: (replica.lamport + 1, session), past: replica.arrived.clone() };
        if self.delivery == Delivery::Total {
            self.log.push(write);
            for write in &self.log[replica.arrived[0]..] {
                replica.apply(write, false);
            }
            replica.arrived[0] = self.log.len();
            return;
        }
        replica.apply(&write, by_stamp);
        replica.arrived[session] += 1;
        self.writes[session].push(write);
    }

    /// Lets the next write of a session arrive at a replica, if there is one that may.
    fn deliver(&mut self, at: usize, from: usize) {
        let replica = &mut self.replicas[at];
        if self.delivery == Delivery::Total {
            if let Some(write) = self.log.get(replica.arrived[0]) {
                replica.apply(write, false);
                replica.arrived[0] += 1;
            }
            return;
        }
        let Some(write) = self.writes[from].get(replica.arrived[from]) else { return };
        if self.delivery.is_causal()
            && write.past.iter().zip(&replica.arrived).any(|(due, arrived)| due > arrived)
        {
            return;
        }
        replica.apply(write, self.delivery == Delivery::CausalLastWriter);
        replica.arrived[from] += 1;
    }
}

/// A few operations that break one model and nothing that is weaker: the separations of neighbours in the lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// A read misses a write that another session was answered before: not linearizable, but sequential.
    StaleRead,
    /// Two sessions write, and each misses the other's write (Dekker's mutual exclusion fails): not sequential, but
    /// causally convergent and causal memory.
    StoreBuffering,
    /// Two sessions see two writes in different orders: not causally convergent, but causal memory.
    DifferentOrders,
    /// A session sees an older write arrive behind what it knows, and keeps the newer value: not PRAM, but causally
    /// convergent.
    LateArrival,
    /// A session sees a key go back and forth between two writes: neither PRAM nor causally convergent, but causally
    /// consistent.
    BackAndForth,
    /// A session sees the answer and not the question: writes follow reads is broken, PRAM is kept.
    AnswerBeforeQuestion,
    /// A session misses its own write.
    ForgottenWrite,
    /// A session reads a write, and then what was there before it.
    BackInTime,
    /// A session sees a write, and not what its writer had written to another key before.
    WritesOutOfOrder,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::StaleRead,
        Self::StoreBuffering,
        Self::DifferentOrders,
        Self::LateArrival,
        Self::BackAndForth,
        Self::AnswerBeforeQuestion,
        Self::ForgottenWrite,
        Self::BackInTime,
        Self::WritesOutOfOrder,
    ];

    /// The weakest models that it breaks.
    pub fn breaks(self) -> &'static [Model] {
        match self {
            Self::StaleRead => &[Model::Linearizable],
            Self::StoreBuffering => &[Model::Sequential],
            Self::DifferentOrders => &[Model::CausalConvergence],
            Self::LateArrival => &[Model::Pram],
            Self::BackAndForth => &[Model::CausalConvergence, Model::Pram],
            Self::AnswerBeforeQuestion => &[Model::WritesFollowReads],
            Self::ForgottenWrite => &[Model::ReadYourWrites],
            Self::BackInTime => &[Model::MonotonicReads],
            Self::WritesOutOfOrder => &[Model::MonotonicWrites],
        }
    }

    /// Its sessions: for each operation whether it writes, the key, and the value.
    fn sessions(self) -> &'static [&'static [(bool, u64, u64)]] {
        const W: bool = true;
        const R: bool = false;
        match self {
            Self::StaleRead => &[&[(W, 1, 1)], &[(W, 2, 2), (R, 1, 0)]],
            Self::StoreBuffering => &[&[(W, 1, 1), (R, 2, 0)], &[(W, 2, 2), (R, 1, 0)]],
            Self::DifferentOrders => {
                &[&[(W, 1, 1)], &[(W, 1, 2)], &[(R, 1, 1), (R, 1, 2)], &[(R, 1, 2), (R, 1, 1)]]
            }
            Self::LateArrival => &[
                &[(W, 1, 1)],
                &[(W, 2, 2), (W, 1, 3), (W, 3, 4)],
                &[(R, 1, 1), (R, 2, 0), (R, 3, 4), (R, 1, 1)],
            ],
            Self::BackAndForth => &[&[(W, 1, 1)], &[(W, 1, 2)], &[(R, 1, 1), (R, 1, 2), (R, 1, 1)]],
            Self::AnswerBeforeQuestion => &[&[(W, 1, 1)], &[(R, 1, 1), (W, 2, 2)], &[(R, 2, 2), (R, 1, 0)]],
            Self::ForgottenWrite => &[&[(W, 1, 1), (R, 1, 0)]],
            Self::BackInTime => &[&[(W, 1, 1)], &[(R, 1, 1), (R, 1, 0)]],
            Self::WritesOutOfOrder => &[&[(W, 1, 1), (W, 2, 2)], &[(R, 2, 2), (R, 1, 0)]],
        }
    }
}

/// The history with an anomaly after its end: by new sessions, with keys and values of its own.
pub fn with_anomaly(history: &ReadWriteHistory, anomaly: Anomaly) -> ReadWriteHistory {
    let mut operations = history.operations().to_vec();
    let returned = |operation: &Operation<_, _>| match operation.outcome {
        crate::history::Outcome::Returned { at, .. } => at,
        crate::history::Outcome::Open => operation.invoked,
    };
    let begin = operations.iter().map(returned).max().unwrap_or_default() + STEP_TIME;
    let client = operations.iter().map(|operation| operation.client.0 + 1).max().unwrap_or_default();
    let keys = operations.iter().map(|operation| operation.input.key + 1).max().unwrap_or_default();
    let values = operations.iter().map(|operation| match operation.input.input {
        RegisterInput::Write(value) => value,
        RegisterInput::Read => 0,
    });
    let values = values.max().unwrap_or_default();
    for (session, rows) in anomaly.sessions().iter().enumerate() {
        for (place, &(is_write, key, value)) in rows.iter().enumerate() {
            let value = if value == 0 { 0 } else { values + value };
            let (input, output) = match is_write {
                true => (RegisterInput::Write(value), RegisterOutput::Written),
                false => (RegisterInput::Read, RegisterOutput::Value(value)),
            };
            let from = begin + (OPERATION_TIME + STEP_TIME) * place as u32;
            let at = At { key: keys + key, input };
            let client = Client(client + session as u64);
            operations.push(Operation::returned(client, from, from + OPERATION_TIME, at, output));
        }
    }
    History::from_operations(operations).expect("new sessions are sequential")
}
