//! One connection and the clients that ask over it.
//!
//! All of them are in one task. What came in one read is dealt with together, each client asks again at once, and all that they ask leaves in one write: the
//! generator batches as the server does, and for the same reason. Times are taken once for what came together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use synod_grpc::{Connection, Event, Messages, StreamId};

use super::drive::{Measured, Plan};
use super::workload::{Asker, Heads};
use crate::client::{Dialer, Line};

/// A server that refuses at once is not to be hammered.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);
/// Between two attempts to connect again.
const PAUSE_BEFORE_DIALING: Duration = Duration::from_millis(50);
/// Largest answer that is taken, in bytes.
pub const ANSWER_BYTES_MAX: usize = i32::MAX as usize;

/// Asks until the plan ends; connects again when the connection is lost.
pub async fn ask(dialer: Dialer, number: usize, line: Line, askers: Vec<Asker>, plan: Plan) -> Measured {
    let mut asking = Asking::new(askers, plan);
    let mut line = Some(line);
    loop {
        if let Some(mut open) = line.take() {
            match asking.ask_over(&mut open).await {
                Ok(()) => return asking.finish(),
                Err(error) => asking.lost(&format!("the connection was lost: {error}")),
            }
        }
        if Instant::now() >= asking.plan.until {
            return asking.finish();
        }
        match dialer.dial(number).await {
            Ok(open) => line = Some(open),
            Err(failure) => {
                asking.measured.errors += 1;
                asking.measured.first_error.get_or_insert_with(|| failure.sentence.unwrap_or_default());
                tokio::time::sleep(PAUSE_BEFORE_DIALING).await;
            }
        }
    }
}

/// How a call ended, if this event ends it. Takes what it brings as taken.
pub fn ended(event: &Event, http: &mut Connection) -> Option<Result<(), String>> {
    let end = match event {
        Event::Data { stream, data, .. } => {
            http.release(*stream, data.len());
            return None;
        }
        Event::Response { response, ended: true, .. } if response.end.is_none() => {
            return Some(Err(format!("it answered with HTTP's status {}", response.status)));
        }
        Event::Response { response, .. } => response.end.as_ref()?,
        Event::End { end: Some(end), .. } => end,
        Event::End { end: None, .. } => return Some(Err("the answer ended without a status".to_owned())),
        Event::Reset { code, .. } => {
            return Some(Err(format!("the server gave up the stream, code {}", code.0)));
        }
        Event::Request { .. } | Event::Pong(_) | Event::GoAway { .. } => return None,
    };
    Some(if end.code == 0 { Ok(()) } else { Err(end.text()) })
}

struct Asking {
    plan: Plan,
    askers: Vec<Asker>,
    in_flight: BTreeMap<StreamId, InFlight>,
    /// Clients that may ask now, and from when on their requests count.
    ready: VecDeque<(usize, Instant)>,
    /// Clients that ask later.
    later: BinaryHeap<Reverse<(Instant, usize, Instant)>>,
    measured: Measured,
}

struct InFlight {
    asker: usize,
    intended: Instant,
    messages: Messages,
}

impl Asking {
    fn new(askers: Vec<Asker>, plan: Plan) -> Self {
        let now = Instant::now();
        let mut asking = Asking {
            plan,
            in_flight: BTreeMap::new(),
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            measured: Measured::new(),
            askers,
        };
        for asker in 0..asking.askers.len() {
            asking.plan_next(asker, now);
        }
        asking
    }

    async fn ask_over(&mut self, line: &mut Line) -> std::io::Result<()> {
        let mut heads = Heads::new(line);
        loop {
            let now = Instant::now();
            while let Some(Reverse((at, asker, intended))) = self.later.peek().copied()
                && at <= now
            {
                self.later.pop();
                self.ready.push_back((asker, intended));
            }
            while let Some((asker, intended)) = self.ready.pop_front() {
                if now >= self.plan.until || intended >= self.plan.until {
                    continue;
                }
                let Some(stream) = self.askers[asker].ask(line, &mut heads) else {
                    self.ready.push_front((asker, intended));
                    break;
                };
                self.in_flight.insert(stream, InFlight { asker, intended, messages: Messages::default() });
            }
            if self.in_flight.is_empty() && self.later.is_empty() && self.ready.is_empty() {
                return Ok(());
            }
            line.turn(self.later.peek().map(|Reverse((at, ..))| *at)).await?;
            self.take(line);
        }
    }

    /// Deals with what has come.
    fn take(&mut self, line: &mut Line) {
        let now = Instant::now();
        let mut answers = 0;
        while let Some(event) = line.next_event() {
            let stream = match &event {
                Event::Data { stream, data, .. } => {
                    if let Some(call) = self.in_flight.get_mut(stream) {
                        call.messages.push(data.clone());
                    }
                    *stream
                }
                Event::Response { stream, .. } | Event::End { stream, .. } | Event::Reset { stream, .. } => {
                    *stream
                }
                Event::Request { .. } | Event::Pong(_) | Event::GoAway { .. } => continue,
            };
            let Some(ended) = ended(&event, line.http()) else { continue };
            let Some(mut call) = self.in_flight.remove(&stream) else { continue };
            let answer = ended.and_then(|()| match call.messages.next(ANSWER_BYTES_MAX) {
                Ok(Some(message)) => Ok(message),
                Ok(None) => Err("the answer has no message".to_owned()),
                Err(error) => Err(error.to_string()),
            });
            let asker = &mut self.askers[call.asker];
            match answer.and_then(|message| asker.answered(Some(message))) {
                Ok(()) => {
                    self.measured.answered(now.saturating_duration_since(call.intended));
                    answers += 1;
                    self.plan_next(call.asker, now);
                }
                Err(reason) => self.failed(call.asker, &reason, now),
            }
        }
        self.plan.answers.fetch_add(answers, Ordering::Relaxed);
    }

    /// The connection is over: what was in flight has no answer.
    fn lost(&mut self, reason: &str) {
        let now = Instant::now();
        for (_, call) in std::mem::take(&mut self.in_flight) {
            self.failed(call.asker, reason, now);
        }
    }

    fn failed(&mut self, asker: usize, reason: &str, now: Instant) {
        // An answer that could not be read was noted already; then this notes nothing.
        let _ = self.askers[asker].answered(None);
        self.measured.errors += 1;
        self.measured.first_error.get_or_insert_with(|| reason.to_owned());
        let intended = self.plan.turn(now + PAUSE_AFTER_ERROR);
        self.later.push(Reverse((intended.max(now + PAUSE_AFTER_ERROR), asker, intended)));
    }

    fn plan_next(&mut self, asker: usize, now: Instant) {
        let intended = self.plan.turn(now);
        if intended <= now {
            self.ready.push_back((asker, intended));
        } else {
            self.later.push(Reverse((intended.min(self.plan.until), asker, intended)));
        }
    }

    fn finish(mut self) -> Measured {
        let accounts = self.askers.into_iter().filter_map(Asker::into_account);
        self.measured.accounts.extend(accounts);
        self.measured
    }
}
