//! One writer and many watchers: how long until all are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use synod_server::proto::etcdserverpb::watch_request::RequestUnion;
use synod_server::proto::etcdserverpb::{PutRequest, WatchCreateRequest, WatchRequest};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use super::Arguments;
use super::drive::Measured;
use super::workload::{PREFIX, PREFIX_END, key};
use crate::client;
use crate::failure::Failure;

/// Digits of the time, in nanoseconds since the beginning, that a value opens with.
const TIME_DIGITS: usize = 16;
/// How long watchers wait for events that are still under way when the writer has finished.
const LAST_EVENTS: Duration = Duration::from_millis(500);

/// Puts in a closed loop, or at the rate asked for; every watcher notes when it is told.
pub async fn measure(
    channels: &[Channel],
    arguments: &Arguments,
    answers: &Arc<AtomicU64>,
) -> Result<Measured, Failure> {
    let began = Instant::now();
    let (created, mut ready) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let mut watchers = JoinSet::new();
    for (channel, _) in channels.iter().cycle().zip(0..arguments.in_flight) {
        let told = Arc::clone(answers);
        watchers.spawn(be_told(channel.clone(), began, created.clone(), stopped.clone(), told));
    }
    drop(created);
    for _ in 0..arguments.in_flight {
        if ready.recv().await.is_none() {
            break;
        }
    }
    let puts = write(channels[0].clone(), arguments, began).await?;
    tokio::time::sleep(LAST_EVENTS).await;
    stop.send_replace(true);
    let mut measured = Measured::new();
    while let Some(part) = watchers.join_next().await {
        measured.add(part.map_err(|error| Failure::internal(error.to_string()))?);
    }
    measured.puts = Some(puts);
    Ok(measured)
}

/// Puts one key for as long as asked for; says how often.
async fn write(channel: Channel, arguments: &Arguments, began: Instant) -> Result<u64, Failure> {
    let mut kv = client::kv(channel);
    let (start, padding) = (Instant::now(), arguments.value_bytes as usize);
    let mut puts = 0;
    loop {
        if let Some(rate) = arguments.rate {
            let intended = start + Duration::from_secs_f64(puts as f64 / f64::from(rate));
            tokio::time::sleep_until(intended.into()).await;
        }
        if start.elapsed() >= arguments.seconds {
            return Ok(puts);
        }
        let mut value = format!("{:0TIME_DIGITS$x}", began.elapsed().as_nanos()).into_bytes();
        value.resize(padding.max(TIME_DIGITS), b'v');
        let request = PutRequest { key: key(0), value: value.into(), ..PutRequest::default() };
        kv.put(request).await.map_err(|status| client::failure_of(&status))?;
        puts += 1;
    }
}

async fn be_told(
    channel: Channel,
    began: Instant,
    created: mpsc::Sender<()>,
    mut stopped: watch::Receiver<bool>,
    told: Arc<AtomicU64>,
) -> Measured {
    let mut measured = Measured::new();
    let create =
        WatchCreateRequest { key: PREFIX.into(), range_end: PREFIX_END.into(), ..Default::default() };
    let (requests, sent) = mpsc::channel(1);
    let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    // There is room for one.
    let _ = requests.send(request).await;
    let mut stream = match client::watch(channel).watch(ReceiverStream::new(sent)).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return failed(measured, &status),
    };
    loop {
        let answer = tokio::select! {
            answer = stream.message() => answer,
            _ = stopped.changed() => return measured,
        };
        let answer = match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => return failed(measured, &Status::unavailable("the stream was closed")),
            Err(status) => return failed(measured, &status),
        };
        if answer.created {
            // Whoever waits for it may have gone.
            let _ = created.send(()).await;
        }
        for kv in answer.events.into_iter().filter_map(|event| event.kv) {
            if let Some(at) = sent_at(&kv.value) {
                measured.answered(began.elapsed().saturating_sub(at));
                told.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn failed(mut measured: Measured, status: &Status) -> Measured {
    measured.errors += 1;
    measured.first_error = Some(status.message().to_owned());
    measured
}

/// The time that a value opens with; none for a value of someone else.
fn sent_at(value: &[u8]) -> Option<Duration> {
    let digits = std::str::from_utf8(value.get(..TIME_DIGITS)?).ok()?;
    u64::from_str_radix(digits, 16).ok().map(Duration::from_nanos)
}
