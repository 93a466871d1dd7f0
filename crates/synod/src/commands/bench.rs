//! `synod bench`: drives any etcd v3 cluster with a closed loop of requests, and says how fast it answered.
//!
//! So many requests are in flight at any time, each client sends the next one when the last was answered. Latency is
//! measured at the client. The generator takes a part of the machine: it says how much CPU it took itself.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use synod_server::proto::etcdserverpb::{PutRequest, RangeRequest};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::Context;
use crate::client;
use crate::failure::{Exit, Failure};
use crate::go_syntax::duration;
use crate::note;

const EXAMPLES: &str = "\
Examples:
  synod bench put                        64 puts in flight for 5 s
  synod bench get --in-flight 512 --keys 100000
  synod bench get-serializable --seconds 10s --json
";

/// Requests that fill the keys before reads are measured, in flight at once.
const FILL_IN_FLIGHT: usize = 64;
/// Longest latency that is told apart, in microseconds.
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// What is asked
    #[arg(value_enum)]
    workload: Workload,
    /// Requests in flight
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
    /// Connections, spread over all endpoints; by default 9 up to 64 in flight and 18 above, 1 for 1
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    connections: Option<u32>,
    /// Bytes of a value
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    value_bytes: u32,
    /// Keys, chosen evenly
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    keys: u32,
    /// How long
    #[arg(long, default_value = "5s", value_parser = duration::parse, value_name = "TIME")]
    seconds: Duration,
    /// Do not write the keys before reading them
    #[arg(long)]
    no_fill: bool,
    /// One JSON object instead of a sentence
    #[arg(long)]
    json: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Writes
    Put,
    /// Linearizable reads of one key
    Get,
    /// Serializable reads of one key
    GetSerializable,
}

/// What was seen.
struct Measured {
    answers: u64,
    errors: u64,
    first_error: Option<String>,
    took: Duration,
    latency: Histogram<u64>,
    cpu: Duration,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("no threads to drive with: {error}")))?;
    let measured = runtime.block_on(drive(context, arguments))?;
    runtime.shutdown_background();
    print(arguments, &measured)?;
    Ok(if measured.answers == 0 { Exit::Unreachable } else { Exit::Fine })
}

async fn drive(context: &Context, arguments: &Arguments) -> Result<Measured, Failure> {
    let in_flight = arguments.in_flight as usize;
    let by_default = match in_flight {
        1 => 1,
        2..=64 => 9,
        _ => 18,
    };
    let connections = arguments.connections.map_or(by_default, |count| count as usize).min(in_flight);
    let mut channels = Vec::new();
    for (_, client) in context.client()?.each().collect::<Vec<_>>().iter().cycle().take(connections) {
        channels.push(client.connect(0).await?.1);
    }
    if arguments.workload != Workload::Put && !arguments.no_fill {
        note(format_args!("Writing {} keys first", arguments.keys));
        let next = Arc::new(AtomicU64::new(0));
        let mut filling = JoinSet::new();
        for (channel, _) in channels.iter().cycle().zip(0..FILL_IN_FLIGHT) {
            filling.spawn(fill(channel.clone(), Arc::clone(&next), arguments.keys, value(arguments)));
        }
        while let Some(filled) = filling.join_next().await {
            filled.map_err(|error| Failure::internal(error.to_string()))??;
        }
    }
    let began = Instant::now();
    let cpu_before = own_cpu();
    let mut clients = JoinSet::new();
    for (number, channel) in (0..in_flight).zip(channels.iter().cycle()) {
        clients.spawn(ask(channel.clone(), number as u64, Plan::of(arguments), began + arguments.seconds));
    }
    let mut measured = Measured {
        answers: 0,
        errors: 0,
        first_error: None,
        took: Duration::ZERO,
        latency: histogram(),
        cpu: Duration::ZERO,
    };
    while let Some(part) = clients.join_next().await {
        let (latency, errors, first_error) = part.map_err(|error| Failure::internal(error.to_string()))?;
        measured.answers += latency.len();
        measured.errors += errors;
        measured.first_error = measured.first_error.or(first_error);
        let same = measured.latency.add(latency);
        same.map_err(|error| Failure::internal(format!("latencies cannot be added: {error}")))?;
    }
    measured.took = began.elapsed();
    measured.cpu = own_cpu().saturating_sub(cpu_before);
    Ok(measured)
}

/// What one client does.
#[derive(Clone)]
struct Plan {
    workload: Workload,
    keys: u64,
    value: Bytes,
}

impl Plan {
    fn of(arguments: &Arguments) -> Self {
        Plan { workload: arguments.workload, keys: arguments.keys.into(), value: value(arguments) }
    }
}

async fn ask(
    channel: Channel,
    seed: u64,
    plan: Plan,
    until: Instant,
) -> (Histogram<u64>, u64, Option<String>) {
    let mut kv = client::kv(channel);
    let mut latency = histogram();
    let (mut errors, mut first_error) = (0, None);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    loop {
        let began = Instant::now();
        if began >= until {
            return (latency, errors, first_error);
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = key((state >> 33) % plan.keys);
        let answer = match plan.workload {
            Workload::Put => {
                let request = PutRequest { key, value: plan.value.clone(), ..PutRequest::default() };
                kv.put(request).await.map(|_| ())
            }
            Workload::Get | Workload::GetSerializable => {
                let serializable = plan.workload == Workload::GetSerializable;
                kv.range(RangeRequest { key, serializable, ..RangeRequest::default() }).await.map(|_| ())
            }
        };
        match answer {
            Ok(()) => latency.saturating_record(began.elapsed().as_micros() as u64),
            Err(status) => {
                errors += 1;
                first_error.get_or_insert_with(|| status.message().to_owned());
                // A server that refuses at once is not to be hammered.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn fill(channel: Channel, next: Arc<AtomicU64>, keys: u32, value: Bytes) -> Result<(), Failure> {
    let mut kv = client::kv(channel);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= keys.into() {
            return Ok(());
        }
        let request = PutRequest { key: key(number), value: value.clone(), ..PutRequest::default() };
        kv.put(request).await.map_err(|status| client::failure_of(&status))?;
    }
}

fn print(arguments: &Arguments, measured: &Measured) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let rate = measured.answers as f64 / measured.took.as_secs_f64();
    let micros = |quantile| measured.latency.value_at_quantile(quantile);
    if arguments.json {
        let object = serde_json::json!({
            "schema": "synod-bench/1",
            "workload": arguments.workload.to_possible_value().map(|value| value.get_name().to_owned()),
            "in_flight": arguments.in_flight,
            "value_bytes": arguments.value_bytes,
            "keys": arguments.keys,
            "seconds": measured.took.as_secs_f64(),
            "answers": measured.answers,
            "errors": measured.errors,
            "per_second": rate,
            "p50_us": micros(0.5),
            "p99_us": micros(0.99),
            "p999_us": micros(0.999),
            "max_us": measured.latency.max(),
            "client_cpu_seconds": measured.cpu.as_secs_f64(),
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    let milliseconds = |quantile| micros(quantile) as f64 / 1_000.0;
    writeln!(
        out,
        "{rate:.0}/s   p50 {:.2} ms   p99 {:.2} ms   p99.9 {:.2} ms   {} answers, {} errors in {:.1} s",
        milliseconds(0.5),
        milliseconds(0.99),
        milliseconds(0.999),
        measured.answers,
        measured.errors,
        measured.took.as_secs_f64()
    )?;
    note(format_args!("The generator itself took {:.1} s of CPU time", measured.cpu.as_secs_f64()));
    if let Some(error) = &measured.first_error {
        note(format_args!("The first error: {error}"));
    }
    Ok(())
}

fn key(number: u64) -> Bytes {
    format!("bench/{number:010}").into()
}

fn value(arguments: &Arguments) -> Bytes {
    vec![b'v'; arguments.value_bytes as usize].into()
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MICROS_MAX, 3).expect("three digits up to a minute fit a histogram")
}

/// User and system time of this process.
fn own_cpu() -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold anything; fields 14 and 15 of the whole are counted from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 1_000 / TICKS_PER_SECOND)
}
