//! From a run that violates a property to a small one that still does: a local minimum, found by trying.
//!
//! Things are taken away in rounds until nothing more can be: what happens after the violation, faults (by halves and quarters, then one by one: Zeller and
//! Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), nodes, commands of clients, the network's chance, the slowness of
//! disks and the error of clocks, and last the odd digits of times; other seeds are tried where they give a shorter run. A loss by chance becomes a `drop` line of its own first, since a link draws as often whatever
//! becomes of a message: so single deliveries can be given back one by one. Every step is a run of the same code, and only one that violates the
//! same property is kept, and has no more records than the first.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{ClockShape, Delay, DiskShape, Fault, Film, Odds, Phase, Plan, PlanError, Run, Shown, What};
use synod_machine::{Fate, Loss, NodeId, SendId};

/// Runs that one shrinking makes at most.
pub const TRIES_MAX: u64 = 3_000;
/// Lost messages that are turned into fault lines at most: of more, the loss stays what it is.
const DROPS_MAX: usize = 200;
/// Other seeds that are tried where a change makes another run anyhow.
const SEEDS_TRIED: u64 = 12;

/// What shrinking asks of whoever knows the subject.
pub trait Runs {
    /// Makes a run.
    ///
    /// # Errors
    /// When the plan cannot be run.
    fn run(&self, plan: &Plan) -> Result<Run, PlanError>;

    /// Makes a run and gives its film.
    ///
    /// # Errors
    /// When the plan cannot be run.
    fn film(&self, plan: &Plan) -> Result<Film, PlanError>;

    /// Whether the mechanism can be run with so many nodes.
    fn fits(&self, nodes: u64) -> bool {
        let _ = nodes;
        true
    }
}

/// A run on its way to be smaller.
struct Shrink<'a> {
    runs: &'a dyn Runs,
    property: String,
    /// The smallest plan so far.
    plan: Plan,
    /// Its run.
    run: Run,
    tries: u64,
    before: Size,
    progress: &'a mut dyn FnMut(u64, &Plan, &Run) -> bool,
    goes_on: bool,
    cause: Cause,
}

/// What makes the run violate its property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Something that happened: it is bad whatever led to it.
    Event,
    /// Something did not happen, because of the world's faults: without them it does, and must in every smaller run, or too little
    /// time or work would pass for the same violation.
    MissingThroughFaults,
    /// Something did not happen, and does not without faults either: time and work are left as they are.
    Missing,
}

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Fault lines.
    pub faults: usize,
    /// Nodes.
    pub nodes: u64,
    /// Commands that reached a node, or found it down.
    pub commands: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// Records.
    pub records: u64,
}

impl Size {
    fn of(plan: &Plan, run: &Run) -> Self {
        Size {
            faults: plan.faults.faults.len(),
            nodes: plan.nodes,
            commands: run.exercised.count("client.commands"),
            simulated: run.simulated,
            records: run.records,
        }
    }
}

/// What a shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small plan.
    pub plan: Plan,
    /// Its run, which violates the same property.
    pub run: Run,
    /// Before.
    pub before: Size,
    /// After.
    pub after: Size,
    /// Runs that it took.
    pub tries: u64,
    /// Whether nothing more can be taken away one by one without the run getting longer than it was; not if it was ended early.
    pub is_minimal: bool,
}

/// Shrinks a plan whose run violates something. `progress` is told of every try, and ends the shrinking by answering no.
///
/// # Errors
/// `Ok(None)` if the plan's run violates nothing; an error when it cannot be run.
pub fn shrink(
    runs: &dyn Runs,
    plan: &Plan,
    progress: &mut dyn FnMut(u64, &Plan, &Run) -> bool,
) -> Result<Option<Shrunk>, PlanError> {
    let run = runs.run(plan)?;
    let Some(found) = &run.found else { return Ok(None) };
    let mut shrink = Shrink {
        runs,
        property: found.violation.property.clone(),
        before: Size::of(plan, &run),
        plan: plan.clone(),
        run,
        tries: 1,
        progress,
        goes_on: true,
        cause: Cause::Event,
    };
    shrink.cause = shrink.find_cause();
    // What needs no more is not asked for again: each round begins with what gives most.
    loop {
        let size = (Size::of(&shrink.plan, &shrink.run), shrink.plan.clone());
        shrink.end_early();
        shrink.fewer_faults();
        shrink.fewer_nodes();
        shrink.losses_as_lines();
        shrink.sooner();
        shrink.calmer();
        shrink.fewer_commands();
        shrink.shorter_faults();
        shrink.rounder();
        if !shrink.goes_on || size == (Size::of(&shrink.plan, &shrink.run), shrink.plan.clone()) {
            break;
        }
    }
    let after = Size::of(&shrink.plan, &shrink.run);
    Ok(Some(Shrunk {
        before: shrink.before,
        after,
        tries: shrink.tries,
        is_minimal: shrink.goes_on,
        plan: shrink.plan,
        run: shrink.run,
    }))
}

impl Shrink<'_> {
    fn find_cause(&mut self) -> Cause {
        let is_missing = self.run.found.as_ref().is_some_and(|found| found.phase == Phase::Heal);
        match is_missing {
            false => Cause::Event,
            true if self.is_sound_without_faults(&self.plan.clone()) => Cause::MissingThroughFaults,
            true => Cause::Missing,
        }
    }

    fn is_sound_without_faults(&mut self, plan: &Plan) -> bool {
        self.tries += 1;
        let mut calm = plan.clone();
        without_chance(&mut calm);
        calm.faults.faults.clear();
        (calm.network.duplication, calm.network.queue_bytes_max) = (Odds::NEVER, None);
        self.runs.run(&calm).is_ok_and(|run| run.found.is_none())
    }

    /// Tries a change; keeps it if the same property is violated.
    fn change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.plan.clone();
        change(&mut plan);
        self.attempt(plan)
    }

    fn attempt(&mut self, plan: Plan) -> bool {
        if !self.goes_on || plan == self.plan {
            return false;
        }
        self.tries += 1;
        let tried = self.runs.run(&plan);
        let property = self.property.clone();
        let violates =
            |run: &Run| run.found.as_ref().is_some_and(|found| found.violation.property == property);
        let is_sound = self.cause != Cause::MissingThroughFaults
            || (tried.as_ref().is_ok_and(&violates) && self.is_sound_without_faults(&plan));
        // A longer way to the same violation is no smaller, whatever was taken away for it.
        let grows = |run: &Run| run.records > self.before.records;
        let kept = match tried {
            Ok(run) if is_sound && violates(&run) && !grows(&run) => {
                (self.plan, self.run) = (plan, run);
                true
            }
            _ => false,
        };
        self.goes_on = (self.progress)(self.tries, &self.plan, &self.run) && self.tries < TRIES_MAX;
        kept
    }

    /// Nothing after the violation matters.
    fn end_early(&mut self) {
        let Some(found) = self.run.found.clone() else { return };
        let end = found.time.since_start();
        if found.phase == Phase::Safety {
            self.change(|plan| {
                plan.safety = end + Duration::from_nanos(1);
                plan.heal = Duration::ZERO;
                plan.faults.faults.retain(|fault| fault.at <= end);
            });
            return;
        }
        if self.cause == Cause::Missing {
            return;
        }
        // A violation of liveness needs its time: as little before the heal, and as little after it, as will do.
        for share in [8, 4, 2] {
            if self.change(|plan| plan.safety /= share) {
                break;
            }
        }
        while self.plan.heal > Duration::from_millis(500) && self.change(|plan| plan.heal /= 2) {}
    }

    fn fewer_faults(&mut self) {
        let mut chunk = self.plan.faults.faults.len();
        while chunk > 0 && self.goes_on {
            let mut first = 0;
            while first < self.plan.faults.faults.len() {
                let last = (first + chunk).min(self.plan.faults.faults.len());
                if !self.change(|plan| drop(plan.faults.faults.drain(first..last))) {
                    first += chunk;
                }
            }
            chunk /= 2;
        }
    }

    fn fewer_nodes(&mut self) {
        for nodes in (1..self.plan.nodes).filter(|nodes| self.runs.fits(*nodes)).collect::<Vec<_>>() {
            // Another size is another run: a few seeds of it are worth a look.
            for other in 0..SEEDS_TRIED {
                let mut plan = self.plan.clone();
                plan.seed = plan.seed.wrapping_add(other);
                plan.nodes = nodes;
                plan.leave_dead = plan.leave_dead.min((nodes - 1) / 2);
                plan.faults.faults.retain_mut(|fault| keep_nodes(&mut fault.what, nodes));
                if self.attempt(plan) {
                    return;
                }
            }
        }
    }

    /// Faults that come sooner, and other seeds, where the run gets smaller by it.
    fn sooner(&mut self) {
        while !self.plan.faults.faults.is_empty()
            && self
                .smaller(|plan| plan.faults.faults.iter_mut().for_each(|fault| fault.at = fault.at * 2 / 3))
        {
            self.end_early();
        }
        for other in 1..=SEEDS_TRIED {
            if self.smaller(|plan| plan.seed = plan.seed.wrapping_add(other)) {
                self.end_early();
            }
        }
    }

    /// Messages that chance lost are lost by a line each; then the lines are fewer.
    fn losses_as_lines(&mut self) {
        let by_chance = |plan: &Plan| {
            let lossy = |fault: &Fault| matches!(fault.what, What::Lose { .. });
            plan.network.loss != Odds::NEVER || plan.faults.faults.iter().any(lossy)
        };
        if !by_chance(&self.plan) || self.change(without_chance) {
            return;
        }
        let drops = self.losses();
        if drops.len() <= DROPS_MAX
            && self.change(|plan| {
                without_chance(plan);
                plan.faults.faults.extend(drops);
                plan.faults.faults.sort_by_key(|fault| fault.at);
            })
        {
            self.fewer_faults();
        }
    }

    /// A line for each message that chance lost in the run.
    fn losses(&mut self) -> Vec<Fault> {
        self.tries += 1;
        let Ok(film) = self.runs.film(&self.plan) else { return Vec::new() };
        let mut kinds: std::collections::BTreeMap<SendId, &'static str> = std::collections::BTreeMap::new();
        let mut drops = Vec::new();
        for shot in &film.shots {
            match &shot.shown {
                Shown::Step { sends, .. } => kinds.extend(sends.iter().map(|sent| (sent.id, sent.kind))),
                Shown::Fate { id, from, to, fate: Fate::Dropped(Loss::Lossy) } => {
                    let kind = kinds.get(id).copied().unwrap_or("*").to_owned();
                    let what = What::Drop { kind, from: *from, to: *to, count: 1 };
                    drops.push(Fault { at: shot.time.since_start(), what, lasts: None });
                }
                _ => {}
            }
        }
        drops
    }

    /// Chance, slowness and error are taken out where the run does not grow by it.
    fn calmer(&mut self) {
        let calm = Plan::calm(self.plan.seed, self.plan.nodes);
        self.calm(|plan| plan.network.duplication = Odds::NEVER);
        self.calm(|plan| plan.network.queue_bytes_max = None);
        self.calm(|plan| plan.network.bytes_per_second = None);
        self.calm(|plan| plan.network.link_notice = None);
        self.calm(|plan| plan.leave_dead = 0);
        self.calm(|plan| plan.disk.sync = DiskShape::default().sync);
        self.calm(|plan| {
            plan.clock =
                ClockShape { drift_ppm_max: 0, wall_offset_max: Duration::ZERO, ..plan.clock.clone() };
        });
        self.calm(|plan| plan.client = calm.client.clone());
        self.calm(|plan| plan.work = calm.work.clone());
        if !self.calm(|plan| plan.network.delay = Delay::Constant(Duration::from_millis(1))) {
            self.calm(|plan| plan.network.delay = calm.network.delay.clone());
        }
    }

    /// Tries a change that takes nothing away itself; keeps it if the run does not grow.
    fn calm(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let (plan, run) = (self.plan.clone(), self.run.clone());
        let kept = self.change(change);
        if kept && self.run.records > run.records {
            (self.plan, self.run) = (plan, run);
            return false;
        }
        kept
    }

    /// Tries a change; keeps it if the run shrinks by it, by a twentieth at least: less is not worth another seed.
    fn smaller(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let (plan, run) = (self.plan.clone(), self.run.clone());
        let kept = self.change(change);
        if kept && self.run.records * 20 > run.records * 19 {
            (self.plan, self.run) = (plan, run);
            return false;
        }
        kept
    }

    fn fewer_commands(&mut self) {
        let sent =
            self.run.exercised.count("client.commands") + self.run.exercised.count("client.commands lost");
        let left = |plan: &Plan| -> Vec<u64> {
            (1..=sent).filter(|number| !plan.commands_lost.contains(number)).collect()
        };
        let mut chunk = left(&self.plan).len();
        while chunk > 0 && self.goes_on {
            // From the end: what came last matters least to what came before.
            let mut last = left(&self.plan).len();
            while last > 0 && self.goes_on {
                let numbers = left(&self.plan);
                last = last.min(numbers.len());
                let first = last.saturating_sub(chunk);
                let taken: BTreeSet<u64> = numbers[first..last].iter().copied().collect();
                self.change(|plan| plan.commands_lost.extend(taken));
                last = first;
            }
            chunk /= 2;
        }
        // Numbers that were never sent in the small run say nothing.
        let sent =
            self.run.exercised.count("client.commands") + self.run.exercised.count("client.commands lost");
        self.change(|plan| plan.commands_lost.retain(|number| *number <= sent));
    }

    fn shorter_faults(&mut self) {
        for place in 0..self.plan.faults.faults.len() {
            for _ in 0..4 {
                let Some(lasts) = self.plan.faults.faults[place].lasts else { break };
                if lasts < Duration::from_millis(2)
                    || !self.change(|plan| plan.faults.faults[place].lasts = Some(lasts / 2))
                {
                    break;
                }
            }
        }
    }

    /// Times with as few digits as will do.
    fn rounder(&mut self) {
        for place in 0..self.plan.faults.faults.len() {
            for unit in [Duration::from_millis(100), Duration::from_millis(10), Duration::from_millis(1)] {
                let fault = &self.plan.faults.faults[place];
                // A fault that lasts gets no longer by it, or halving would begin again.
                let lasts = fault.lasts.map(|lasts| if lasts > unit { floored(lasts, unit) } else { lasts });
                let at = rounded(fault.at, unit);
                let done = (at, lasts) == (fault.at, fault.lasts);
                if done
                    || self.change(|plan| {
                        (plan.faults.faults[place].at, plan.faults.faults[place].lasts) = (at, lasts);
                    })
                {
                    break;
                }
            }
        }
    }
}

fn floored(time: Duration, unit: Duration) -> Duration {
    let units = time.as_nanos() / unit.as_nanos();
    unit * u32::try_from(units).unwrap_or(u32::MAX)
}

fn rounded(time: Duration, unit: Duration) -> Duration {
    let units = (time.as_nanos() + unit.as_nanos() / 2) / unit.as_nanos();
    unit * u32::try_from(units.max(1)).unwrap_or(u32::MAX)
}

fn without_chance(plan: &mut Plan) {
    plan.network.loss = Odds::NEVER;
    plan.faults.faults.retain(|fault| !matches!(fault.what, What::Lose { .. }));
}

/// Takes nodes that are not there out of groups; whether something is left of the fault.
fn keep_nodes(what: &mut What, nodes: u64) -> bool {
    let is_there = |node: &NodeId| node.0 <= nodes;
    match what {
        What::Partition(groups) | What::Flap { groups, .. } => {
            groups.iter_mut().for_each(|group| group.retain(is_there));
            groups.retain(|group| !group.is_empty());
            groups.len() > 1
        }
        What::Block { from, to } => {
            from.retain(is_there);
            to.retain(is_there);
            !from.is_empty() && !to.is_empty()
        }
        other => other.nodes().iter().all(is_there),
    }
}
