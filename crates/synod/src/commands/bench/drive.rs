//! The loops that ask, and what they see.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use synod_server::proto::etcdserverpb::PutRequest;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::super::Context;
use super::history::{self, Account};
use super::workload::{Asker, Workload, key, value};
use super::{Arguments, watching};
use crate::client;
use crate::failure::Failure;
use crate::note;

/// Requests that fill the keys before reads are measured, in flight at once.
const FILL_IN_FLIGHT: usize = 64;
/// Longest latency that is told apart, in microseconds.
const LATENCY_MICROS_MAX: u64 = 60_000_000;
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// What was seen.
pub struct Measured {
    /// Of each answer, in microseconds.
    pub latency: Histogram<u64>,
    pub errors: u64,
    pub first_error: Option<String>,
    /// Until the last answer.
    pub took: Duration,
    /// CPU time of this process.
    pub cpu: Duration,
    /// Puts behind the events, where watchers were measured.
    pub puts: Option<u64>,
    /// What each client did and saw, where that was recorded.
    pub accounts: Vec<Account>,
}

impl Measured {
    /// Nothing yet.
    pub fn new() -> Self {
        let latency = Histogram::new_with_max(LATENCY_MICROS_MAX, 3);
        let latency = latency.expect("three digits up to a minute fit a histogram");
        Measured {
            latency,
            errors: 0,
            first_error: None,
            took: Duration::ZERO,
            cpu: Duration::ZERO,
            puts: None,
            accounts: Vec::new(),
        }
    }

    /// Counts an answer.
    pub fn answered(&mut self, after: Duration) {
        self.latency.saturating_record(after.as_micros() as u64);
    }

    /// Adds what another client saw.
    pub fn add(&mut self, other: Measured) {
        self.latency.add(other.latency).expect("all histograms have one shape");
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.accounts.extend(other.accounts);
    }
}

/// Connects, fills the keys if need be, and asks for as long as told.
pub async fn drive(context: &Context, arguments: &Arguments) -> Result<Measured, Failure> {
    let channels = connect(context, arguments).await?;
    // A history begins with nothing, so that what is read was written in it.
    if arguments.workload.reads() && !arguments.no_fill && arguments.history.is_none() {
        fill_all(&channels, arguments).await?;
    }
    let began = Instant::now();
    let cpu_before = own_cpu();
    let answers = Arc::new(AtomicU64::new(0));
    let progress = tokio::spawn(progress(Arc::clone(&answers), began, arguments.seconds));
    let mut measured = match arguments.workload {
        Workload::Watch => watching::measure(&channels, arguments, &answers).await?,
        _ => ask_all(&channels, arguments, began, &answers).await?,
    };
    progress.abort();
    measured.took = began.elapsed();
    measured.cpu = own_cpu().saturating_sub(cpu_before);
    Ok(measured)
}

async fn connect(context: &Context, arguments: &Arguments) -> Result<Vec<Channel>, Failure> {
    let in_flight = arguments.in_flight as usize;
    let by_default = match in_flight {
        1 => 1,
        2..=64 => 9,
        _ => 18,
    };
    let count = arguments.connections.map_or(by_default, |count| count as usize).min(in_flight);
    let mut channels = Vec::new();
    for (_, client) in context.client()?.each().collect::<Vec<_>>().iter().cycle().take(count) {
        channels.push(client.connect(0).await?.1);
    }
    Ok(channels)
}

async fn ask_all(
    channels: &[Channel],
    arguments: &Arguments,
    began: Instant,
    answers: &Arc<AtomicU64>,
) -> Result<Measured, Failure> {
    let plan = Plan {
        began,
        until: began + arguments.seconds,
        rate: arguments.rate,
        next: Arc::default(),
        answers: Arc::clone(answers),
    };
    let mut clients = JoinSet::new();
    let prefix = history::fresh_prefix();
    for (number, channel) in (0..arguments.in_flight.into()).zip(channels.iter().cycle()) {
        let mut asker = Asker::new(channel.clone(), number, arguments);
        if arguments.history.is_some() {
            asker = asker.recording(Account::new(number, began), &prefix);
        }
        clients.spawn(ask(asker, plan.clone()));
    }
    let mut measured = Measured::new();
    while let Some(part) = clients.join_next().await {
        measured.add(part.map_err(|error| Failure::internal(error.to_string()))?);
    }
    Ok(measured)
}

/// When clients ask.
#[derive(Clone)]
struct Plan {
    began: Instant,
    until: Instant,
    rate: Option<u32>,
    /// Of the requests at intended times, the next one.
    next: Arc<AtomicU64>,
    answers: Arc<AtomicU64>,
}

impl Plan {
    /// When the next request is meant to begin: now, or in an open loop when its turn is.
    async fn turn(&self) -> Instant {
        let Some(rate) = self.rate else { return Instant::now() };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let intended = self.began + Duration::from_secs_f64(turn as f64 / f64::from(rate));
        tokio::time::sleep_until(intended.min(self.until).into()).await;
        intended
    }
}

async fn ask(mut asker: Asker, plan: Plan) -> Measured {
    let mut measured = Measured::new();
    loop {
        let intended = plan.turn().await;
        if intended >= plan.until {
            measured.accounts.extend(asker.into_account());
            return measured;
        }
        match asker.ask().await {
            Ok(()) => {
                measured.answered(intended.elapsed());
                plan.answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => {
                measured.errors += 1;
                measured.first_error.get_or_insert_with(|| status.message().to_owned());
                // A server that refuses at once is not to be hammered.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn fill_all(channels: &[Channel], arguments: &Arguments) -> Result<(), Failure> {
    note(format_args!("Writing {} keys first", arguments.keys));
    let next = Arc::new(AtomicU64::new(0));
    let mut filling = JoinSet::new();
    for (channel, _) in channels.iter().cycle().zip(0..FILL_IN_FLIGHT) {
        filling.spawn(fill(channel.clone(), Arc::clone(&next), arguments.clone()));
    }
    while let Some(filled) = filling.join_next().await {
        filled.map_err(|error| Failure::internal(error.to_string()))??;
    }
    Ok(())
}

async fn fill(channel: Channel, next: Arc<AtomicU64>, arguments: Arguments) -> Result<(), Failure> {
    let mut kv = client::kv(channel);
    let value = value(&arguments);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= arguments.keys.into() {
            return Ok(());
        }
        let request = PutRequest { key: key(number), value: value.clone(), ..PutRequest::default() };
        kv.put(request).await.map_err(|status| client::failure_of(&status))?;
    }
}

/// On a terminal: the time and the rate since the last look, in one line that is written over.
async fn progress(answers: Arc<AtomicU64>, began: Instant, whole: Duration) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let (mut before, mut at) = (0, began);
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        let (now, answered) = (Instant::now(), answers.load(Ordering::Relaxed));
        let rate = (answered - before) as f64 / (now - at).as_secs_f64();
        let mut stderr = std::io::stderr().lock();
        let (gone, whole) = ((now - began).as_secs_f64(), whole.as_secs_f64());
        // Progress that cannot be shown is not worth an error.
        let _ =
            write!(stderr, "\r{gone:.1} of {whole:.0} s   {rate:.0}/s\x1b[K\r").and_then(|()| stderr.flush());
        (before, at) = (answered, now);
    }
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
