//! The run: windows of trouble under load, each followed by peace, a last write, and judgement.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use synod_check::specification::key_value::{Request, Span};
use tokio::task::JoinSet;

use super::clients::{ANSWER_TIMEOUT, Connection};
use super::dice::Dice;
use super::journal::Shared;
use super::judge::{Asked, Judgement, Testimony, judge};
use super::leasing::{self, Holder};
use super::nemesis::Nemesis;
use super::network::Cuts;
use super::replay::{Replay, list};
use super::stop::Stop;
use super::translate::{ends, pair, signed, unsigned};
use super::watching::{Watcher, history_of};
use super::workload::{self, Worker};
use crate::cluster::api::etcdserverpb as wire;
use crate::cluster::{Cluster, Member, READY_WAIT_MAX, ServerKind};

/// Clients that read and write.
const WORKERS: u64 = 12;
/// Clients that hold leases.
const HOLDERS: u64 = 3;
/// The longest pause of a reading and writing client between operations.
const THINK_MAX: Duration = Duration::from_millis(24);
/// How long a whole cluster without faults may take until it accepts a write: progress is promised too.
const PROGRESS_MAX: Duration = Duration::from_secs(30);
/// How long a member may take to tell the history of a window, or a watcher to see the end of it.
const CATCH_UP_MAX: Duration = Duration::from_secs(30);
/// How long after the last renewal the last lease may be there: its time to live, once more for an election, and slack.
const LEASES_END_MAX: Duration = Duration::from_secs(20);
/// The key of the write that ends a window.
const CLOSING_KEY: &str = "closing";

/// How the run is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long trouble is made in all; peace and judgement come on top, and are short.
    pub time: Duration,
    /// How long one window of trouble is.
    pub window: Duration,
    /// Where the choices come from.
    pub seed: u64,
    /// The server's kind: known faults of another's are not looked for.
    pub kind: ServerKind,
}

/// A run under way.
#[derive(Debug)]
pub struct Campaign {
    plan: Plan,
    /// What the clients have in common, with their journal.
    pub shared: Shared,
    /// What makes the trouble.
    pub nemesis: Nemesis,
    cluster: Cluster,
    cuts: Option<Cuts>,
    base: Replay,
    carried: Vec<Asked>,
    windows: u64,
    /// How many operations were judged.
    pub checked: usize,
}

impl Campaign {
    /// Begins with a cluster that is whole and empty.
    pub fn new(plan: Plan, cluster: Cluster, cuts: Option<Cuts>) -> Self {
        let shared = Shared::new(cluster.endpoints());
        let nemesis = Nemesis::new(shared.clone(), Dice::new(plan.seed, 1));
        Self {
            plan,
            shared,
            nemesis,
            cluster,
            cuts,
            base: Replay::default(),
            carried: Vec::new(),
            windows: 0,
            checked: 0,
        }
    }

    /// Makes the whole run.
    ///
    /// # Errors
    /// A promise was broken; the error lists what was found.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        let windows = self.plan.time.as_millis().div_ceil(self.plan.window.as_millis()).max(1);
        for _ in 0..windows {
            self.window().await?;
        }
        self.leases_end().await
    }

    /// The members' logs, for a message.
    pub fn log_tails(&self) -> String {
        self.cluster.log_tails()
    }

    /// One window.
    async fn window(&mut self) -> anyhow::Result<()> {
        self.windows += 1;
        self.nemesis.story.clear();
        let began = Instant::now();
        let before = self.shared.journal().counts;
        let stop = Stop::default();
        let mut clients = self.start_clients(&stop);
        let (watchers, mut watching) = self.start_watchers();

        let until = began + self.plan.window;
        self.nemesis.rage(&mut self.cluster, self.cuts.as_mut(), until).await?;
        self.nemesis.remedy(&mut self.cluster, self.cuts.as_mut())?;
        stop.set();
        let ending = async { while clients.join_next().await.is_some() {} };
        tokio::time::timeout(CATCH_UP_MAX, ending).await.context("the clients do not end")?;

        self.whole().await?;
        let until = self.last_write().await?;
        let histories = self.histories(until).await?;
        self.wait_for_watchers(&watchers, until, &histories[0].1).await?;
        watching.abort_all();
        let (window, leases, ended) = {
            let mut journal = self.shared.journal();
            (journal.take_window(), journal.take_ended_leases(until), journal.now())
        };
        let testimony = Testimony {
            base: self.base.clone(),
            until,
            window,
            carried: std::mem::take(&mut self.carried),
            ended,
            histories,
            watchers: watchers.iter().map(Watcher::seen).collect(),
            leases,
        };
        let events = testimony.histories[0].1.len();
        let Judgement { mut violations, state, carried, checked } = judge(testimony);
        violations.extend(self.compare_members(&state).await?);
        self.checked += checked;
        self.base = state;
        self.carried = carried;
        self.shared.journal().base_revision = until;
        self.say(&before, began.elapsed(), checked, events);
        if !violations.is_empty() {
            bail!("{}", violations.join("\n\n"));
        }
        Ok(())
    }

    fn say(&self, before: &super::journal::Counts, took: Duration, checked: usize, events: usize) {
        let now = self.shared.journal().counts;
        println!(
            "window {:>2}: {:>5} operations answered, {:>4} unknown; {checked} judged, {events} changes, {} carried on; \
             {:.1} s, {}\n           {}",
            self.windows,
            now.answered - before.answered,
            now.unknown - before.unknown,
            self.carried.len(),
            took.as_secs_f32(),
            resident().map_or_else(String::new, |bytes| format!("{} MiB resident", bytes >> 20)),
            self.nemesis.story.join("; "),
        );
    }

    fn start_clients(&self, stop: &Stop) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let dice = |number| Dice::new(self.plan.seed, self.windows * 1_000 + number);
        for number in 0..WORKERS {
            clients.spawn(Worker::new(self.shared.clone(), dice(number), THINK_MAX).run(stop.clone()));
        }
        for number in 0..HOLDERS {
            clients.spawn(Holder::new(self.shared.clone(), dice(100 + number)).run(stop.clone()));
        }
        clients.spawn(compact(self.shared.clone(), self.base.revision, dice(200), stop.clone()));
        clients
    }

    fn start_watchers(&self) -> (Vec<Watcher>, JoinSet<()>) {
        let spans = [
            ("all", Span::everything()),
            ("registers", Span::prefix(workload::PREFIX)),
            ("one", Span::key(workload::key(0))),
            ("half", Span::between(workload::key(2), workload::key(6))),
            ("leases", Span::prefix(leasing::PREFIX)),
        ];
        let trusts_progress = self.plan.kind == ServerKind::Synod;
        let mut tasks = JoinSet::new();
        let watchers = spans.map(|(name, span)| {
            let name = format!("{name}/{}", self.windows);
            Watcher::new(self.shared.clone(), name, span, self.base.revision + 1, trusts_progress)
        });
        for (number, watcher) in (300..).zip(&watchers) {
            let dice = Dice::new(self.plan.seed, self.windows * 1_000 + number);
            tasks.spawn(watcher.clone().run(dice));
        }
        (watchers.to_vec(), tasks)
    }

    /// Waits until every member says that it serves clients.
    async fn whole(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.cluster.all_ready()? {
            if began.elapsed() > READY_WAIT_MAX {
                bail!(
                    "After everything was healed, not all members served clients within {READY_WAIT_MAX:?}."
                );
            }
            tokio::time::sleep(crate::cluster::POLL).await;
        }
        Ok(())
    }

    /// Writes until a write is acknowledged; its revision.
    async fn last_write(&mut self) -> anyhow::Result<u64> {
        let began = Instant::now();
        let dice = Dice::new(self.plan.seed, self.windows * 1_000 + 400);
        let mut writer = Worker::new(self.shared.clone(), dice, THINK_MAX);
        while began.elapsed() < PROGRESS_MAX {
            let value = writer.new_value();
            if let Some(answer) = writer.perform(Request::put(CLOSING_KEY, value)).await {
                return Ok(answer.revision);
            }
        }
        bail!("After everything was healed, no write was accepted within {PROGRESS_MAX:?}: no progress.")
    }

    /// The changes of the window as each member tells them.
    async fn histories(&self, until: u64) -> anyhow::Result<Vec<(String, Vec<synod_check::etcd::Change>)>> {
        let mut histories = Vec::new();
        for Member { name, place, .. } in &self.cluster.members {
            let endpoint = format!("http://{}", place.client);
            let history = history_of(&endpoint, &self.shared, self.base.revision, until, CATCH_UP_MAX).await;
            let history =
                history.with_context(|| format!("the window's history is not to be had from {name}"))?;
            histories.push((name.clone(), history));
        }
        Ok(histories)
    }

    /// Gives the watchers time to see the last event that is theirs. What they have not seen then is judged.
    async fn wait_for_watchers(
        &self,
        watchers: &[Watcher],
        until: u64,
        changes: &[synod_check::etcd::Change],
    ) -> anyhow::Result<()> {
        let end = Instant::now() + CATCH_UP_MAX;
        for watcher in watchers {
            let span = watcher.seen().run.span;
            let due =
                changes.iter().rev().find(|change| span.contains(&change.key) && change.revision <= until);
            let due = due.map_or(0, |change| change.revision);
            while watcher.position() < due && Instant::now() < end {
                tokio::time::sleep(crate::cluster::POLL).await;
            }
        }
        Ok(())
    }

    /// Holds what each member answers at the window's last revision, and its hash, against the replayed state.
    async fn compare_members(&self, state: &Replay) -> anyhow::Result<Vec<String>> {
        let mut sentences = Vec::new();
        let mut hashes: Vec<(i64, u32, &str)> = Vec::new();
        for member in &self.cluster.members {
            let mut connection = Connection::open(&member.endpoint(), &self.shared).await?;
            let (key, range_end) = ends(&Span::everything());
            let revision = signed(state.revision);
            let request =
                wire::RangeRequest { key, range_end, revision, serializable: true, ..Default::default() };
            let found = connection.kv.range(request).await?.into_inner();
            let found: Vec<_> = found.kvs.into_iter().map(pair).collect();
            if !state.pairs().eq(&found) {
                sentences.push(format!(
                    "{} holds {} at revision {revision}, but its history leads to {}.",
                    member.name,
                    list(&found),
                    list(state.pairs())
                ));
            }
            let hash = connection.maintenance.hash_kv(wire::HashKvRequest { revision }).await?.into_inner();
            hashes.push((hash.compact_revision, hash.hash, &member.name));
        }
        // A hash covers what is not compacted, so only hashes with one compaction can be compared.
        for (compacted, hash, name) in &hashes[1..] {
            let (expected_compacted, expected, first) = &hashes[0];
            if compacted == expected_compacted && hash != expected {
                let revision = state.revision;
                sentences.push(format!(
                    "The hashes at revision {revision} differ: {first} has {expected}, {name} has {hash}."
                ));
            }
        }
        Ok(sentences)
    }

    /// Waits until the leases that nobody renews have ended, as they must.
    async fn leases_end(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let left = self.leased_keys().await;
            match left {
                Some(0) => return Ok(()),
                _ if began.elapsed() < LEASES_END_MAX => {}
                Some(left) => {
                    bail!(
                        "{left} keys of leases that nobody renewed were there {LEASES_END_MAX:?} after the end."
                    )
                }
                None => bail!("The leased keys could not be counted within {LEASES_END_MAX:?}: no progress."),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn leased_keys(&self) -> Option<u64> {
        let mut connection = Connection::open(&self.shared.endpoints[0], &self.shared).await.ok()?;
        let (key, range_end) = ends(&Span::prefix(leasing::PREFIX));
        let request = wire::RangeRequest { key, range_end, count_only: true, ..Default::default() };
        let counting = connection.kv.range(request);
        let counted = tokio::time::timeout(ANSWER_TIMEOUT, counting).await.ok()?.ok()?;
        Some(unsigned(counted.into_inner().count))
    }
}

/// What this process, clients and judge, holds in memory.
fn resident() -> Option<u64> {
    const PAGE_BYTES: u64 = 4_096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE_BYTES)
}

/// Compacts, sometime in the window, what is before it.
async fn compact(shared: Shared, revision: u64, mut dice: Dice, stop: Stop) {
    tokio::time::sleep(dice.milliseconds(500, 8_000)).await;
    while !stop.is_set() && revision > 1 {
        let endpoint = &shared.endpoints[dice.index(shared.endpoints.len())];
        if let Ok(mut connection) = Connection::open(endpoint, &shared).await {
            shared.journal().compaction_requested = revision;
            let request = wire::CompactionRequest { revision: signed(revision), physical: dice.percent(50) };
            let compacting = connection.kv.compact(request);
            if let Ok(Ok(_)) = tokio::time::timeout(ANSWER_TIMEOUT, compacting).await {
                shared.journal().counts.compactions += 1;
                return;
            }
        }
        tokio::time::sleep(dice.milliseconds(100, 1_000)).await;
    }
}
