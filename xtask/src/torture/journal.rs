//! What the clients did and saw: one observer, one clock.
//!
//! All clients run on one thread and write here at once, so the order of the records is the order of the events. A window
//! of the run is taken out at a time, which bounds the memory; times go on counting from the beginning of the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use synod_check::etcd::{LeaseEnd, LeaseRun, OldRead, Renewal};
use synod_check::history::{Client, Operation, OperationId, Recorder};
use synod_check::specification::key_value::{Answer, LeaseId, Request};

/// What all clients have in common.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where the members serve clients.
    pub endpoints: Arc<[String]>,
    journal: Arc<Mutex<Journal>>,
}

impl Shared {
    /// An empty journal that begins now.
    pub fn new(endpoints: Vec<String>) -> Self {
        Self { endpoints: endpoints.into(), journal: Arc::new(Mutex::new(Journal::new())) }
    }

    /// The journal. Not to be held while waiting.
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        // A client that panicked ends the run elsewhere; the records are whole in any case.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How operations ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Answered.
    pub answered: u64,
    /// Refused for what they asked.
    pub refused: u64,
    /// Never answered, or in a way that leaves open what happened.
    pub unknown: u64,
    /// Attempts to connect that failed: nothing was sent.
    pub unreachable: u64,
    /// Serializable reads and reads at old revisions that were answered.
    pub old_reads: u64,
    /// Watch streams opened.
    pub watch_streams: u64,
    /// Events that arrived at watchers.
    pub watch_events: u64,
    /// Leases granted.
    pub leases_granted: u64,
    /// Renewals that were acknowledged.
    pub leases_renewed: u64,
    /// Compactions acknowledged.
    pub compactions: u64,
}

/// What was recorded in one window.
#[derive(Debug, Default)]
pub struct Window {
    /// Everything asked of the keys, linearizably.
    pub operations: Vec<Operation<Request, Answer>>,
    /// Reads that name a revision.
    pub old_reads: Vec<OldRead>,
    /// What is wrong by itself.
    pub findings: Vec<String>,
}

/// The records.
#[derive(Debug)]
pub struct Journal {
    epoch: Instant,
    recorder: Recorder<Request, Answer>,
    window: Window,
    leases: BTreeMap<LeaseId, LeaseRun>,
    clients: u64,
    /// How operations ended since the beginning of the run.
    pub counts: Counts,
    /// The highest revision that anybody asked to compact at.
    pub compaction_requested: u64,
    /// The revision at which the window began.
    pub base_revision: u64,
    /// The highest revision of any answer.
    pub latest_revision: u64,
    first_term: u64,
    latest_term: u64,
}

impl Journal {
    fn new() -> Self {
        Self {
            epoch: Instant::now(),
            recorder: Recorder::new(),
            window: Window::default(),
            leases: BTreeMap::new(),
            clients: 0,
            counts: Counts::default(),
            compaction_requested: 0,
            base_revision: 1,
            latest_revision: 1,
            first_term: 0,
            latest_term: 0,
        }
    }

    /// Time since the beginning of the run.
    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// A name for a client that nobody else has.
    pub fn new_client(&mut self) -> Client {
        self.clients += 1;
        Client(self.clients)
    }

    /// A client asks.
    pub fn invoke(&mut self, client: Client, request: Request) -> OperationId {
        let now = self.now();
        self.recorder
            .invoke(client, now, request)
            .expect("a client asks one thing at a time, in the order of time")
    }

    /// The answer arrives.
    pub fn complete(&mut self, id: OperationId, answer: Answer) {
        let now = self.now();
        self.latest_revision = self.latest_revision.max(answer.revision);
        self.counts.answered += 1;
        self.recorder.complete(id, now, answer).expect("an operation ends once");
    }

    /// The answer is that nothing will be done.
    pub fn refuse(&mut self, id: OperationId) {
        self.counts.refused += 1;
        self.recorder.refuse(id).expect("an operation ends once");
    }

    /// Whether the operation takes effect will never be known from its client.
    pub fn abandon(&mut self, id: OperationId) {
        self.counts.unknown += 1;
        self.recorder.abandon(id).expect("an operation ends once");
    }

    /// A read that names a revision was answered.
    pub fn old_read(&mut self, read: OldRead) {
        self.counts.old_reads += 1;
        self.window.old_reads.push(read);
    }

    /// Something is wrong whatever else happened.
    pub fn finding(&mut self, sentence: String) {
        self.window.findings.push(sentence);
    }

    /// A lease is about to be asked for. From now on it may expire at any time.
    pub fn lease_begins(&mut self, lease: LeaseId) {
        let client = self.new_client();
        let expiry = self.invoke(client, Request::Revoke { lease });
        // That nobody asked for it, and nobody will be answered, is not a failure.
        self.recorder.abandon(expiry).expect("an operation ends once");
        self.leases.insert(lease, LeaseRun { lease, renewals: Vec::new(), end: None });
    }

    /// A grant or keep-alive that was sent at `sent` was acknowledged.
    pub fn lease_renewed(&mut self, lease: LeaseId, sent: Duration, time_to_live: Duration) {
        if let Some(run) = self.leases.get_mut(&lease) {
            run.renewals.push(Renewal { sent, time_to_live });
        }
    }

    /// A client is about to revoke it; the end need not be an expiry any more.
    pub fn lease_revoked(&mut self, lease: LeaseId) {
        let at = self.now();
        if let Some(run) = self.leases.get_mut(&lease).filter(|run| run.end.is_none()) {
            run.end = Some(LeaseEnd { at, revision: None, revoked: true });
        }
    }

    /// Somebody sees that a key of the lease has gone, at a revision.
    pub fn lease_gone(&mut self, lease: LeaseId, revision: u64) {
        let now = self.now();
        if let Some(run) = self.leases.get_mut(&lease) {
            let end = run.end.get_or_insert(LeaseEnd { at: now, revision: None, revoked: false });
            if end.revision.is_none() {
                end.revision = Some(revision);
                end.at = now;
            }
        }
    }

    /// The leases that lost their keys up to a revision. They are forgotten.
    pub fn take_ended_leases(&mut self, until: u64) -> Vec<LeaseRun> {
        let gone = |run: &LeaseRun| run.end.and_then(|end| end.revision).is_some_and(|at| at <= until);
        let (ended, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.leases).into_values().partition(gone);
        self.leases = rest.into_iter().map(|run| (run.lease, run)).collect();
        ended
    }

    /// An answer names a term.
    pub fn saw_term(&mut self, term: u64) {
        if self.first_term == 0 {
            self.first_term = term;
        }
        self.latest_term = self.latest_term.max(term);
    }

    /// How many terms the cluster went through.
    pub fn terms_passed(&self) -> u64 {
        self.latest_term - self.first_term
    }

    /// Takes out what was recorded. No client may be waiting for an answer.
    pub fn take_window(&mut self) -> Window {
        let history = std::mem::take(&mut self.recorder).finish();
        let mut window = std::mem::take(&mut self.window);
        window.operations = history.operations().to_vec();
        window
    }
}
