//! Breadth first through all states of a model, on as many threads as wanted, with one result.
//!
//! A level, the states at one distance from the beginning, is taken in rounds of some ten thousand states. In a round, threads take chunks of states and put their successors into the
//! set at once, without a lock; whoever was first keeps the state, and looks beyond it at the next level. Which thread that is makes no difference to anything that is
//! told: the states of a round follow from their fingerprints, links are least among all who come ([`Link`](super::seen)), what is asleep is what is asleep by all ways, counts are sums, and
//! of several violations or states reached in a round the least is taken. A round that meets a violation is finished, and the shortest path is told.

use std::time::Instant;

use super::frontier::{Frontier, Level, Queues, Round};
use super::model::Demand;
use super::report::{bytes, grouped};
use super::seen::{DEPTH_MAX, Seen};
use super::sleepers::Sleepers;
use super::worker::{Shared, Tally, Violation, Worker};
use super::{Counterexample, Counts, Model, Path, Report, Verdict, memory};

/// How to explore.
#[derive(Clone, Copy, Debug)]
pub struct Explore {
    /// Threads; 0 is as many as the machine has cores.
    pub threads: usize,
    /// The exploration ends without a verdict beyond so many states. What they take: 21 to 32 bytes each, and those of one or two levels in full.
    pub states_max: u64,
    /// The exploration ends without a verdict before the process takes more memory than this. How much it takes is what the system says; where it does not, what the set of states
    /// takes is taken for it.
    pub bytes_max: u64,
    /// Nothing farther from the beginning is looked at.
    pub depth_max: u32,
    /// Leaves out orders of actions that come to the same, if the model says which ([`Model::has_footprints`]). No state is left out.
    pub reduce: bool,
    /// Takes states that differ in the names of interchangeable parts alone for one, if the model says which ([`Model::has_symmetry`]). Such a model is explored with all orders of actions.
    pub symmetry: bool,
}

impl Default for Explore {
    fn default() -> Self {
        Explore {
            threads: 0,
            states_max: 100_000_000,
            bytes_max: 4 << 30,
            depth_max: u32::MAX,
            reduce: true,
            symmetry: true,
        }
    }
}

/// With fewer states in a round, threads cost more than they bring.
const PARALLEL_STATES_MIN: usize = 1_024;

impl Explore {
    /// Sees every state of `model`.
    pub fn run<M: Model>(&self, model: &M) -> Report {
        self.run_with(model, &mut |_| {})
    }

    /// The same, and calls `progress` now and then, some hundred thousand states apart at most.
    pub fn run_with<M: Model>(&self, model: &M, progress: &mut dyn FnMut(&Counts)) -> Report {
        let begin = Instant::now();
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let mut search = Search::new(model, threads, self);
        let bound = search.begin().or_else(|| search.levels(progress));
        Report { elapsed: begin.elapsed(), ..search.report(bound) }
    }
}

struct Search<'m, M: Model> {
    model: &'m M,
    explore: &'m Explore,
    reduces: bool,
    symmetric: bool,
    seen: Seen,
    sleepers: Sleepers,
    workers: Vec<Worker<M>>,
    violation: Option<Violation>,
    /// The first state that was found to show each `sometimes`, by the property's place.
    reached: Vec<Option<u64>>,
    counts: Counts,
    /// The most that was seen taken.
    memory: Option<u64>,
}

impl<'m, M: Model> Search<'m, M> {
    fn new(model: &'m M, threads: usize, explore: &'m Explore) -> Self {
        let symmetric = explore.symmetry && model.has_symmetry();
        Search {
            model,
            explore,
            // Who sleeps is told by names, and where names are renamed it would have to be told anew.
            reduces: explore.reduce && model.has_footprints() && !symmetric,
            symmetric,
            seen: Seen::new(),
            sleepers: Sleepers::new(),
            workers: (0..threads).map(|_| Worker::new()).collect(),
            violation: None,
            reached: vec![None; model.properties().len()],
            counts: Counts::default(),
            memory: None,
        }
    }

    fn shared(&self) -> Shared<'_, M> {
        let &Search { model, ref seen, ref sleepers, reduces, symmetric, ref counts, .. } = self;
        Shared { model, seen, sleepers, depth: counts.depth, reduces, symmetric }
    }

    /// The initial states. Gives the bound that ended it there, if one did.
    fn begin(&mut self) -> Option<String> {
        self.ask();
        let mut worker = std::mem::replace(&mut self.workers[0], Worker::new());
        for state in self.model.initial() {
            worker.begin(self.shared(), state);
            while worker.waits() {
                self.seen.grow(1);
                worker.work(self.shared(), &Queues::none(), 0);
            }
        }
        self.workers[0] = worker;
        self.settle(0);
        self.bound()
    }

    /// Goes level by level; gives the bound that ended it, if one did.
    fn levels(&mut self, progress: &mut dyn FnMut(&Counts)) -> Option<String> {
        loop {
            let found: Vec<Frontier<M::State>> =
                self.workers.iter_mut().map(|worker| std::mem::take(&mut worker.found)).collect();
            let mut level = Level::new(found);
            if level.len() == 0 || self.violation.is_some() {
                return None;
            }
            if self.counts.depth >= self.explore.depth_max.min(DEPTH_MAX) {
                return Some(format!("looked at all states up to depth {}", self.counts.depth));
            }
            self.counts.depth += 1;
            self.sleepers.begin_level();
            while let Some(round) = level.round() {
                let bound = self.round(round);
                self.settle(level.len());
                progress(&self.counts);
                if self.violation.is_some() {
                    return None;
                }
                if let Some(bound) = bound.or_else(|| self.bound()) {
                    return Some(bound);
                }
            }
            if self.workers.iter().all(|worker| worker.found.len() == 0) {
                self.counts.depth -= 1;
            }
        }
    }

    /// Threads work until nothing is left of the round; in between, the set grows.
    fn round(&mut self, round: Round<M::State>) -> Option<String> {
        let threads = if round.states < PARALLEL_STATES_MIN { 1 } else { self.workers.len() };
        let queues = Queues::new(round);
        self.ask();
        loop {
            let mut workers = std::mem::take(&mut self.workers);
            on_threads(&mut workers[..threads], self.shared(), &queues);
            self.workers = workers;
            let done = queues.are_empty() && self.workers.iter().all(|worker| !worker.waits());
            // That a full set grows even where nothing more is to come makes its size a matter of the number of states alone.
            if done && !self.seen.is_full() {
                return None;
            }
            if let Some(bound) = self.beyond_memory(self.seen.bytes_to_grow()) {
                return Some(bound);
            }
            self.seen.grow(threads);
        }
    }

    /// Has each `sometimes` looked for that was not reached in an earlier round.
    fn ask(&mut self) {
        for worker in &mut self.workers {
            // No state comes before the least.
            worker.tally.reached = self.reached.iter().map(|known| known.map(|_| u64::MIN)).collect();
        }
    }

    /// The end of a round; so many states of its level are in no round yet.
    fn settle(&mut self, left: usize) {
        let mut all = Tally::default();
        for worker in &mut self.workers {
            all.add(std::mem::take(&mut worker.tally));
        }
        self.violation = all.violation;
        for (mine, theirs) in self.reached.iter_mut().zip(all.reached) {
            *mine = mine.or(theirs);
        }
        let found = self.workers.iter().map(|worker| worker.found.len()).sum::<usize>();
        let counts = &mut self.counts;
        counts.states = self.seen.len();
        counts.set_bytes = self.seen.bytes();
        counts.represented += all.represented;
        counts.transitions += all.transitions;
        counts.asleep += all.asleep;
        counts.over += all.over;
        counts.cut += all.cut;
        counts.waiting = (left + found) as u64;
    }

    /// The bound of the exploration that was met, if one was.
    fn bound(&mut self) -> Option<String> {
        let most = self.explore.states_max;
        if self.counts.states > most {
            return Some(format!("there are more than the {} states that it may look at", grouped(most)));
        }
        self.beyond_memory(0)
    }

    /// Whether so much more than now would be too much.
    fn beyond_memory(&mut self, more: u64) -> Option<String> {
        let taken = memory::resident_bytes();
        self.memory = self.memory.max(taken);
        let (taken, most) = (taken.unwrap_or(self.seen.bytes()), self.explore.bytes_max);
        (taken.saturating_add(more) > most).then(|| {
            let set = bytes(self.seen.bytes());
            let next =
                if more > 0 { format!(", which has to grow by {}", bytes(more)) } else { String::new() };
            format!(
                "it may take {} of memory and takes {}, {set} of it the set of states{next}",
                bytes(most),
                bytes(taken)
            )
        })
    }

    fn report(self, bound: Option<String>) -> Report {
        let properties = self.model.properties();
        let name = |place: usize| properties[place].name.clone();
        let sometimes = properties.iter().zip(&self.reached);
        let sometimes = sometimes.filter(|(property, _)| matches!(property.demand, Demand::Sometimes(_)));
        let reached: Vec<(String, Option<Path>)> = sometimes
            .map(|(property, print)| (property.name.clone(), print.map(|print| self.path(print))))
            .collect();
        let demanded = properties.iter().filter(|property| !matches!(property.demand, Demand::Sometimes(_)));
        let demanded = demanded.map(|property| property.name.clone()).collect();
        let verdict = match &self.violation {
            Some(Violation { print, property, sentence, .. }) => {
                let path = self.path(*print);
                let sentence = self.sentence(*property, &path).unwrap_or_else(|| sentence.clone());
                let (lines, diagram) = (self.model.tell(&path), self.model.draw(&path));
                let property = name(*property);
                Verdict::Violated(Counterexample { property, sentence, path, lines, diagram })
            }
            None => match (bound, self.vacuous(&reached)) {
                (Some(bound), _) => Verdict::Incomplete(bound),
                (None, Some(why)) => Verdict::Vacuous(why),
                (None, None) => Verdict::Holds,
            },
        };
        let elapsed = std::time::Duration::ZERO;
        let mut remarks = self.model.remarks();
        if self.symmetric {
            remarks.extend(self.model.symmetry());
        }
        let memory_bytes = self.memory;
        Report { counts: self.counts, elapsed, memory_bytes, verdict, reached, demanded, remarks }
    }

    fn path(&self, print: u64) -> Path {
        let shared = self.shared();
        let layers = self.seen.layers(print);
        Path::through(self.model, &layers, |state| super::worker::stored_name(shared, state))
    }

    /// What the property says where the path ends: of states that differ in names alone, threads may have judged another.
    fn sentence(&self, property: usize, path: &Path) -> Option<String> {
        let walk = path.walk(self.model).ok()?;
        match &self.model.properties()[property].demand {
            Demand::Always(judge) | Demand::Eventually(judge) => judge(self.model, walk.states.last()?).err(),
            Demand::Sometimes(_) => None,
        }
    }

    fn vacuous(&self, reached: &[(String, Option<Path>)]) -> Option<String> {
        let never = reached.iter().filter(|(_, path)| path.is_none()).map(|(name, _)| name.as_str());
        let never: Vec<&str> = never.collect();
        if !never.is_empty() {
            return Some(format!("no state shows {}", never.join(", ")));
        }
        let eventually = |property: &&super::Property<M>| matches!(property.demand, Demand::Eventually(_));
        let owed = self.model.properties().iter().find(eventually)?;
        (self.counts.over == 0).then(|| format!("no run comes to its end, where {} is judged", owed.name))
    }
}

/// Lets each worker do its share, the first of them on the calling thread.
fn on_threads<M: Model>(workers: &mut [Worker<M>], shared: Shared<'_, M>, queues: &Queues<M::State>) {
    std::thread::scope(|scope| {
        let mut workers = workers.iter_mut().enumerate();
        let first = workers.next();
        let others: Vec<_> = workers
            .map(|(thread, worker)| scope.spawn(move || worker.work(shared, queues, thread)))
            .collect();
        first.into_iter().for_each(|(thread, worker)| worker.work(shared, queues, thread));
        for other in others {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}
