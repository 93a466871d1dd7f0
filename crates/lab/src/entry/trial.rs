//! The driver of one experiment: how many runs, from which seed, on how many threads, and who is told how far it is.
//!
//! Every run draws from a stream of its own, and results are taken in the order of runs: what an experiment measures does not depend on the number
//! of threads.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use synod_sim::Stream;

use super::Settings;

/// What an experiment is given.
pub struct Trial<'a> {
    /// The values of its parameters.
    pub settings: &'a Settings,
    /// How many runs are asked for.
    pub runs: u64,
    /// The seed of all streams.
    pub seed: u64,
    /// Threads, at least 1.
    pub threads: usize,
    /// Told how much is done of how much; answers whether to go on.
    pub progress: &'a (dyn Fn(u64, u64) -> bool + Sync),
}

/// Runs that a thread takes at once: few enough that threads end together, many enough that taking them costs nothing.
const BLOCKS_A_THREAD: u64 = 64;
const BLOCK_RUNS_MAX: u64 = 1_024;

impl Trial<'_> {
    /// The stream of a run.
    pub fn stream(&self, run: u64) -> Stream {
        Stream::numbered(self.seed, "trial", run)
    }

    /// A seed for a world, for the run of that number.
    pub fn seed_of(&self, run: u64) -> u64 {
        Stream::numbered(self.seed, "world", run).bits()
    }

    /// Says how far it is, for what is one long run; whether to go on.
    pub fn done(&self, done: u64, of: u64) -> bool {
        (self.progress)(done, of)
    }

    /// Makes all runs and hands each result to `take`, in the order of runs, whatever the number of threads. Ends early, with what there is, when
    /// the progress says so.
    pub fn each<T: Send>(&self, run: impl Fn(u64, &mut Stream) -> T + Sync, take: impl FnMut(u64, T) + Send) {
        let threads = self.threads.max(1) as u64;
        let block = (self.runs / (threads * BLOCKS_A_THREAD)).clamp(1, BLOCK_RUNS_MAX);
        let next = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        let hand = Mutex::new(Hand { early: BTreeMap::new(), next: 0, take });
        let work = || {
            while !over.load(Ordering::Relaxed) {
                let first = next.fetch_add(block, Ordering::Relaxed);
                if first >= self.runs {
                    break;
                }
                let last = first.saturating_add(block).min(self.runs);
                let results: Vec<T> =
                    (first..last).map(|index| run(index, &mut self.stream(index))).collect();
                let mut hand = hand.lock().expect("no thread dies while it hands on");
                hand.put(first, results);
                if !(self.progress)(hand.next, self.runs) {
                    over.store(true, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
    }

    /// All results, in the order of runs.
    pub fn collect<T: Send>(&self, run: impl Fn(u64, &mut Stream) -> T + Sync) -> Vec<T> {
        let mut results = Vec::new();
        self.each(run, |_, result| results.push(result));
        results
    }
}

struct Hand<T, F> {
    early: BTreeMap<u64, Vec<T>>,
    next: u64,
    take: F,
}

impl<T, F: FnMut(u64, T)> Hand<T, F> {
    fn put(&mut self, first: u64, results: Vec<T>) {
        self.early.insert(first, results);
        while let Some(results) = self.early.remove(&self.next) {
            for result in results {
                (self.take)(self.next, result);
                self.next += 1;
            }
        }
    }
}
