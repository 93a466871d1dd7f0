//! One writer and many watchers: how long until all are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use synod_grpc::{Event, Messages, StreamId};
use synod_server::proto::etcdserverpb::watch_request::RequestUnion;
use synod_server::proto::etcdserverpb::{PutRequest, WatchCreateRequest, WatchRequest, WatchResponse};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Arguments;
use super::asking::ended;
use super::drive::Measured;
use super::workload::{PREFIX, PREFIX_END, key, send};
use crate::client::{Alarm, Dialer, Line};
use crate::failure::Failure;

/// Digits of the time, in nanoseconds since the beginning, that a value opens with.
const TIME_DIGITS: usize = 16;
/// How long watchers wait for events that are still under way when the writer has finished.
const LAST_EVENTS: Duration = Duration::from_millis(500);
/// Largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = i32::MAX as usize;

/// Puts in a closed loop, or at the rate asked for, on a connection of its own; every watcher notes when it is told.
pub async fn measure(
    dialer: &Dialer,
    lines: Vec<Line>,
    arguments: &Arguments,
    answers: &Arc<AtomicU64>,
) -> Result<Measured, Failure> {
    let began = Instant::now();
    let writer = dialer.dial(0).await?;
    let (created, mut ready) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let mut watching = JoinSet::new();
    let count = lines.len() as u32;
    for (number, line) in (0..).zip(lines) {
        let watchers = arguments.in_flight / count + u32::from(number < arguments.in_flight % count);
        let told = Told { began, created: created.clone(), count: Arc::clone(answers) };
        watching.spawn(be_told(line, watchers, told, stopped.clone()));
    }
    drop(created);
    for _ in 0..arguments.in_flight {
        if ready.recv().await.is_none() {
            break;
        }
    }
    let puts = write(writer, arguments, began).await?;
    tokio::time::sleep(LAST_EVENTS).await;
    stop.send_replace(true);
    let mut measured = Measured::new();
    while let Some(part) = watching.join_next().await {
        measured.add(part.map_err(|error| Failure::internal(error.to_string()))?);
    }
    measured.puts = Some(puts);
    Ok(measured)
}

/// Puts one key for as long as asked for; says how often.
async fn write(mut line: Line, arguments: &Arguments, began: Instant) -> Result<u64, Failure> {
    let mut head = line.head("/etcdserverpb.KV/Put");
    let (start, padding) = (Instant::now(), arguments.value_bytes as usize);
    let mut puts = 0;
    loop {
        if let Some(rate) = arguments.rate {
            let intended = start + Duration::from_secs_f64(puts as f64 / f64::from(rate));
            Alarm::at(intended).await;
        }
        if start.elapsed() >= arguments.seconds {
            return Ok(puts);
        }
        let mut value = format!("{:0TIME_DIGITS$x}", began.elapsed().as_nanos()).into_bytes();
        value.resize(padding.max(TIME_DIGITS), b'v');
        let request = PutRequest { key: key(0), value: value.into(), ..PutRequest::default() };
        send(&mut line, &mut head, &request);
        wait_for_end(&mut line).await?;
        puts += 1;
    }
}

async fn wait_for_end(line: &mut Line) -> Result<(), Failure> {
    loop {
        line.turn(None)
            .await
            .map_err(|error| Failure::unreachable(format!("the connection is lost: {error}")))?;
        while let Some(event) = line.next_event() {
            if let Some(ended) = ended(&event, line.http()) {
                return ended.map_err(Failure::refused);
            }
        }
    }
}

/// Who hears of what was told.
struct Told {
    began: Instant,
    created: mpsc::UnboundedSender<()>,
    count: Arc<AtomicU64>,
}

/// Watches with so many streams of one connection, until told to stop.
async fn be_told(mut line: Line, watchers: u32, told: Told, mut stopped: watch::Receiver<bool>) -> Measured {
    let mut measured = Measured::new();
    let mut head = line.head("/etcdserverpb.Watch/Watch");
    let create =
        WatchCreateRequest { key: PREFIX.into(), range_end: PREFIX_END.into(), ..Default::default() };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let mut streams: BTreeMap<StreamId, Messages> = BTreeMap::new();
    let mut wanted = watchers;
    loop {
        while wanted > 0
            && let Some(stream) =
                line.http().call(&mut head, false, |out| create.encode(out).expect("the buffer grows"))
        {
            streams.insert(stream, Messages::default());
            wanted -= 1;
        }
        let turned = tokio::select! {
            turned = line.turn(None) => turned,
            _ = stopped.changed() => return measured,
        };
        if let Err(error) = turned {
            return failed(measured, format!("the connection was lost: {error}"));
        }
        while let Some(event) = line.next_event() {
            if let Event::Data { stream, data, .. } = &event
                && let Some(messages) = streams.get_mut(stream)
            {
                messages.push(data.clone());
                if let Err(reason) = take_answers(messages, &told, &mut measured) {
                    return failed(measured, reason);
                }
            }
            if let Some(ended) = ended(&event, line.http()) {
                return failed(measured, ended.err().unwrap_or_else(|| "the stream was closed".to_owned()));
            }
        }
    }
}

fn take_answers(messages: &mut Messages, told: &Told, measured: &mut Measured) -> Result<(), String> {
    while let Some(message) = messages.next(ANSWER_BYTES_MAX).map_err(|error| error.to_string())? {
        let now = told.began.elapsed();
        take_answer(message, now, told, measured)?;
    }
    Ok(())
}

fn take_answer(message: Bytes, now: Duration, told: &Told, measured: &mut Measured) -> Result<(), String> {
    let answer = WatchResponse::decode(message).map_err(|error| error.to_string())?;
    if answer.created {
        // Whoever waits for it may have gone.
        let _ = told.created.send(());
    }
    let mut events = 0;
    for kv in answer.events.into_iter().filter_map(|event| event.kv) {
        if let Some(at) = sent_at(&kv.value) {
            measured.answered(now.saturating_sub(at));
            measured.took = now;
            events += 1;
        }
    }
    told.count.fetch_add(events, Ordering::Relaxed);
    Ok(())
}

fn failed(mut measured: Measured, reason: String) -> Measured {
    measured.errors += 1;
    measured.first_error = Some(reason);
    measured
}

/// The time that a value opens with; none for a value of someone else.
fn sent_at(value: &[u8]) -> Option<Duration> {
    let digits = std::str::from_utf8(value.get(..TIME_DIGITS)?).ok()?;
    u64::from_str_radix(digits, 16).ok().map(Duration::from_nanos)
}
