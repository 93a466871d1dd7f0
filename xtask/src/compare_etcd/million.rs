//! A store of a million small keys: how large it is, how soon it is back, what it costs to look into it, and what
//! looking after it does to those who write meanwhile.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tonic::transport::{Channel, Endpoint};

use super::rows::{self, Row};
use super::table::{Figures, Table};
use super::{GENERATOR_JSON, process};
use crate::cluster::api::etcdserverpb::kv_client::KvClient;
use crate::cluster::api::etcdserverpb::maintenance_client::MaintenanceClient;
use crate::cluster::api::etcdserverpb::request_op::Request;
use crate::cluster::api::etcdserverpb::{
    CompactionRequest, DefragmentRequest, PutRequest, RangeRequest, RequestOp, SnapshotRequest, TxnRequest,
};
use crate::cluster::{Cluster, POLL, READY_WAIT_MAX, ServerKind, Signal};

const KEYS: u64 = 1_000_000;
/// Puts of one transaction, and transactions in flight, while the keys are written.
const LOAD_PUTS: u64 = 100;
const LOAD_IN_FLIGHT: u32 = 8;
const VALUE_BYTES: usize = 64;
/// Reads of one key by a prefix that has many.
const LOOKS: u32 = 50;
/// Of answers with all keys.
const MESSAGE_BYTES_MAX: usize = 1 << 30;
/// Puts a second while the store is looked after, and how long they go on before and in all.
const RATE: &str = "500";
const BEFORE: Duration = Duration::from_secs(1);
const STALL_SECONDS: u32 = 5;

/// All rows of one server; the cluster is one fresh member.
///
/// # Errors
/// The server refuses something, or does not come back.
pub fn measure(
    server: ServerKind,
    generator: &Path,
    cluster: &mut Cluster,
    table: &mut Table,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut add = |row: Row, figures| table.add(&row, server, figures);
    let took = runtime.block_on(load(&cluster.endpoints()[0]))?;
    let rate = Some(KEYS as f64 / took.as_secs_f64());
    let resident = Some(process::resident_max(cluster)?);
    let disk = Some(bytes_below(&cluster.members[0].data)? as f64);
    add(rows::million(), Figures { rate, resident, disk, ..Figures::default() });

    for (row, signal) in
        [(rows::million_restart(), Signal::TERM), (rows::million_restart_killed(), Signal::KILL)]
    {
        let back = restart(cluster, signal)?;
        let resident = Some(process::resident_max(cluster)?);
        add(row, Figures { seconds: Some(back.as_secs_f64()), resident, ..Figures::default() });
    }

    let look = runtime.block_on(look(&cluster.endpoints()[0]))?;
    add(rows::million_look(), Figures { seconds: Some(look.as_secs_f64()), ..Figures::default() });
    let before = process::resident_max(cluster)?;
    let took = runtime.block_on(all(&cluster.endpoints()[0]))?;
    let grown = Some(process::resident_peak(cluster)? - before);
    add(rows::million_all(), Figures { seconds: Some(took.as_secs_f64()), grown, ..Figures::default() });

    for care in [Care::Defragment, Care::Compact, Care::Snapshot] {
        match longest_put(&runtime, generator, &cluster.endpoints()[0], care)? {
            None => eprintln!("{server:?} has no {} for clients", care.name()),
            Some(longest) => {
                let seconds = Some(longest.as_secs_f64());
                add(rows::million_care(care.name()), Figures { seconds, ..Figures::default() });
            }
        }
    }
    Ok(())
}

fn key(number: u64) -> String {
    format!("m/{number:010}")
}

async fn kv(endpoint: &str) -> anyhow::Result<KvClient<Channel>> {
    let channel = Endpoint::new(endpoint.to_owned())?.connect().await?;
    Ok(KvClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
}

async fn load(endpoint: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..LOAD_IN_FLIGHT {
        let (mut kv, next) = (kv(endpoint).await?, Arc::clone(&next));
        clients.spawn(async move {
            loop {
                let first = next.fetch_add(LOAD_PUTS, Ordering::Relaxed);
                if first >= KEYS {
                    return anyhow::Ok(());
                }
                let put = |number| {
                    let put = PutRequest {
                        key: key(number).into(),
                        value: vec![b'v'; VALUE_BYTES].into(),
                        ..PutRequest::default()
                    };
                    RequestOp { request: Some(Request::RequestPut(put)) }
                };
                let success = (first..first + LOAD_PUTS).map(put).collect();
                kv.txn(TxnRequest { success, ..TxnRequest::default() }).await?;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(began.elapsed())
}

/// Ends the member, starts it again, and gives the time until it has answered a linearizable read.
fn restart(cluster: &mut Cluster, signal: Signal) -> anyhow::Result<Duration> {
    let process = cluster.members[0].process.as_mut().context("the member does not run")?;
    process.signal(signal)?;
    let began = Instant::now();
    while process.ended().is_none() {
        if began.elapsed() > READY_WAIT_MAX {
            bail!("the member did not end within {READY_WAIT_MAX:?}");
        }
        std::thread::sleep(POLL);
    }
    cluster.members[0].kill();
    let began = Instant::now();
    cluster.start(0)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let endpoint = cluster.endpoints().remove(0);
    runtime.block_on(async {
        while began.elapsed() < READY_WAIT_MAX {
            if let Ok(mut kv) = kv(&endpoint).await {
                let read = RangeRequest { key: key(1).into(), ..RangeRequest::default() };
                if kv.range(read).await.is_ok() {
                    return Ok(began.elapsed());
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the member was not back within {READY_WAIT_MAX:?}")
    })
}

/// The median time to get the first key from somewhere on, with how many there are behind it.
async fn look(endpoint: &str) -> anyhow::Result<Duration> {
    let mut kv = kv(endpoint).await?;
    let mut times = Vec::new();
    for turn in 0..LOOKS {
        let from = u64::from(turn).wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS;
        let read = RangeRequest {
            key: key(from).into(),
            range_end: b"m0".to_vec().into(),
            limit: 1,
            ..RangeRequest::default()
        };
        let began = Instant::now();
        let answer = kv.range(read).await?.into_inner();
        times.push(began.elapsed());
        if answer.count != i64::try_from(KEYS - from)? {
            bail!("expected a count of {}, found {}", KEYS - from, answer.count);
        }
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// How long it takes to get all keys at once.
async fn all(endpoint: &str) -> anyhow::Result<Duration> {
    let mut kv = kv(endpoint).await?;
    let read = RangeRequest {
        key: b"m/".to_vec().into(),
        range_end: b"m0".to_vec().into(),
        ..RangeRequest::default()
    };
    let began = Instant::now();
    let answer = kv.range(read).await?.into_inner();
    if answer.kvs.len() as u64 != KEYS {
        bail!("expected {KEYS} keys, found {}", answer.kvs.len());
    }
    Ok(began.elapsed())
}

/// What is done to look after a store.
#[derive(Clone, Copy, Debug)]
enum Care {
    Defragment,
    Compact,
    Snapshot,
}

impl Care {
    fn name(self) -> &'static str {
        match self {
            Care::Defragment => "defragment",
            Care::Compact => "compact",
            Care::Snapshot => "snapshot",
        }
    }

    async fn take(self, endpoint: &str) -> anyhow::Result<()> {
        let channel = Endpoint::new(endpoint.to_owned())?.connect().await?;
        let mut maintenance = MaintenanceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        match self {
            Care::Defragment => {
                maintenance.defragment(DefragmentRequest {}).await?;
            }
            Care::Compact => {
                let mut kv = kv(endpoint).await?;
                let header = kv.range(RangeRequest { key: key(1).into(), ..RangeRequest::default() }).await?;
                let revision = header.into_inner().header.context("an answer without a header")?.revision;
                kv.compact(CompactionRequest { revision, physical: true }).await?;
            }
            Care::Snapshot => {
                let mut chunks = maintenance.snapshot(SnapshotRequest {}).await?.into_inner();
                while chunks.message().await?.is_some() {}
            }
        }
        Ok(())
    }
}

/// The longest of many puts at a fixed rate, counted from when each was meant to begin, while the store is looked after; none if
/// the server cannot be asked to.
fn longest_put(
    runtime: &tokio::runtime::Runtime,
    generator: &Path,
    endpoint: &str,
    care: Care,
) -> anyhow::Result<Option<Duration>> {
    let puts = puts(generator, endpoint)?;
    let taken = runtime.block_on(async {
        tokio::time::sleep(BEFORE).await;
        care.take(endpoint).await
    });
    let output = puts.wait_with_output()?;
    match taken {
        Err(error) if is_unimplemented(&error) => return Ok(None),
        taken => taken?,
    }
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).context(GENERATOR_JSON)?;
    let micros = said["max_us"].as_u64().context(GENERATOR_JSON)?;
    Ok(Some(Duration::from_micros(micros)))
}

fn is_unimplemented(error: &anyhow::Error) -> bool {
    error.downcast_ref::<tonic::Status>().is_some_and(|status| status.code() == tonic::Code::Unimplemented)
}

fn puts(generator: &Path, endpoint: &str) -> anyhow::Result<Child> {
    Command::new(generator)
        .args(["bench", "put", "--json", "--endpoints", endpoint, "--rate", RATE, "--in-flight", "64"])
        .args(["--seconds", &format!("{STALL_SECONDS}s")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("the generator does not run")
}

fn bytes_below(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // A file may be merged away meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { blocks_bytes(&metadata) };
    }
    Ok(bytes)
}

/// What a file takes of the disk, which is less than its length if it has holes.
fn blocks_bytes(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks() * 512
}
