//! The histories of the comparison.

use std::fmt::Write as _;
use std::time::Duration;

use synod_check::generate::{self, Shape};
use synod_check::history::{Event, History};
use synod_check::specification::{CasInput, CasOutput, RegisterInput, RegisterOutput};

/// A kind of history, with what is to be reached on it and what is known of Porcupine.
pub struct Row {
    pub name: &'static str,
    operations: usize,
    clients: u64,
    lost_per_mille: u64,
    with_swaps: bool,
    /// For the correct one, and for the one with an impossible read.
    pub to_reach: Option<(Duration, Duration)>,
    pub recorded: &'static str,
}

const fn row(
    name: &'static str,
    operations: usize,
    clients: u64,
    micros: (u64, u64),
    recorded: &'static str,
) -> Row {
    let to_reach = Some((Duration::from_micros(micros.0), Duration::from_micros(micros.1)));
    Row { name, operations, clients, lost_per_mille: 0, with_swaps: false, to_reach, recorded }
}

const fn unmeasured(
    name: &'static str,
    operations: usize,
    clients: u64,
    lost_per_mille: u64,
    with_swaps: bool,
) -> Row {
    Row { name, operations, clients, lost_per_mille, with_swaps, to_reach: None, recorded: "-" }
}

/// One register, five values. The names say operations x clients.
pub const ROWS: &[Row] = &[
    row("1,000 x 5", 1_000, 5, (200, 720), "1.0 ms / 3.6 ms"),
    row("1,000 x 10", 1_000, 10, (680, 21_400), "3.4 ms / 107 ms"),
    row("1,000 x 20", 1_000, 20, (30_000, 30_000), "0.29 s / none in 20 s, 2.4 GB"),
    row("10,000 x 5", 10_000, 5, (2_500, 2_500), "16 ms / 74 ms"),
    row("10,000 x 10", 10_000, 10, (12_000, 12_000), "67 ms / 2.7 s, 1.8 GB"),
    row("10,000 x 20", 10_000, 20, (500_000, 500_000), "none in 20 s, 5.6 GB, both"),
    row("100,000 x 5", 100_000, 5, (25_000, 25_000), "1.5 s, 2.2 GB / none, 9 GB"),
    unmeasured("10,000 x 50", 10_000, 50, 0, false),
    unmeasured("100,000 x 10", 100_000, 10, 0, false),
    unmeasured("10,000 x 10, swaps", 10_000, 10, 0, true),
    unmeasured("10,000 x 20, swaps", 10_000, 20, 0, true),
    unmeasured("200 x 5, swaps, 15 % unanswered", 200, 5, 150, true),
    unmeasured("1,000 x 10, 2 % unanswered", 1_000, 10, 20, false),
    unmeasured("1,000 x 10, swaps, 2 % unanswered", 1_000, 10, 20, true),
    unmeasured("10,000 x 10, 2 % unanswered", 10_000, 10, 20, false),
];

impl Row {
    /// The history, correct or with one impossible read at 90 %.
    pub fn history(&self, broken: bool) -> History<CasInput<u64>, CasOutput<u64>> {
        let Self { operations, clients, lost_per_mille, .. } = *self;
        let shape = Shape { seed: 1, clients, operations, lost_per_mille };
        let history = if self.with_swaps {
            generate::cas_register(shape, 5)
        } else {
            without_swaps(&generate::register(shape, 5))
        };
        if !broken {
            return history;
        }
        let is_read =
            |index: &usize| matches!(history.operations()[*index].output(), Some(CasOutput::Value(_)));
        let read =
            (operations * 9 / 10..operations).find(is_read).expect("there is a read in the last tenth");
        generate::with_output(&history, read, CasOutput::Value(6))
    }
}

/// A register's history as one of a compare-and-swap register.
fn without_swaps(
    history: &History<RegisterInput<u64>, RegisterOutput<u64>>,
) -> History<CasInput<u64>, CasOutput<u64>> {
    history.map(
        |input| match *input {
            RegisterInput::Read => CasInput::Read,
            RegisterInput::Write(value) => CasInput::Write(value),
        },
        |output| match *output {
            RegisterOutput::Value(value) => CasOutput::Value(value),
            RegisterOutput::Written => CasOutput::Written,
        },
    )
}

/// The history as Jepsen's etcd tests write it.
pub fn jepsen_log(history: &History<CasInput<u64>, CasOutput<u64>>) -> String {
    // The logs know no value before the first write.
    let first = format!("INFO  jepsen.util - {}", history.len());
    let mut text = format!("{first}\t:invoke\t:write\t0\n{first}\t:ok\t:write\t0\n");
    for event in history.events() {
        let (Event::Invoked(index) | Event::Returned(index)) = *event;
        let operation = &history.operations()[index];
        let (kind, mut value) = match operation.input {
            CasInput::Read => ("read", "nil".to_owned()),
            CasInput::Write(value) => ("write", value.to_string()),
            CasInput::CompareAndSwap { expected, new } => ("cas", format!("[{expected} {new}]")),
        };
        let end = match (event, operation.output()) {
            (Event::Invoked(_), _) => "invoke",
            (_, Some(CasOutput::Swapped(false))) => "fail",
            (_, Some(CasOutput::Value(seen))) => {
                value = seen.to_string();
                "ok"
            }
            _ => "ok",
        };
        // A process has one operation for ever if that is never answered: the operation's number tells them apart.
        let _ = writeln!(text, "INFO  jepsen.util - {index}\t:{end}\t:{kind}\t{value}");
    }
    text
}
