//! One measurement: one checker on one history, in a process of its own, so that time and peak memory are its own.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use synod_check::history::{History, Operation};
use synod_check::specification::{EntryInput, EntryOutput};

use super::ours::{self, REGISTER, store};
use super::rows::{Generated, ROWS, StoreHistory};
use super::wing_gong::Bounds;
use super::{stateright, wing_gong};

/// What no measurement may take.
pub const MEMORY_BYTES_MAX: u64 = 2 << 30;
/// A check that is done before this is repeated, and the median is taken.
const REPEATED_BELOW: Duration = Duration::from_millis(200);
const REPETITIONS: usize = 7;
/// Stack of the thread that checks: one of the peers goes as deep as the history is long.
const STACK_BYTES: usize = 1 << 30;
/// How often time and memory are looked at.
const LOOK_EACH: Duration = Duration::from_millis(5);

/// Who checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    /// This crate, with one thread, or with all cores where the history has independent parts.
    Ours,
    /// The search of Wing and Gong with Lowe's memo.
    WingGong,
    /// The tester of the crate `stateright`.
    Stateright,
}

impl Checker {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::WingGong => "Wing-Gong-Lowe",
            Self::Stateright => "stateright",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Ours, Self::WingGong, Self::Stateright].into_iter().find(|checker| checker.name() == name)
    }

    /// Whether the history keeps its model; nothing if that is not known, or not a question for this checker.
    fn judge(self, history: &Generated, time_max: Duration) -> Option<bool> {
        let bounds = Bounds { time_max, memory_bytes_max: MEMORY_BYTES_MAX as usize };
        match (self, history) {
            (Self::Ours, history) => ours::judge(history),
            (Self::WingGong, Generated::Register(history)) => wing_gong::check(&REGISTER, history, bounds),
            (Self::Stateright, Generated::Register(history)) => stateright::check(&REGISTER, history),
            // Neither of them divides a history, so it is divided for them.
            (Self::WingGong, Generated::KeyValue(history)) => {
                each_key(history, |part| wing_gong::check(&store().inner, part, bounds))
            }
            (Self::Stateright, Generated::KeyValue(history)) => {
                each_key(history, |part| stateright::check(&store().inner, part))
            }
            (_, Generated::Replicated(..) | Generated::Transactions(..)) => None,
        }
    }
}

/// Whether the part of every key is linearizable.
fn each_key(
    history: &StoreHistory,
    check: impl Fn(&History<EntryInput, EntryOutput>) -> Option<bool>,
) -> Option<bool> {
    let mut parts: BTreeMap<u64, Vec<Operation<EntryInput, EntryOutput>>> = BTreeMap::new();
    for Operation { client, input, invoked, outcome } in history.operations().iter().cloned() {
        let operation = Operation { client, input: input.input, invoked, outcome };
        parts.entry(input.key).or_default().push(operation);
    }
    for part in parts.into_values() {
        let part = History::from_operations(part).expect("a part of a history is one");
        if !check(&part)? {
            return Some(false);
        }
    }
    Some(true)
}

/// What was measured.
pub struct Cell {
    /// The median.
    pub time: Duration,
    /// The most memory that the process had resident.
    pub peak_bytes: u64,
    /// What the checker said.
    pub answer: Answer,
}

/// What a checker said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Right,
    Wrong,
    /// A bound was met.
    Unknown,
    /// The process ended without an answer.
    Crashed,
}

impl Cell {
    /// Measures in a process of its own.
    pub fn measure(checker: Checker, row: usize, broken: bool, time_max: Duration) -> Self {
        let program = std::env::current_exe().expect("a running program has a path");
        let (row, version) = (row.to_string(), if broken { "broken" } else { "correct" });
        let seconds = time_max.as_secs().to_string();
        let output = Command::new(program).args(["--cell", checker.name(), &row, version, &seconds]).output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let mut words = text.split_whitespace();
        Self {
            time: Duration::from_secs_f64(words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0)),
            peak_bytes: words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
            answer: match words.next() {
                Some("right") => Answer::Right,
                Some("wrong") => Answer::Wrong,
                Some(_) => Answer::Unknown,
                None => Answer::Crashed,
            },
        }
    }
}

/// The child: prints the time in seconds, the peak of memory in bytes, and the answer.
pub fn run_child(arguments: &[String]) {
    let [checker, row, version, seconds] = arguments else {
        panic!("expected four words, found {arguments:?}")
    };
    let checker = Checker::from_name(checker).expect("the name of a checker");
    let row = row.parse().ok().and_then(|index: usize| ROWS.get(index)).expect("a row's number");
    let broken = version == "broken";
    let time_max = Duration::from_secs(seconds.parse().expect("a number of seconds"));
    let history = row.workload.history(broken);
    let begun = Instant::now();
    let work = move || {
        let mut times = Vec::new();
        let mut answer = None;
        while times.len() < REPETITIONS {
            let begun = Instant::now();
            answer = checker.judge(&history, time_max);
            times.push(begun.elapsed());
            if begun.elapsed() > REPEATED_BELOW {
                break;
            }
        }
        times.sort_unstable();
        let answer = match answer {
            None => "unknown",
            Some(is_kept) if is_kept != broken => "right",
            Some(_) => "wrong",
        };
        println!("{} {} {answer}", times[times.len() / 2].as_secs_f64(), peak_bytes());
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    let thread = thread.expect("a thread can be started");
    while !thread.is_finished() {
        if begun.elapsed() > time_max || peak_bytes() > MEMORY_BYTES_MAX {
            println!("{} {} unknown", begun.elapsed().as_secs_f64(), peak_bytes());
            std::process::exit(0);
        }
        // The figures are not made longer by a process that ends late.
        std::thread::sleep(LOOK_EACH);
    }
}

/// The most memory that this process had resident, as Linux says; 0 elsewhere.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or(0) * 1024
}
