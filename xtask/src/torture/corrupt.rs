//! A member whose files are damaged: it serves what is right, or it refuses, by name, to serve at all.
//!
//! A cluster is filled. Then, case by case, one member is killed, a copy of its data directory is kept, the directory is damaged,
//! and the member is started on it. Either it says what is wrong and ends (with file and offset, where the log is damaged), or it
//! serves, and then its whole history, its keys and its hash must be those of the others. In between the other two go
//! on; after a refusal the member comes back on the copy, and has to catch up.
//!
//! Every case begins when all members have everything: what is lost to one of them, as by a cut of the log's end, is then
//! still held by a majority. A copy is used only if the member has not served since it was taken: a member that
//! forgets what it has acknowledged is beyond what consensus promises to survive. (Where a damage makes it forget all the same,
//! it may stay behind until another member leads; that is shown, and what it serves meanwhile is checked.)

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use synod_check::etcd::Change;
use synod_check::specification::key_value::{Request, Span};

use super::clients::Connection;
use super::damage::{Cases, Damage, cases, copy_directory};
use super::dice::Dice;
use super::journal::Shared;
use super::replay::Replay;
use super::translate::{ends, pair, signed, unsigned};
use super::watching::history_of;
use super::workload::Worker;
use crate::cluster::api::etcdserverpb as wire;
use crate::cluster::{Cluster, POLL, ServerKind};

/// The member whose files are damaged.
const VICTIM: usize = 2;
/// Writes before the damage.
const WRITES: u64 = 400;
/// Damages tried.
const CASES: usize = 32;
/// How long a member may take to serve or to refuse.
const DECISION_MAX: Duration = Duration::from_secs(20);
/// How long a member may take to tell its history.
const HISTORY_MAX: Duration = Duration::from_secs(15);

/// How a case ended.
#[derive(Debug)]
enum End {
    /// It ended by itself, and said this.
    Refused(String),
    /// It served what is right.
    Recovered,
    /// It served, but not these data.
    RefusedReads(String),
    /// It served what was right up to this revision, and learned nothing more.
    Behind(u64),
}

/// Runs all cases.
///
/// # Errors
/// A member served what is wrong, hung, panicked, or refused without a clear message.
pub async fn run(mut cluster: Cluster, seed: u64, kind: ServerKind) -> anyhow::Result<()> {
    let mut dice = Dice::new(seed, 1);
    let shared = Shared::new(cluster.endpoints());
    let mut writer = Worker::new(shared.clone(), Dice::new(seed, 2), Duration::ZERO);
    let mut until = fill(&mut writer, &mut dice).await?;
    agreed_history(&cluster, &shared, &[0, 1, VICTIM], until).await?;

    let data = cluster.members[VICTIM].data.clone();
    let whole = data.with_extension("whole");
    let mut tally = Tally::default();
    for number in 0..CASES {
        cluster.members[VICTIM].kill();
        copy_directory(&data, &whole)?;
        // What there is to damage changes while the member lives.
        let Cases { log, store } = cases(&whole, &mut dice)?;
        let list = if store.is_empty() || (number % 2 == 0 && !log.is_empty()) { log } else { store };
        if list.is_empty() {
            bail!("there is nothing to damage in {}", whole.display());
        }
        let case = &list[dice.index(list.len())];
        until = write(&mut writer, "between").await?;
        let expected = agreed_history(&cluster, &shared, &[0, 1], until).await?;
        let end = try_case(&mut cluster, &shared, case, &expected).await;
        let end = end.with_context(|| format!("{case}; {}", cluster.members[VICTIM].log_tail()))?;
        tally.count(case, &end);
        if kind == ServerKind::Synod
            && let End::Refused(sentence) = &end
        {
            demand_clarity(case, sentence)?;
        }
        if !matches!(end, End::Recovered) {
            cluster.members[VICTIM].kill();
            copy_directory(&whole, &data)?;
            cluster.start(VICTIM)?;
        }
        agreed_history(&cluster, &shared, &[0, 1, VICTIM], until).await?;
    }
    until = write(&mut writer, "end").await?;
    agreed_history(&cluster, &shared, &[0, 1, VICTIM], until).await?;
    tally.demand_exercise()
}

/// How often the cases ended in which way.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    refused: u64,
    refused_reads: u64,
    behind: u64,
    recovered: u64,
}

impl Tally {
    fn count(&mut self, case: &Damage, end: &End) {
        let (count, words) = match end {
            End::Refused(sentence) => (&mut self.refused, format!("refused\n    {sentence}")),
            End::RefusedReads(sentence) => (&mut self.refused_reads, format!("refuses to read: {sentence}")),
            End::Behind(revision) => (
                &mut self.behind,
                format!("serves what is right up to revision {revision}, but does not catch up"),
            ),
            End::Recovered => (&mut self.recovered, "recovered".to_owned()),
        };
        *count += 1;
        println!("{case}: {words}");
    }

    fn demand_exercise(self) -> anyhow::Result<()> {
        let Self { refused, refused_reads, behind, recovered } = self;
        let all = refused + refused_reads + behind + recovered;
        println!(
            "\n{all} damages: {refused} refused at the start, {refused_reads} refused when read, {recovered} recovered, \
             {behind} behind; nothing wrong was served, and the cluster went on"
        );
        if refused == 0 || recovered == 0 {
            bail!("expected some damages to be refused and some to be recovered from");
        }
        Ok(())
    }
}

/// Puts and deletes; the revision of the last.
async fn fill(writer: &mut Worker, dice: &mut Dice) -> anyhow::Result<u64> {
    for number in 0..WRITES {
        let key = format!("fill/{:03}", dice.below(WRITES / 4));
        let request =
            if dice.percent(20) { Request::delete(key) } else { Request::put(key, number.to_string()) };
        writer.perform(request).await.context("a whole cluster refused a write")?;
    }
    write(writer, "filled").await
}

/// Puts one key; the revision.
async fn write(writer: &mut Worker, key: &str) -> anyhow::Result<u64> {
    const ATTEMPTS_MAX: usize = 200;
    for _ in 0..ATTEMPTS_MAX {
        let value = writer.new_value();
        if let Some(answer) = writer.perform(Request::put(key, value)).await {
            return Ok(answer.revision);
        }
    }
    bail!("a majority of whole members accepted no write")
}

/// The history, which the named members must tell alike.
async fn agreed_history(
    cluster: &Cluster,
    shared: &Shared,
    members: &[usize],
    until: u64,
) -> anyhow::Result<Vec<Change>> {
    let mut agreed: Option<Vec<Change>> = None;
    for &index in members {
        let member = &cluster.members[index];
        let began = Instant::now();
        // One that has just been started does not serve yet.
        let history = loop {
            match history_of(&member.endpoint(), shared, 1, until, HISTORY_MAX).await {
                Err(_) if began.elapsed() < DECISION_MAX => tokio::time::sleep(POLL).await,
                history => {
                    break history.with_context(|| format!("{} does not tell its history", member.name))?;
                }
            }
        };
        if agreed.as_ref().is_some_and(|agreed| *agreed != history) {
            bail!("{} tells another history than the others", member.name);
        }
        agreed = Some(history);
    }
    agreed.context("some member was asked")
}

/// Starts the member on damaged files and waits for what it does.
async fn try_case(
    cluster: &mut Cluster,
    shared: &Shared,
    case: &Damage,
    expected: &[Change],
) -> anyhow::Result<End> {
    let data = cluster.members[VICTIM].data.clone();
    case.apply(&data)?;
    cluster.start(VICTIM)?;
    let began = Instant::now();
    loop {
        let member = &mut cluster.members[VICTIM];
        if let Some(end) = refusal(member)? {
            return Ok(end);
        }
        if member.is_ready() {
            break;
        }
        if began.elapsed() > DECISION_MAX {
            bail!("the member neither served nor refused within {DECISION_MAX:?}");
        }
        tokio::time::sleep(POLL).await;
    }
    let until = expected.last().map_or(1, |change| change.revision);
    let endpoint = cluster.members[VICTIM].endpoint();
    let found = match history_of(&endpoint, shared, 1, until, HISTORY_MAX).await {
        Ok(found) => found,
        // It may find the damage when it reads, and end for that.
        Err(error) => {
            if let Some(end) = refusal(&mut cluster.members[VICTIM])? {
                return Ok(end);
            }
            return prefix(&endpoint, shared, expected, &error).await;
        }
    };
    if found != expected {
        bail!("the member SERVED WRONG DATA: its history is not that of the others");
    }
    same_keys_and_hash(cluster, shared, until).await?;
    Ok(End::Recovered)
}

/// Holds what a member has against the past of the others, for one that has not all of it.
async fn prefix(
    endpoint: &str,
    shared: &Shared,
    expected: &[Change],
    error: &anyhow::Error,
) -> anyhow::Result<End> {
    let mut connection = Connection::open(endpoint, shared).await?;
    let (key, range_end) = ends(&Span::everything());
    let request = wire::RangeRequest { key, range_end, serializable: true, ..Default::default() };
    let found = match connection.kv.range(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => return Ok(End::RefusedReads(format!("{}; {error:#}", status.message()))),
    };
    let revision = found.header.map_or(0, |header| unsigned(header.revision));
    let mut state = Replay::default();
    expected.iter().filter(|change| change.revision <= revision).for_each(|change| state.apply(change));
    let found: Vec<_> = found.kvs.into_iter().map(pair).collect();
    if !state.pairs().eq(&found) {
        bail!(
            "the member SERVED WRONG DATA: its keys at revision {revision} are not those of the others then"
        );
    }
    Ok(End::Behind(revision))
}

/// How the member ended, if it has.
fn refusal(member: &mut crate::cluster::Member) -> anyhow::Result<Option<End>> {
    let Some(status) = member.process.as_mut().and_then(crate::cluster::Process::ended) else {
        return Ok(None);
    };
    let output = member.output();
    if output.contains("panicked at") {
        bail!("the member panicked");
    }
    if status.success() {
        bail!("the member ended as if nothing were wrong");
    }
    let sentence = output.lines().rev().find(|line| !line.trim().is_empty());
    Ok(Some(End::Refused(sentence.unwrap_or_default().trim().to_owned())))
}

/// Holds the member's keys and hash against another's.
async fn same_keys_and_hash(cluster: &Cluster, shared: &Shared, until: u64) -> anyhow::Result<()> {
    let mut answers = Vec::new();
    for index in [0, VICTIM] {
        let mut connection = Connection::open(&cluster.members[index].endpoint(), shared).await?;
        let (key, range_end) = ends(&Span::everything());
        let revision = signed(until);
        let request =
            wire::RangeRequest { key, range_end, revision, serializable: true, ..Default::default() };
        let keys = connection.kv.range(request).await?.into_inner().kvs;
        let hash = connection.maintenance.hash_kv(wire::HashKvRequest { revision }).await?.into_inner().hash;
        answers.push((keys, hash));
    }
    if answers[0] != answers[1] {
        bail!("the member SERVED WRONG DATA: its keys or its hash are not those of the others");
    }
    Ok(())
}

/// Refuses a refusal from which one cannot see what is wrong.
fn demand_clarity(case: &Damage, sentence: &str) -> anyhow::Result<()> {
    let name = case.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if case.in_log {
        if !sentence.contains(name) || !sentence.contains("offset") {
            bail!("{case}: the refusal does not name the file and the offset: {sentence}");
        }
    } else if !sentence.contains("store") && !sentence.contains(name) {
        bail!("{case}: the refusal does not say that the store is damaged: {sentence}");
    }
    Ok(())
}
