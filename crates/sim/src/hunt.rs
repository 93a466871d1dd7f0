//! Many runs: a seed after the other, on every core, until something is found or enough was tried.
//!
//! Results are handed on in the order of seeds whatever the number of threads, and what is reported is what came before the end in that order: a
//! hunt over the same seeds gives the same report on any machine. Only a hunt that is stopped from outside, by a clock or a key, depends on how
//! fast it was. Nothing here prints.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::plan::{Plan, PlanError};
use crate::{Exercised, Run, Subject, run, run_twice};

/// How to hunt.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// Seeds that run before all others: those of saved findings.
    pub first: Vec<u64>,
    /// The first of the consecutive seeds that follow.
    pub seed: u64,
    /// How many runs in all.
    pub runs: u64,
    /// The hunt ends with so many violations.
    pub violations_max: usize,
    /// Threads; 0 is as many as the machine has cores.
    pub threads: usize,
    /// Every run is made twice and compared.
    pub twice: bool,
}

impl Default for Hunt {
    fn default() -> Self {
        Hunt { first: Vec::new(), seed: 1, runs: 1_000, violations_max: 1, threads: 0, twice: true }
    }
}

/// What a hunt came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many runs were made.
    pub runs: u64,
    /// Records of all runs.
    pub records: u64,
    /// Time that passed in all worlds.
    pub simulated: Duration,
    /// What all runs exercised.
    pub exercised: Exercised,
    /// Runs that proved nothing.
    pub vacuous: u64,
    /// The runs that violated something, in the order of seeds.
    pub violations: Vec<Run>,
}

impl Report {
    /// A sentence if the hunt proves nothing: more than half of its runs were vacuous, or there was none.
    pub fn proves_nothing(&self) -> Option<String> {
        let mostly_vacuous = self.violations.is_empty() && self.vacuous * 2 >= self.runs;
        mostly_vacuous.then(|| format!("{} of {} runs exercised nothing", self.vacuous, self.runs))
    }

    fn add(&mut self, run: Run) {
        self.runs += 1;
        self.records += run.records;
        self.simulated += run.simulated;
        self.exercised.merge(&run.exercised);
        self.vacuous += u64::from(run.vacuous.is_some());
        if run.found.is_some() {
            self.violations.push(run);
        }
    }
}

struct Shared<'a> {
    report: Report,
    /// Finished runs that wait for an earlier one.
    early: BTreeMap<u64, Result<Run, PlanError>>,
    next: u64,
    error: Option<PlanError>,
    progress: &'a mut (dyn FnMut(&Report, &Run) -> bool + Send),
}

impl Hunt {
    /// Hunts. `plan` gives the plan of a seed, `make` the subject of a plan. `progress` sees every run in the order of seeds, and ends
    /// the hunt by answering no.
    ///
    /// # Errors
    /// When a plan cannot be run.
    pub fn go<S: Subject>(
        &self,
        plan: impl Fn(u64) -> Plan + Sync,
        make: impl Fn(&Plan) -> S + Sync,
        progress: &mut (dyn FnMut(&Report, &Run) -> bool + Send),
    ) -> Result<Report, PlanError> {
        let shared = Mutex::new(Shared {
            report: Report::default(),
            early: BTreeMap::new(),
            next: 0,
            error: None,
            progress,
        });
        let (taken, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if self.threads == 0 { cores } else { self.threads };
        let work = || {
            while !over.load(Ordering::Relaxed) {
                let index = taken.fetch_add(1, Ordering::Relaxed);
                if index >= self.runs {
                    break;
                }
                let plan = plan(self.seed_of(index));
                let result = if self.twice { run_twice(plan, &make) } else { run(plan, &make) };
                let mut shared = shared.lock().expect("no thread dies while it holds the report");
                shared.early.insert(index, result);
                if self.hand_on(&mut shared) {
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
        let shared = shared.into_inner().expect("all threads are done");
        shared.error.map_or(Ok(shared.report), Err)
    }

    fn seed_of(&self, index: u64) -> u64 {
        match self.first.get(index as usize) {
            Some(seed) => *seed,
            None => self.seed.wrapping_add(index - self.first.len() as u64),
        }
    }

    /// Hands finished runs on in their order; whether the hunt is over.
    fn hand_on(&self, shared: &mut Shared<'_>) -> bool {
        let enough = |report: &Report| report.violations.len() >= self.violations_max.max(1);
        let mut over = shared.error.is_some() || enough(&shared.report);
        while !over && let Some(result) = shared.early.remove(&shared.next) {
            shared.next += 1;
            match result {
                Ok(run) => {
                    shared.report.add(run.clone());
                    over = enough(&shared.report) || !(shared.progress)(&shared.report, &run);
                }
                Err(error) => {
                    shared.error = Some(error);
                    over = true;
                }
            }
            if over {
                // What other threads still finish comes after the end.
                shared.next = u64::MAX;
            }
        }
        over
    }
}
