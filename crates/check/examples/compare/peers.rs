//! Checkers that are commands: they are given a file, and exit with 0 if the history in it is linearizable, with 1 if it is
//! not, and with anything else if they do not know.
//!
//! A history of a register is written as Jepsen's etcd tests log it, one of a key-value store as those that Porcupine is
//! tested with. The time is that of the whole command, its start and its reading included.

use std::fmt::Write as _;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use synod_check::history::Event;
use synod_check::specification::{CasInput, CasOutput, EntryInput, EntryOutput};

use super::rows::{Generated, RegisterHistory, StoreHistory, Workload};
use super::table::millis;

/// What `timeout` ends with when the command did not end by itself.
const TIMED_OUT: i32 = 124;

/// Another checker.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    command: String,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, command)) if command.contains("{file}") => {
                Ok(Self { name: name.to_owned(), command: command.to_owned() })
            }
            _ => Err(format!("expected --peer 'name=command {{file}}', found {text:?}")),
        }
    }
}

impl Peer {
    /// How long it takes for a history, correct and broken.
    pub fn measure(&self, workload: Workload, time_max: Duration) -> String {
        let time = |broken| self.measure_one(workload, broken, time_max);
        match (time(false), time(true)) {
            (Some(correct), Some(broken)) => format!("{correct} / {broken}"),
            _ => "-".to_owned(),
        }
    }

    fn measure_one(&self, workload: Workload, broken: bool, time_max: Duration) -> Option<String> {
        let text = match workload.history(broken) {
            Generated::Register(history) => jepsen_log(&history),
            Generated::KeyValue(history) => key_value_log(&history),
            Generated::Replicated(..) | Generated::Transactions(..) => return None,
        };
        let file = std::env::temp_dir().join(format!("compare-checkers-{}.log", std::process::id()));
        if let Err(problem) = std::fs::write(&file, text) {
            return Some(format!("cannot write {}: {problem}", file.display()));
        }
        let line = self.command.replace("{file}", &file.to_string_lossy());
        let begun = Instant::now();
        let output =
            Command::new("timeout").arg(time_max.as_secs().to_string()).args(["sh", "-c", &line]).output();
        let took = begun.elapsed();
        // A file that stays in the directory for temporary ones harms nobody.
        let _ = std::fs::remove_file(&file);
        Some(match output.map(|output| output.status.code()) {
            Ok(Some(TIMED_OUT)) => "none".to_owned(),
            Ok(Some(code @ (0 | 1))) if (code == 1) == broken => millis(took),
            Ok(Some(0 | 1)) => "WRONG".to_owned(),
            // It does not know, or it crashed.
            Ok(_) => "none".to_owned(),
            Err(problem) => problem.to_string(),
        })
    }
}

/// The history as Jepsen's etcd tests log it.
fn jepsen_log(history: &RegisterHistory) -> String {
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

/// The history as those that Porcupine is tested with. All its operations are answered.
fn key_value_log(history: &StoreHistory) -> String {
    let mut text = String::new();
    for event in history.events() {
        let (Event::Invoked(index) | Event::Returned(index)) = *event;
        let operation = &history.operations()[index];
        let (kind, asked) = match &operation.input.input {
            EntryInput::Get => ("get", "nil".to_owned()),
            EntryInput::Put(value) => ("put", format!("{value:?}")),
            EntryInput::Append(value) => ("append", format!("{value:?}")),
            other => unreachable!("no {other:?} is drawn"),
        };
        let (end, value) = match (event, operation.output()) {
            (Event::Invoked(_), _) => ("invoke", asked),
            (_, Some(EntryOutput::Value(Some(seen)))) => ("ok", format!("{seen:?}")),
            _ => ("ok", asked),
        };
        let (client, key) = (operation.client.0, operation.input.key);
        let _ =
            writeln!(text, "{{:process {client}, :type :{end}, :f :{kind}, :key \"{key}\", :value {value}}}");
    }
    text
}
