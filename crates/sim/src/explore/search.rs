//! Breadth first through all states of a model, on as many threads as wanted, with one result.
//!
//! A level, the states at one distance from the beginning, is taken in rounds of a fixed number of states. In a round, threads take chunks of states, find their successors
//! and drop those that were seen before the round; nobody writes to the set meanwhile. Then each thread puts what is left into its own shards of the set, in the order of chunks:
//! the order in which one thread alone would have come to them. So names, links, counts, paths and verdicts are the same for any number of threads, without a lock.
//! A round that meets a violation is finished, and the shortest path is taken, the earliest state of several.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::footprint::{self, Asleep, Before};
use super::model::Demand;
use super::path::Way;
use super::report::grouped;
use super::seen::{Known, Link, ROOT, SHARDS, Seen, Shard, StateId, shard_of};
use super::{Counterexample, Counts, End, Footprint, Model, Path, Report, Verdict};

/// How to explore.
#[derive(Clone, Copy, Debug)]
pub struct Explore {
    /// Threads; 0 is as many as the machine has cores.
    pub threads: usize,
    /// The exploration ends without a verdict beyond so many states. What they take: 19 to 40 bytes each, and those of one level in full.
    pub states_max: u64,
    /// Nothing farther from the beginning is looked at.
    pub depth_max: u32,
    /// Leaves out orders of actions that come to the same, if the model says which ([`Model::has_footprints`]). No state is left out.
    pub reduce: bool,
}

impl Default for Explore {
    fn default() -> Self {
        Explore { threads: 0, states_max: 100_000_000, depth_max: u32::MAX, reduce: true }
    }
}

/// States that a thread takes at a time.
const CHUNK_STATES: usize = 128;
/// Chunks of a round. Threads wait for each other twice a round.
const ROUND_CHUNKS: usize = 256;
/// Below this, threads cost more than they bring.
const PARALLEL_CHUNKS_MIN: usize = 8;

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
        let mut search = Search::new(model, threads, self.reduce && model.has_footprints());
        search.begin();
        let bound = search.levels(self, progress);
        Report { elapsed: begin.elapsed(), ..search.report(bound) }
    }
}

/// A state that was found and not yet looked beyond.
struct Item<S> {
    state: S,
    id: StateId,
    asleep: Asleep,
}

/// A successor that may be new.
struct Candidate<S> {
    fingerprint: u64,
    link: Link,
    state: S,
    asleep: Asleep,
}

type Chunk<S> = Vec<Item<S>>;

struct Search<'m, M: Model> {
    model: &'m M,
    threads: usize,
    reduces: bool,
    seen: Seen,
    /// What was found at the next level, by shards.
    next: Vec<Vec<Chunk<M::State>>>,
    violation: Option<Violation>,
    /// The first state that was found to show each `sometimes`, by the property's place.
    reached: Vec<Option<StateId>>,
    counts: Counts,
}

/// What the properties said in one round.
struct Judged {
    violation: Option<Violation>,
    /// The least state that shows each `sometimes`, by the property's place.
    reached: Vec<Option<StateId>>,
}

/// Ordered by what is reported first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    depth: u32,
    id: StateId,
    property: usize,
    sentence: String,
}

impl<'m, M: Model> Search<'m, M> {
    fn new(model: &'m M, threads: usize, reduces: bool) -> Self {
        Search {
            model,
            threads,
            reduces,
            seen: Seen::new(reduces),
            next: (0..SHARDS).map(|_| Vec::new()).collect(),
            violation: None,
            reached: vec![None; model.properties().len()],
            counts: Counts::default(),
        }
    }

    fn begin(&mut self) {
        let mut judged = self.judged();
        for (ordinal, state) in self.model.initial().into_iter().enumerate() {
            let fingerprint = self.model.fingerprint(&state);
            self.counts.transitions += 1;
            let (link, asleep) = (Link::new(ROOT, ordinal), Asleep::default());
            self.admit_here(&mut judged, Candidate { fingerprint, link, state, asleep });
        }
        self.settle(judged);
    }

    /// Goes level by level; gives the bound that ended it, if one did.
    fn levels(&mut self, explore: &Explore, progress: &mut dyn FnMut(&Counts)) -> Option<String> {
        loop {
            let level: Vec<Chunk<M::State>> = self.next.iter_mut().flat_map(std::mem::take).collect();
            if level.is_empty() || self.violation.is_some() {
                return None;
            }
            if self.counts.depth >= explore.depth_max {
                return Some(format!("looked at all states up to depth {}", self.counts.depth));
            }
            self.counts.depth += 1;
            self.seen.begin_level();
            let mut level = level.into_iter();
            loop {
                let round: Vec<_> = level.by_ref().take(ROUND_CHUNKS).collect();
                if round.is_empty() {
                    break;
                }
                let judged = match self.threads == 1 || round.len() < PARALLEL_CHUNKS_MIN {
                    true => self.round_alone(round),
                    false => self.round_together(round),
                };
                self.settle(judged);
                progress(&self.counts);
                if self.violation.is_some() {
                    return None;
                }
                if self.counts.states > explore.states_max {
                    let most = grouped(explore.states_max);
                    return Some(format!("there are more than the {most} states that it may look at"));
                }
            }
            if self.next.iter().all(Vec::is_empty) {
                self.counts.depth -= 1;
            }
        }
    }

    fn round_alone(&mut self, round: Vec<Chunk<M::State>>) -> Judged {
        let mut expansion = Expansion::new(self.model, self.counts.depth, self.reduces);
        let mut judged = self.judged();
        for chunk in round {
            for item in chunk {
                expansion.expand(&item, |fingerprint, link, state, before, footprint| {
                    if self.seen.shards[shard_of(fingerprint)].look(fingerprint) != Known::Old {
                        let asleep = before.after(footprint);
                        self.admit_here(&mut judged, Candidate { fingerprint, link, state, asleep });
                    }
                });
            }
        }
        self.add(expansion, &mut judged);
        judged
    }

    /// Two phases with a barrier after each: look, while nobody writes to the set; then write, each thread to its own shards.
    fn round_together(&mut self, round: Vec<Chunk<M::State>>) -> Judged {
        let (model, depth, seen, reduces) = (self.model, self.counts.depth, &self.seen, self.reduces);
        let chunks: Vec<Mutex<Chunk<M::State>>> = round.into_iter().map(Mutex::new).collect();
        let taken = AtomicUsize::new(0);
        let looked =
            on_threads(self.threads, || look(Expansion::new(model, depth, reduces), seen, &chunks, &taken));
        // By thread and shard, to be by shard and thread.
        let mut by_shard: Vec<Vec<Numbered<M::State>>> = (0..SHARDS).map(|_| Vec::new()).collect();
        let mut all = self.judged();
        for (expansion, found) in looked {
            self.add(expansion, &mut all);
            by_shard.iter_mut().zip(found).for_each(|(shard, found)| shard.push(found));
        }
        let reached = &self.reached;
        let shards = self.seen.shards.iter_mut().zip(&mut self.next).zip(by_shard);
        let work: Vec<_> = shards.map(|((shard, next), found)| Mutex::new((shard, next, found))).collect();
        let taken = AtomicUsize::new(0);
        let judged = on_threads(self.threads, || {
            let mut judged = Judged::beyond(reached);
            while let Some(work) = work.get(taken.fetch_add(1, Ordering::Relaxed)) {
                let mut work = work.lock().expect("no thread panicked with it");
                let (shard, next, found) = &mut *work;
                for candidate in in_order(std::mem::take(found)) {
                    admit(model, depth, shard, next, &mut judged, candidate);
                }
            }
            judged
        });
        judged.into_iter().for_each(|judged| all.merge(judged));
        all
    }

    fn admit_here(&mut self, judged: &mut Judged, found: Candidate<M::State>) {
        let place = shard_of(found.fingerprint);
        let (shard, next) = (&mut self.seen.shards[place], &mut self.next[place]);
        admit(self.model, self.counts.depth, shard, next, judged, found);
    }

    fn judged(&self) -> Judged {
        Judged::beyond(&self.reached)
    }

    fn add(&mut self, expansion: Expansion<'_, M>, judged: &mut Judged) {
        self.counts.transitions += expansion.transitions;
        self.counts.asleep += expansion.asleep;
        self.counts.over += expansion.over;
        self.counts.cut += expansion.cut;
        expansion.violation.into_iter().for_each(|violation| judged.violated(violation));
    }

    /// The end of a round.
    fn settle(&mut self, judged: Judged) {
        let Judged { violation, reached } = judged;
        self.violation = violation;
        for (mine, theirs) in self.reached.iter_mut().zip(reached) {
            *mine = mine.or(theirs);
        }
        self.counts.states = self.seen.len();
        self.counts.set_bytes = self.seen.bytes();
        self.counts.waiting = self.next.iter().flatten().map(|chunk| chunk.len() as u64).sum();
    }

    fn report(self, bound: Option<String>) -> Report {
        let properties = self.model.properties();
        let name = |place: usize| properties[place].name.clone();
        let sometimes = properties.iter().zip(&self.reached);
        let sometimes = sometimes.filter(|(property, _)| matches!(property.demand, Demand::Sometimes(_)));
        let reached: Vec<(String, Option<Path>)> = sometimes
            .map(|(property, id)| (property.name.clone(), id.map(|id| Path::new(self.seen.path(id)))))
            .collect();
        let demanded = properties.iter().filter(|property| !matches!(property.demand, Demand::Sometimes(_)));
        let demanded = demanded.map(|property| property.name.clone()).collect();
        let verdict = match self.violation {
            Some(Violation { id, property, sentence, .. }) => {
                let path = Path::new(self.seen.path(id));
                let (lines, diagram) = (self.model.tell(&path), self.model.draw(&path));
                let property = name(property);
                Verdict::Violated(Counterexample { property, sentence, path, lines, diagram })
            }
            None => match (bound, self.vacuous(&reached)) {
                (Some(bound), _) => Verdict::Incomplete(bound),
                (None, Some(why)) => Verdict::Vacuous(why),
                (None, None) => Verdict::Holds,
            },
        };
        let elapsed = std::time::Duration::ZERO;
        let remarks = self.model.remarks();
        Report { counts: self.counts, elapsed, verdict, reached, demanded, remarks }
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

impl Judged {
    /// What was reached in an earlier round need not be looked for: no state comes before the least.
    fn beyond(reached: &[Option<StateId>]) -> Self {
        let reached = reached.iter().map(|known| known.map(|_| StateId::LEAST)).collect();
        Judged { violation: None, reached }
    }

    fn violated(&mut self, violation: Violation) {
        if self.violation.as_ref().is_none_or(|known| violation < *known) {
            self.violation = Some(violation);
        }
    }

    fn merge(&mut self, other: Judged) {
        other.violation.into_iter().for_each(|violation| self.violated(violation));
        for (mine, theirs) in self.reached.iter_mut().zip(other.reached) {
            *mine = match (*mine, theirs) {
                (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
                (mine, theirs) => mine.or(theirs),
            };
        }
    }

    /// A state that was just found.
    fn judge<M: Model>(&mut self, model: &M, depth: u32, id: StateId, state: &M::State) {
        for (place, property) in model.properties().iter().enumerate() {
            match &property.demand {
                Demand::Always(judge) => {
                    if let Err(sentence) = judge(model, state) {
                        self.violated(Violation { depth, id, property: place, sentence });
                    }
                }
                Demand::Sometimes(test) => {
                    let known = &mut self.reached[place];
                    if known.is_none_or(|known| id < known) && test(model, state) {
                        *known = Some(id);
                    }
                }
                Demand::Eventually(_) => {}
            }
        }
    }
}

/// Looks beyond states; its buffers are used again.
struct Expansion<'m, M: Model> {
    model: &'m M,
    /// Of the successors.
    depth: u32,
    reduces: bool,
    actions: Vec<M::Action>,
    successors: Vec<M::State>,
    before: Before,
    transitions: u64,
    asleep: u64,
    over: u64,
    cut: u64,
    violation: Option<Violation>,
}

impl<'m, M: Model> Expansion<'m, M> {
    fn new(model: &'m M, depth: u32, reduces: bool) -> Self {
        Expansion {
            model,
            depth,
            reduces,
            actions: Vec::new(),
            successors: Vec::new(),
            before: Before::default(),
            transitions: 0,
            asleep: 0,
            over: 0,
            cut: 0,
            violation: None,
        }
    }

    /// Hands each successor to `each`, with what is needed to say what is asleep in it.
    fn expand(
        &mut self,
        item: &Item<M::State>,
        mut each: impl FnMut(u64, Link, M::State, &Before, Footprint),
    ) {
        let (model, Item { state, id, asleep }) = (self.model, item);
        self.actions.clear();
        model.actions(state, &mut self.actions);
        match model.end(state, &self.actions) {
            End::Open => {}
            End::Over => {
                self.over += 1;
                self.judge_end(*id, state);
            }
            End::Cut => self.cut += 1,
        }
        self.before.begin(asleep);
        let mut footprint = Footprint { identity: 0, touches: Footprint::EVERYTHING };
        for (number, action) in self.actions.iter().enumerate() {
            if self.reduces {
                footprint = model.footprint(state, action);
                if asleep.contains(footprint.identity) {
                    self.asleep += 1;
                    continue;
                }
            }
            model.apply(state, action, &mut self.successors);
            if self.reduces {
                footprint = footprint::full(model, footprint, state, &self.successors);
            }
            self.transitions += self.successors.len() as u64;
            for (outcome, successor) in self.successors.drain(..).enumerate() {
                let link = Link::new(*id, Way { action: number, outcome }.ordinal());
                each(model.fingerprint(&successor), link, successor, &self.before, footprint);
            }
            if self.reduces {
                self.before.taken(footprint);
            }
        }
    }

    /// A state where the run is over.
    fn judge_end(&mut self, id: StateId, state: &M::State) {
        for (place, property) in self.model.properties().iter().enumerate() {
            if let Demand::Eventually(judge) = &property.demand
                && let Err(sentence) = judge(self.model, state)
            {
                let violation = Violation { depth: self.depth - 1, id, property: place, sentence };
                if self.violation.as_ref().is_none_or(|known| violation < *known) {
                    self.violation = Some(violation);
                }
            }
        }
    }
}

/// Successors, each with the number of the chunk that it was found from, in the order of those.
type Numbered<S> = Vec<(usize, Candidate<S>)>;

/// One thread's share of looking: chunks, as long as there are any. Gives what it found by shards.
fn look<'m, M: Model>(
    mut expansion: Expansion<'m, M>,
    seen: &Seen,
    chunks: &[Mutex<Chunk<M::State>>],
    taken: &AtomicUsize,
) -> (Expansion<'m, M>, Vec<Numbered<M::State>>) {
    let mut found: Vec<Numbered<M::State>> = (0..SHARDS).map(|_| Vec::new()).collect();
    loop {
        let number = taken.fetch_add(1, Ordering::Relaxed);
        let Some(chunk) = chunks.get(number) else { break };
        let chunk = std::mem::take(&mut *chunk.lock().expect("no thread panicked with it"));
        for item in chunk {
            expansion.expand(&item, |fingerprint, link, state, before, footprint| {
                let shard = shard_of(fingerprint);
                if seen.shards[shard].look(fingerprint) != Known::Old {
                    let asleep = before.after(footprint);
                    found[shard].push((number, Candidate { fingerprint, link, state, asleep }));
                }
            });
        }
    }
    (expansion, found)
}

/// Puts in a state if it is new, and judges it.
fn admit<M: Model>(
    model: &M,
    depth: u32,
    shard: &mut Shard,
    next: &mut Vec<Chunk<M::State>>,
    judged: &mut Judged,
    found: Candidate<M::State>,
) {
    let Candidate { fingerprint, link, state, asleep } = found;
    let id = match shard.insert(fingerprint, link) {
        Ok(id) => id,
        Err(Known::Now(place)) => {
            return next[place / CHUNK_STATES][place % CHUNK_STATES].asleep.intersect(&asleep);
        }
        Err(_) => return,
    };
    judged.judge(model, depth, id, &state);
    let item = Item { state, id, asleep };
    match next.last_mut() {
        Some(chunk) if chunk.len() < CHUNK_STATES => chunk.push(item),
        _ => next.push(vec![item]),
    }
}

/// What several threads found, in the order of chunks.
fn in_order<S>(found: Vec<Numbered<S>>) -> impl Iterator<Item = Candidate<S>> {
    let mut found: Vec<_> = found.into_iter().map(|found| found.into_iter().peekable()).collect();
    std::iter::from_fn(move || {
        let heads = found.iter_mut().enumerate();
        let (_, thread) = heads.filter_map(|(thread, found)| Some((found.peek()?.0, thread))).min()?;
        found[thread].next().map(|(_, candidate)| candidate)
    })
}

/// Does the same on several threads, the calling one among them.
fn on_threads<T: Send>(threads: usize, act: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let act = &act;
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(act)).collect();
        let mut results = vec![act()];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}
