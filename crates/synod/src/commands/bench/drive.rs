//! A measurement from its beginning to its end, and what was seen.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use synod_check::specification::key_value::{Request, Span};
use synod_grpc::{Event, Messages};
use synod_server::proto::etcdserverpb::PutRequest;
use tokio::task::JoinSet;

use super::super::Context;
use super::history::{self, Account, Beginning};
use super::workload::{Asker, PREFIX, Question, Workload, key, send, value};
use super::{Arguments, asking, requests, watching};
use crate::client::{Dialer, Line};
use crate::failure::Failure;
use crate::note;

/// Connections that fill the keys before reads are measured.
const FILL_LINES: u64 = 9;
/// Requests in flight on each of them.
const FILL_IN_FLIGHT: usize = 8;
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
    /// How the record begins.
    pub beginning: Beginning,
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
            beginning: Beginning::Keys,
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
        self.took = self.took.max(other.took);
        self.first_error = self.first_error.take().or(other.first_error);
        self.accounts.extend(other.accounts);
    }
}

/// Connects, fills the keys if need be, and asks for as long as told.
pub async fn drive(context: &Context, arguments: &Arguments) -> Result<Measured, Failure> {
    let dialer = Dialer::new(&context.client_options())?;
    // A history begins with nothing, so that what is read was written in it.
    if arguments.workload.reads() && !arguments.no_fill && arguments.history.is_none() {
        fill(&dialer, arguments).await?;
    }
    let mut lines = connect(&dialer, arguments).await?;
    let beginning = match arguments.history.is_some() && arguments.workload.asks_an_etcd() {
        true => Beginning::Revision(revision(&mut lines[0]).await?),
        false => Beginning::Keys,
    };
    let began = Instant::now();
    let cpu_before = own_cpu();
    let answers = Arc::new(AtomicU64::new(0));
    let progress = tokio::spawn(progress(Arc::clone(&answers), began, arguments.seconds));
    let mut measured = match arguments.workload {
        Workload::Watch => watching::measure(&dialer, lines, arguments, &answers).await?,
        _ => ask_all(&dialer, lines, arguments, began, &answers).await?,
    };
    progress.abort();
    if measured.took.is_zero() {
        measured.took = began.elapsed();
    }
    measured.beginning = beginning;
    measured.cpu = own_cpu().saturating_sub(cpu_before);
    Ok(measured)
}

async fn connect(dialer: &Dialer, arguments: &Arguments) -> Result<Vec<Line>, Failure> {
    let in_flight = arguments.in_flight as usize;
    let by_default = match in_flight {
        1 => 1,
        2..=64 => 9,
        _ => 18,
    };
    let count = arguments.connections.map_or(by_default, |count| count as usize).min(in_flight);
    let mut lines = Vec::new();
    for number in 0..count {
        lines.push(dialer.dial(number).await?);
    }
    Ok(lines)
}

async fn ask_all(
    dialer: &Dialer,
    lines: Vec<Line>,
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
    let prefix = history::fresh_prefix();
    let mut askers: Vec<Vec<Asker>> = lines.iter().map(|_| Vec::new()).collect();
    let count = askers.len();
    for number in 0..arguments.in_flight {
        let mut asker = Asker::new(number.into(), arguments);
        if arguments.history.is_some() {
            asker = asker.recording(Account::new(number.into(), began), &prefix);
        }
        askers[number as usize % count].push(asker);
    }
    let mut asking = JoinSet::new();
    for (number, (line, askers)) in lines.into_iter().zip(askers).enumerate() {
        asking.spawn(asking::ask(dialer.clone(), number, line, askers, plan.clone()));
    }
    let mut measured = Measured::new();
    while let Some(part) = asking.join_next().await {
        measured.add(part.map_err(|error| Failure::internal(error.to_string()))?);
    }
    Ok(measured)
}

/// When clients ask.
#[derive(Clone)]
pub struct Plan {
    began: Instant,
    /// When the last request may begin.
    pub until: Instant,
    rate: Option<u32>,
    /// Of the requests at intended times, the next one.
    next: Arc<AtomicU64>,
    /// Requests that were answered.
    pub answers: Arc<AtomicU64>,
}

impl Plan {
    /// When a client's next request is meant to begin: now, or in an open loop when its turn is.
    pub fn turn(&self, now: Instant) -> Instant {
        let Some(rate) = self.rate else { return now };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.began + Duration::from_secs_f64(turn as f64 / f64::from(rate))
    }
}

/// The revision of the store now.
async fn revision(line: &mut Line) -> Result<u64, Failure> {
    let mut head = line.head("/etcdserverpb.KV/Range");
    let request = Request::Range { span: Span::key(PREFIX), limit: 0, count_only: true };
    let Question::Range(question) = requests::question(&request, 0) else {
        unreachable!("a range is asked for by a range")
    };
    send(line, &mut head, &question);
    let mut messages = Messages::default();
    loop {
        let lost = |error| Failure::unreachable(format!("the connection is lost: {error}"));
        line.turn(None).await.map_err(lost)?;
        while let Some(event) = line.next_event() {
            if let Event::Data { data, .. } = &event {
                messages.push(data.clone());
            }
            let Some(ended) = asking::ended(&event, line.http()) else { continue };
            let answer = ended.and_then(|()| {
                let message = messages.next(asking::ANSWER_BYTES_MAX).map_err(|error| error.to_string())?;
                requests::answer(&request, message.ok_or("the answer has no message")?)
            });
            let refused =
                |refusal| Failure::refused(format!("the store does not say its revision: {refusal}"));
            return Ok(answer.map_err(refused)?.revision);
        }
    }
}

/// Writes all keys once.
async fn fill(dialer: &Dialer, arguments: &Arguments) -> Result<(), Failure> {
    note(format_args!("Writing {} keys first", arguments.keys));
    let mut filling = JoinSet::new();
    let count = u64::from(arguments.keys).min(FILL_LINES);
    for number in 0..count {
        let line = dialer.dial(number as usize).await?;
        filling.spawn(fill_part(
            line,
            (number..arguments.keys.into()).step_by(count as usize),
            value(arguments),
        ));
    }
    while let Some(filled) = filling.join_next().await {
        filled.map_err(|error| Failure::internal(error.to_string()))??;
    }
    Ok(())
}

async fn fill_part(
    mut line: Line,
    mut numbers: impl Iterator<Item = u64>,
    value: Bytes,
) -> Result<(), Failure> {
    let mut head = line.head("/etcdserverpb.KV/Put");
    let mut in_flight = 0;
    loop {
        while in_flight < FILL_IN_FLIGHT
            && line.http().may_open()
            && let Some(number) = numbers.next()
        {
            let request = PutRequest { key: key(number), value: value.clone(), ..PutRequest::default() };
            send(&mut line, &mut head, &request);
            in_flight += 1;
        }
        if in_flight == 0 {
            return Ok(());
        }
        line.turn(None)
            .await
            .map_err(|error| Failure::unreachable(format!("the connection is lost: {error}")))?;
        while let Some(event) = line.next_event() {
            if let Some(ended) = asking::ended(&event, line.http()) {
                ended
                    .map_err(|refusal| Failure::refused(format!("the keys cannot be written: {refusal}")))?;
                in_flight -= 1;
            }
        }
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
