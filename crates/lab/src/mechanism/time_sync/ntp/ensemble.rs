//! Nodes that keep time, and what must hold of their clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::{Effect, Mono, NodeId, RequestId};
use synod_protocols::time_sync::ntp::invariants::{forward, no_loop, stratum_in_range, within_its_bound};
use synod_protocols::time_sync::ntp::{
    Config, Event, Mode, Ntp, Offset, Packet, Reply, STRATUM_MAX, Timestamp,
};
use synod_sim::{Boot, Clients, EPOCH, Step, Stream, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};

/// After its first synchronization a clock has that long to become accurate.
const SETTLING: Duration = Duration::from_secs(60);
/// And is then that accurate, where ways are alike.
const ACCURACY: Duration = Duration::from_millis(3);

/// The nodes of a run.
#[derive(Debug)]
pub struct Clocks {
    nodes: u64,
    primaries: u64,
    config: Config,
    /// How wrong clocks are at a start, at most.
    initial: Duration,
    draw: Stream,
    /// Nothing but the paths' own asymmetry is wrong: clocks must become accurate.
    judges_accuracy: bool,
    /// Last readings of this life.
    shown: BTreeMap<NodeId, Timestamp>,
    /// When it synchronized first in this life.
    since: BTreeMap<NodeId, Mono>,
    /// Samples of each association when the faults ended.
    healed: Option<Mono>,
    renewed: BTreeMap<NodeId, Mono>,
    events: [u64; 4],
    statistics: Statistics,
}

/// How far clocks were off, from a moment on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// From when on.
    pub from: Duration,
    readings: u64,
    /// Sum of squares, in square microseconds.
    squares: f64,
    worst: Duration,
    bound: Duration,
}

impl Clocks {
    /// `nodes` nodes, the first of them with reference clocks.
    pub fn new(nodes: u64, primaries: u64, config: Config, seed: u64) -> Self {
        Clocks {
            nodes,
            primaries,
            config,
            initial: Duration::ZERO,
            draw: Stream::named(seed, "ntp.initial"),
            judges_accuracy: false,
            shown: BTreeMap::new(),
            since: BTreeMap::new(),
            healed: None,
            renewed: BTreeMap::new(),
            events: [0; 4],
            statistics: Statistics::default(),
        }
    }

    /// Clocks of secondary servers are off by at most so much when they start.
    pub fn starting_within(mut self, initial: Duration) -> Self {
        self.initial = initial;
        self
    }

    /// Clocks must become accurate.
    pub fn accurate(mut self, judged: bool) -> Self {
        self.judges_accuracy = judged;
        self
    }

    /// Statistics from a moment on.
    pub fn measured_from(mut self, from: Duration) -> Self {
        self.statistics.from = from;
        self
    }

    fn is_primary(&self, node: NodeId) -> bool {
        node.0 <= self.primaries
    }

    /// What the steps' clock shows against true time.
    fn judge(&mut self, ntp: &Ntp, step: &Step<'_, Ntp>) -> Result<(), Violation> {
        let (node, reading) = (step.node, ntp.reading());
        let at = |sentence: String| format!("{sentence} (e{})", step.number);
        let violation = |name: &str, sentence: String| Violation::new(name, [node], at(sentence));
        let true_time = Timestamp::since_epoch(EPOCH + step.time.since_start());
        within_its_bound(node, &reading, true_time).map_err(|s| violation("within its bound", s))?;
        stratum_in_range(ntp).map_err(|s| violation("stratum", s))?;
        no_loop(ntp).map_err(|s| violation("no loop", s))?;
        let is_step = |effect: &Effect<Ntp>| matches!(effect, Effect::Emit(Event::Stepped(_)));
        if !step.effects.iter().any(is_step)
            && let Some(before) = self.shown.get(&node)
        {
            forward(node, *before, reading.time).map_err(|s| violation("forward", s))?;
        }
        self.shown.insert(node, reading.time);
        let Some(bound) = reading.error else { return Ok(()) };
        let off = (reading.time - true_time).magnitude();
        let since = *self.since.entry(node).or_insert(step.time);
        if self.judges_accuracy && step.time - since > SETTLING && off > ACCURACY {
            let sentence = format!(
                "the clock of {node} is off by {off:?} more than {SETTLING:?} after it synchronized, expected at most {ACCURACY:?}"
            );
            return Err(violation("accuracy", sentence));
        }
        if step.time.since_start() >= self.statistics.from {
            let statistics = &mut self.statistics;
            statistics.readings += 1;
            statistics.squares += (off.as_secs_f64() * 1e6).powi(2);
            statistics.worst = statistics.worst.max(off);
            statistics.bound = statistics.bound.max(bound);
        }
        Ok(())
    }
}

impl Ensemble for Clocks {
    type Machine = Ntp;

    // All are judged where a clock is looked at, in `observe`.
    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Ntp {
        let node = boot.node;
        self.shown.remove(&node);
        self.since.remove(&node);
        self.renewed.remove(&node);
        if self.is_primary(node) {
            return Ntp::primary(node, self.config.clone());
        }
        let most = i64::try_from(self.initial.as_nanos()).unwrap_or(i64::MAX / 4);
        let drawn = self.draw.between(0, 2 * most.unsigned_abs()) as i64 - most;
        let servers = (1..=self.nodes).map(NodeId);
        Ntp::secondary(node, self.config.clone(), servers).starting_at(Offset::from_nanoseconds(drawn))
    }

    fn on_reply(&mut self, _: NodeId, _: RequestId, _: Reply, _: &mut Clients<Ntp>) -> Result<(), Violation> {
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Ntp>) -> Result<(), Violation> {
        for effect in step.effects {
            match effect {
                Effect::Emit(Event::Follows(_)) => self.events[0] += 1,
                Effect::Emit(Event::Holdover) => self.events[1] += 1,
                Effect::Emit(Event::Stepped(_)) => self.events[2] += 1,
                Effect::Emit(Event::Panicked(_)) => self.events[3] += 1,
                Effect::Note { name: "ntp samples", .. } => drop(self.renewed.insert(step.node, step.time)),
                _ => {}
            }
        }
        match nodes.machine(step.node) {
            // A reference clock is an assumption, not a claim.
            Some(ntp) if !ntp.is_primary() => self.judge(ntp, step),
            _ => Ok(()),
        }
    }

    fn heal(&mut self, nodes: &Nodes<'_, Self>, _: &[NodeId], _: &mut Clients<Ntp>) -> Result<(), Violation> {
        self.healed = Some(nodes.now());
        self.judges_accuracy = false;
        Ok(())
    }

    fn progressed(&mut self, nodes: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        if !survivors.iter().any(|node| self.is_primary(*node)) {
            return true;
        }
        let Some(healed) = self.healed else { return false };
        survivors.iter().filter(|node| !self.is_primary(**node)).all(|node| {
            let renewed = self.renewed.get(node).is_some_and(|at| *at > healed);
            let follows = |ntp: &Ntp| ntp.follows().is_some() && ntp.reading().stratum < STRATUM_MAX;
            renewed && nodes.machine(*node).is_some_and(follows)
        })
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        let Statistics { readings, squares, worst, bound, .. } = self.statistics;
        let rms = (squares / readings.max(1) as f64).sqrt();
        vec![
            ("ntp.followed", self.events[0]),
            ("ntp.ran on", self.events[1]),
            ("ntp.stepped", self.events[2]),
            ("ntp.readings", readings),
            ("ntp.off rms ns", (rms * 1e3) as u64),
            ("ntp.off most ns", worst.as_nanos() as u64),
            ("ntp.bound most ns", bound.as_nanos() as u64),
        ]
    }

    fn message_kind(&self, message: &Packet) -> &'static str {
        match message.mode {
            Mode::Client => "ask",
            Mode::Server => "time",
        }
    }

    fn message_bytes(&self, _: &Packet) -> usize {
        48
    }

    fn role(&self, machine: &Ntp) -> char {
        match machine.reading().stratum {
            stratum @ 1..=9 => char::from(b'0' + stratum),
            STRATUM_MAX => '·',
            _ => '+',
        }
    }
}
