//! Judging a run while it goes on, window by window, with bounded memory.
//!
//! # The problem
//! A check of a whole run remembers the whole run. [`Online`](crate::linearizability::Online) does not, but an operation whose outcome is not
//! known holds it up, and a client that gave up never tells. Where the observer sees the store's own history, as a simulator
//! does, more can be forgotten.
//!
//! # The rule
//! Revisions never fall, so a linearizable store answers an operation at no lower revision than any that was answered before
//! that operation was asked: its *floor*. Let F be the lowest floor of all operations whose clients wait. Every answer that is still to
//! come has a revision of F or more, or it is wrong. So once the operations that have ended were judged together, with those that wait as
//! open ones, those that were answered at F or below may be forgotten, and the next window begins with the store as it was at F, which the history of
//! the store tells. What is forgotten constrains nothing that is kept: it comes before, by its revision; and where time says the
//! opposite (something kept had returned before something forgotten was asked), both were there when the later of them ended, and were judged
//! together.
//!
//! An operation whose client has *given it up* has no floor, else one that is lost would hold everything for ever. It may be forgotten as
//! well, under one condition: whoever watches the store reports it when it is decided, at that moment, with its
//! answer. Then it takes effect at the newest revision, which is above F. What is never reported has not taken effect, for the history of the
//! store is complete.
//!
//! Two things are judged beside that. Reads that named an old revision are held against what is remembered of the store's past, a bounded number of
//! its changes; and the changes themselves are looked at as they come: revisions rise by one.
//!
//! # Why there is a window at all
//! Elsewhere a window may end only at a *quiet point*, where no operation is open, since what is open may take effect before or after it. A
//! loaded store has none. The order of revisions takes its place: each answer names its position, so that a cut by revision divides
//! operations that overlap in time.
//!
//! # What it costs
//! It holds the operations of one window, those that wait, and the keys of the store: nothing that grows with the run. A window ends when it has
//! its size, and half of what is held at least is new: so when a client that waits long keeps F low, an operation is judged a few times, not
//! once with each window that follows.
//!
//! # What is left out
//! Watches and leases, which have checks of their own in the parent module.

use std::collections::BTreeMap;
use std::time::Duration;

use super::past::Past;
use super::{
    Change, OldRead, PropertyViolation, StoreHistory, acknowledged_writes, acknowledged_writes_survive,
    revisions_are_dense,
};
use crate::history::{Client, History, Operation, OperationId};
use crate::linearizability::{Limits, check_within};
use crate::specification::KeyValue;
use crate::specification::key_value::{Answer, Pair, Request, Store};
use crate::verdict::Verdict;

/// So many changes of the store are remembered for reads of old revisions, at most.
const PAST_CHANGES_MAX: usize = 40_000;

/// A run that is judged window by window. Events must be given in the order in which they happened.
#[derive(Clone, Debug)]
pub struct Windows {
    /// The store at the beginning of the window.
    base: Store,
    /// What the store went through since.
    history: StoreHistory,
    /// What reads of old revisions are held against.
    past: Past,
    /// Those whose clients wait, and those that were given up, with nothing for a floor.
    open: BTreeMap<OperationId, Open>,
    /// Those that were answered at a revision above the base's, or in this window.
    ended: Vec<Operation<Request, Answer>>,
    /// How many of these were judged already.
    judged: usize,
    /// The highest revision that anybody was answered.
    newest: u64,
    next: u64,
    size: usize,
    limits: Limits,
    counts: Counts,
}

/// What was judged, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Windows that were judged.
    pub windows: u64,
    /// Operations that were judged, each counted once.
    pub operations: u64,
    /// The most operations that were held at one time.
    pub held_max: usize,
    /// Windows in which the search met its limits.
    pub unexplained: u64,
    /// Reads of old revisions that were judged.
    pub old_reads: u64,
    /// Reads of revisions so old that the store's past did not go back as far.
    pub old_reads_unjudged: u64,
}

#[derive(Clone, Debug)]
struct Open {
    client: Client,
    invoked: Duration,
    request: Request,
    /// Nothing once its client has given up.
    floor: Option<u64>,
}

impl Windows {
    /// A run that begins with an empty store. A window is judged when so many operations have ended in it, at least.
    pub fn new(size: usize, limits: Limits) -> Self {
        Self {
            base: Store::default(),
            history: StoreHistory::new(Vec::new()),
            past: Past::new(PAST_CHANGES_MAX),
            open: BTreeMap::new(),
            ended: Vec::new(),
            judged: 0,
            newest: 1,
            next: 0,
            size: size.max(1),
            limits,
            counts: Counts::default(),
        }
    }

    /// A client asks. Whoever goes on without an answer is another client from then on.
    pub fn invoke(&mut self, client: Client, invoked: Duration, request: Request) -> OperationId {
        let id = OperationId(self.next);
        self.next += 1;
        self.open.insert(id, Open { client, invoked, request, floor: Some(self.newest) });
        self.counts.held_max = self.counts.held_max.max(self.held());
        id
    }

    /// The client gives up: the operation takes effect when [`complete`](Self::complete) says so, or never.
    pub fn give_up(&mut self, id: OperationId) {
        if let Some(open) = self.open.get_mut(&id) {
            open.floor = None;
        }
    }

    /// The operation did not take effect, and never will.
    pub fn refuse(&mut self, id: OperationId) {
        self.open.remove(&id);
    }

    /// The store was changed. Of an operation that this decides, the answer is to be given after it.
    pub fn changed(&mut self, change: Change) {
        self.past.changed(change.clone());
        self.history.changes.push(change);
    }

    /// The operation was answered, or, if its client has given up, decided.
    ///
    /// # Errors
    /// What was impossible in the window that ended with this answer, in a sentence; with the promise that was broken.
    pub fn complete(&mut self, id: OperationId, at: Duration, answer: Answer) -> Result<(), WindowError> {
        let Some(Open { client, invoked, request, .. }) = self.open.remove(&id) else { return Ok(()) };
        self.newest = self.newest.max(answer.revision);
        self.ended.push(Operation::returned(client, invoked, at, request, answer));
        let new = self.ended.len() - self.judged;
        if new < self.size || new < self.judged { Ok(()) } else { self.judge() }
    }

    /// A read that named a revision has returned, or one that took what a member had. It is no operation of the present: nothing waits for it.
    ///
    /// # Errors
    /// It, or one before it, returned something else than was there at its revision.
    pub fn read_old(&mut self, read: OldRead) -> Result<(), WindowError> {
        self.past.read(read);
        if self.past.waiting() < self.size { Ok(()) } else { self.judge_old_reads() }
    }

    /// The run is over.
    ///
    /// # Errors
    /// As [`complete`](Self::complete), of the last window.
    pub fn finish(&mut self) -> Result<Counts, WindowError> {
        self.judge()?;
        Ok(self.counts())
    }

    /// What was judged so far.
    pub fn counts(&self) -> Counts {
        Counts { old_reads: self.past.judged, old_reads_unjudged: self.past.too_old, ..self.counts }
    }

    /// How many operations are held in memory.
    pub fn held(&self) -> usize {
        self.open.len() + self.ended.len()
    }

    fn judge(&mut self) -> Result<(), WindowError> {
        let new = self.ended.len() - std::mem::take(&mut self.judged);
        self.counts.windows += 1;
        self.counts.operations += new as u64;
        revisions_are_dense(&self.history)?;
        self.judge_old_reads()?;
        let waiting = self.open.values().filter(|open| open.floor.is_some());
        let waiting = waiting.map(|open| Operation::open(open.client, open.invoked, open.request.clone()));
        let operations: Vec<_> = self.ended.iter().cloned().chain(waiting).collect();
        let history = History::from_operations(operations).expect("the observer saw events in order");
        acknowledged_writes_survive(&self.history, &acknowledged_writes(&history))?;
        let mut model = KeyValue { initial: self.base.clone(), ..KeyValue::for_history(&history) };
        self.history.add_to(&mut model.evidence);
        match check_within(&model, &history, self.limits) {
            Verdict::Linearizable => {}
            Verdict::Unknown(_) => self.counts.unexplained += 1,
            Verdict::Violation(violation) => {
                let property = "linearizability".to_owned();
                return Err(WindowError { property, sentence: violation.to_string() });
            }
        }
        self.forget();
        Ok(())
    }

    fn judge_old_reads(&mut self) -> Result<(), WindowError> {
        Ok(self.past.judge()?)
    }

    /// Leaves behind what no answer that is still to come can contradict.
    fn forget(&mut self) {
        let floors = self.open.values().filter_map(|open| open.floor);
        let floor = floors.min().unwrap_or(self.newest).min(self.history.last_revision());
        if floor > self.base.revision {
            let later = self.history.changes.partition_point(|change| change.revision <= floor);
            for change in self.history.changes.drain(..later) {
                self.base = with_change(&self.base, change);
            }
            self.base.revision = floor;
            self.history.base_revision = floor;
        }
        self.ended.retain(|operation| operation.output().is_some_and(|answer| answer.revision > floor));
        self.judged = self.ended.len();
    }
}

/// What was impossible in a window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Broken: {property}. {sentence}")]
pub struct WindowError {
    /// What was promised.
    pub property: String,
    /// What was found.
    pub sentence: String,
}

impl From<PropertyViolation> for WindowError {
    fn from(broken: PropertyViolation) -> Self {
        Self { property: broken.property.to_string(), sentence: broken.sentence }
    }
}

/// The store after one more change of its history.
fn with_change(store: &Store, change: Change) -> Store {
    let Some(value) = change.value else { return store.without(&change.key) };
    let before = store.get(&change.key);
    let mut after = store.clone();
    after.restore(Pair {
        key: change.key,
        value,
        create_revision: before.as_ref().map_or(change.revision, |pair| pair.create_revision),
        mod_revision: change.revision,
        version: before.map_or(0, |pair| pair.version) + 1,
        lease: change.lease,
    });
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Random;
    use crate::specification::key_value::Reply;

    const SIZE: usize = 50;
    const CLIENTS: u64 = 8;
    const OPERATIONS: u64 = 20_000;

    /// What goes wrong in a run.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Bug {
        None,
        /// A read of an old state, late in the run.
        StaleRead,
        /// A change that was answered and is not in the store's history.
        LostWrite,
    }

    struct Under {
        id: OperationId,
        request: Request,
        /// Once it has taken effect.
        answer: Option<Answer>,
        has_given_up: bool,
    }

    /// A store with clients that overlap, of whom some give up; what they ask takes effect later, or never.
    fn run(operations: u64, bug: Bug) -> (Result<Counts, WindowError>, u64) {
        let mut random = Random::new(3);
        let mut windows = Windows::new(SIZE, Limits { steps_max: 200_000, configurations_max: 5_000 });
        let mut store = Store::default();
        let mut old = store.clone();
        let mut clients: Vec<Option<Under>> = (0..CLIENTS).map(|_| None).collect();
        let (mut lost, mut given_up, mut planted) = (Vec::new(), 0, bug == Bug::None);
        for tick in 0..operations * 3 {
            let at = Duration::from_micros(tick);
            let who = random.below(CLIENTS) as usize;
            let is_late = tick > operations * 2;
            let Some(mut under) = clients[who].take() else {
                let key = [b'a' + random.below(4) as u8];
                let request = match random.below(5) {
                    0 | 1 => Request::get(key),
                    2 => Request::delete(key),
                    _ => Request::put(key, tick.to_string()),
                };
                // Those that gave up go on: each operation has a client of its own.
                let id = windows.invoke(Client(tick), at, request.clone());
                clients[who] = Some(Under { id, request, answer: None, has_given_up: false });
                continue;
            };
            if under.answer.is_none() {
                if random.below(40) == 0 && !under.has_given_up {
                    given_up += 1;
                    windows.give_up(under.id);
                    if random.below(2) == 0 {
                        // Never decided.
                        lost.push(under.id);
                        continue;
                    }
                    under.has_given_up = true;
                }
                let is_stale = old.revision + 20 < store.revision;
                let plants = is_late && !planted && !under.has_given_up && is_stale;
                if plants && bug == Bug::StaleRead && matches!(under.request, Request::Range { .. }) {
                    planted = true;
                    let (state, reply) = old.execute(&under.request);
                    under.answer = Some(Answer { revision: state.revision, reply });
                } else if plants && bug == Bug::LostWrite && matches!(under.request, Request::Put { .. }) {
                    planted = true;
                    let reply = Reply::Put { previous: None };
                    under.answer = Some(Answer { revision: store.revision + 1, reply });
                } else {
                    let (after, reply) = store.execute(&under.request);
                    if after.revision > store.revision {
                        windows.changed(change(&after, &under.request));
                    }
                    store = after;
                    under.answer = Some(Answer { revision: store.revision, reply });
                }
                if tick % 500 == 0 {
                    old = store.clone();
                }
                if !under.has_given_up {
                    clients[who] = Some(under);
                    continue;
                }
            }
            let answer = under.answer.expect("it has taken effect");
            if let Err(error) = windows.complete(under.id, at, answer) {
                return (Err(error), given_up);
            }
            // What is lost for good is refused in the end, as a simulator does; a few are never.
            if lost.len() > 20 {
                windows.refuse(lost.remove(0));
            }
        }
        (windows.finish(), given_up)
    }

    fn change(after: &Store, request: &Request) -> Change {
        match request {
            Request::Put { key, value, .. } => Change::put(after.revision, key, value),
            Request::Delete { span, .. } => Change::delete(after.revision, &span.from),
            other => panic!("{other} changes nothing"),
        }
    }

    #[test]
    fn what_is_held_does_not_grow_with_the_run() {
        let (short, _) = run(OPERATIONS / 10, Bug::None);
        let (long, given_up) = run(OPERATIONS, Bug::None);
        let (short, long) = (short.expect("nothing is wrong"), long.expect("nothing is wrong"));
        assert!(long.windows > 8 * short.windows && given_up > 200, "{long:?}, {given_up} given up");
        assert_eq!(long.unexplained, 0);
        let bound = 3 * SIZE + 2 * CLIENTS as usize + 25;
        assert!(short.held_max <= bound && long.held_max <= bound, "{short:?}, {long:?}");
    }

    #[test]
    fn a_stale_read_late_in_a_long_run_is_found() {
        let (found, _) = run(OPERATIONS, Bug::StaleRead);
        let error = found.expect_err("a read went back");
        assert_eq!(error.property, "linearizability");
    }

    #[test]
    fn a_write_that_is_lost_is_found() {
        let (found, _) = run(OPERATIONS, Bug::LostWrite);
        assert!(found.is_err(), "an answered change is not in the history: {found:?}");
    }
}
