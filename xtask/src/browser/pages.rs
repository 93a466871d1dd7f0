//! The pages that are looked at: generated histories of a register with one stale read, and a fault.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use synod_check::format::{Datum, Header, Kind, Log, Object, Writer, read};
use synod_check::generate::{Shape, plant_stale_read, register};
use synod_check::history::{Event, History};
use synod_check::judge::{Models, Question, judge, report};
use synod_check::linearizability::{Effort, TimeLimit};
use synod_check::page::{Picture, html};
use synod_check::specification::{RegisterInput, RegisterOutput};

/// Widest line of the report on a page.
const COLUMNS: usize = 100;

/// How long judging may take, in a program that is not optimized.
const JUDGED_MAX: Duration = Duration::from_secs(60);

/// Up to this many operations an order must be found, and its points are drawn.
const ORDERED_MAX: usize = 1_000;

/// A page with so many operations, and which of them is the problem.
pub fn page(size: usize) -> anyhow::Result<(String, u64)> {
    let clients = if size < 100 { 3 } else { 8 };
    let shape = Shape { seed: 7, clients, operations: size, lost_per_mille: if size < 100 { 0 } else { 5 } };
    let (history, _) =
        plant_stale_read(&register(shape, 0), size / 2).context("no read can be made stale")?;
    let log = as_log(&history)?;
    let began = Instant::now();
    let elapsed = || began.elapsed();
    let time = Some(TimeLimit { time_max: JUDGED_MAX, elapsed: &elapsed });
    let effort = Effort { time, ..Effort::default() };
    let question = Question { models: Models::Usual, object: None, effort, wants_order: true };
    let answer = judge(&log, &question)?;
    let problem = answer.problem().context("expected the stale read to be found")?;
    // The search for an order remembers only a few worlds: in a long history with many unanswered writes it may give up.
    ensure!(
        size > ORDERED_MAX || !answer.orders.is_empty(),
        "expected an order of what came before the stale read"
    );
    let title = format!("A register with a stale read, {size} operations of {clients} processes");
    let picture = Picture::new(&log, &answer, &title, &report(&log, &answer, COLUMNS));
    Ok((html(&picture), problem as u64))
}

/// A history as it would be read from a file.
fn as_log(history: &History<RegisterInput<u64>, RegisterOutput<u64>>) -> anyhow::Result<Log> {
    let header = Header { object: Some(Object::Register), initial: Some(Datum::Integer(0)), source: None };
    let mut writer = Writer::new(Vec::new(), &header)?;
    let mut latest = Duration::ZERO;
    let (third, half) = (history.events().len() / 3, history.events().len() / 2);
    let number = |value: u64| Datum::Integer(value as i64);
    let mut fault = None;
    for (place, event) in history.events().iter().enumerate() {
        if place == third {
            fault = Some(writer.fault(latest, "n1 is cut off from n2 and n3")?);
        } else if place == half
            && let Some(fault) = fault
        {
            writer.fault_end(latest, fault)?;
        }
        match *event {
            Event::Invoked(index) => {
                let operation = &history.operations()[index];
                latest = operation.invoked;
                let (function, value) = match operation.input {
                    RegisterInput::Read => ("read", Datum::Nil),
                    RegisterInput::Write(value) => ("write", number(value)),
                };
                writer.event(latest, operation.client.0, Kind::Invoke, function, None, &value)?;
                if operation.output().is_none() {
                    writer.event(latest, operation.client.0, Kind::Info, "", None, &Datum::Nil)?;
                }
            }
            Event::Returned(index) => {
                let operation = &history.operations()[index];
                if let synod_check::history::Outcome::Returned { at, output } = &operation.outcome {
                    latest = *at;
                    let value = match output {
                        RegisterOutput::Value(value) => number(*value),
                        RegisterOutput::Written => Datum::Nil,
                    };
                    writer.event(latest, operation.client.0, Kind::Ok, "", None, &value)?;
                }
            }
        }
    }
    Ok(read(&writer.finish()?[..], |_| {})?)
}
