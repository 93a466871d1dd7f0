//! Ours beside the algorithm of others, on generated histories: `cargo run --release -p synod-check --example compare`.
//!
//! Each cell is measured in a process of its own, so that its peak memory is its own, on one thread, and given up after
//! twenty seconds. The figures of Porcupine in the table were recorded on another machine of this kind and are not
//! measured here; any checker that is a command can be measured beside ours with `--peer 'name=command {file}'`: it is
//! given the history as lines of Jepsen's etcd tests, and exits with 0 if it is linearizable.

mod rows;
mod wing_gong;

use std::process::Command;
use std::time::{Duration, Instant};

use rows::{ROWS, Row};
use synod_check::history::History;
use synod_check::linearizability::check;
use synod_check::specification::{CasInput, CasOutput, CasRegister};
use wing_gong::Bounds;

const TIME_MAX: Duration = Duration::from_secs(20);
const MEMORY_BYTES_MAX: usize = 2 << 30;
/// A check that is done before this is repeated, and the median is taken.
const REPEATED_BELOW: Duration = Duration::from_millis(200);
const REPETITIONS: usize = 7;

/// One history, one checker: what the child process is asked for.
type Judge = fn(&History<CasInput<u64>, CasOutput<u64>>) -> Option<bool>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, checker, row, version] = &arguments[..]
        && flag == "--cell"
    {
        let row = row.parse().ok().and_then(|index: usize| ROWS.get(index)).expect("a row's number");
        return measure(checker, row, version == "broken");
    }
    let peers: Vec<(String, String)> = match peers(&arguments) {
        Ok(peers) => peers,
        Err(problem) => {
            eprintln!("compare-checkers: {problem}; expected --peer 'name=command {{file}}'");
            std::process::exit(64);
        }
    };
    println!("Correct / one impossible read at 90 %, one thread. `!`: short of what is to be reached.\n");
    let names: String = peers.iter().map(|(name, _)| format!(" {name} |")).collect();
    println!("| history | ours | peak | to reach | Wing-Gong-Lowe | peak | Porcupine, recorded |{names}");
    println!("|---|--:|--:|--:|--:|--:|--:|{}", "--:|".repeat(peers.len()));
    for (index, row) in ROWS.iter().enumerate() {
        let ours = [cell("ours", index, "correct"), cell("ours", index, "broken")];
        let theirs = [cell("wing-gong", index, "correct"), cell("wing-gong", index, "broken")];
        let others: String = peers.iter().map(|(_, command)| format!(" {} |", peer(command, row))).collect();
        println!(
            "| {} | {} / {} | {} | {} | {} / {} | {} | {} |{others}",
            row.name,
            ours[0].against(row.to_reach.map(|limits| limits.0)),
            ours[1].against(row.to_reach.map(|limits| limits.1)),
            Cell::peak(&ours),
            row.to_reach
                .map_or_else(|| "-".to_owned(), |(one, two)| format!("{} / {}", millis(one), millis(two))),
            theirs[0].against(None),
            theirs[1].against(None),
            Cell::peak(&theirs),
            row.recorded,
        );
    }
}

fn peers(arguments: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut words = arguments.iter();
    let mut peers = Vec::new();
    while let Some(word) = words.next() {
        if word != "--peer" {
            return Err(format!("found {word:?}"));
        }
        let (name, command) =
            words.next().and_then(|peer| peer.split_once('=')).ok_or("--peer lacks its value")?;
        peers.push((name.to_owned(), command.to_owned()));
    }
    Ok(peers)
}

/// The child: prints the time in seconds, the peak of memory in bytes, and the answer.
fn measure(checker: &str, row: &Row, broken: bool) {
    let history = row.history(broken);
    let judge: Judge = match checker {
        "ours" => |history| {
            let verdict = check(&CasRegister { initial: 0 }, history);
            (verdict.is_linearizable() || verdict.is_violation()).then(|| verdict.is_linearizable())
        },
        _ => |history| {
            let bounds = Bounds { time_max: TIME_MAX, memory_bytes_max: MEMORY_BYTES_MAX };
            wing_gong::check(&CasRegister { initial: 0 }, history, bounds)
        },
    };
    let mut times = Vec::new();
    let mut answer = None;
    while times.len() < REPETITIONS {
        let begun = Instant::now();
        answer = judge(&history);
        times.push(begun.elapsed());
        if begun.elapsed() > REPEATED_BELOW {
            break;
        }
    }
    times.sort_unstable();
    let answer = match answer {
        None => "unknown",
        Some(is_linearizable) if is_linearizable != broken => "right",
        Some(_) => "wrong",
    };
    println!("{} {} {answer}", times[times.len() / 2].as_secs_f64(), peak_bytes());
}

/// The most memory that this process had resident, as Linux says; 0 elsewhere.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or(0) * 1024
}

/// What a child found.
struct Cell {
    time: Duration,
    peak_bytes: u64,
    answer: String,
}

fn cell(checker: &str, index: usize, version: &str) -> Cell {
    let program = std::env::current_exe().expect("a running program has a path");
    let output = Command::new(program).args(["--cell", checker, &index.to_string(), version]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut words = text.split_whitespace();
    Cell {
        time: Duration::from_secs_f64(words.next().and_then(|word| word.parse().ok()).unwrap_or(0.0)),
        peak_bytes: words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
        answer: words.next().unwrap_or("crashed").to_owned(),
    }
}

impl Cell {
    /// The time, marked if it is over the limit.
    fn against(&self, limit: Option<Duration>) -> String {
        let mark = if limit.is_some_and(|limit| self.time > limit) { " !" } else { "" };
        match self.answer.as_str() {
            "right" => format!("{}{mark}", millis(self.time)),
            "unknown" => format!("no answer in {}", millis(self.time)),
            other => other.to_owned(),
        }
    }

    fn peak(cells: &[Self; 2]) -> String {
        format!("{} MB", cells[0].peak_bytes.max(cells[1].peak_bytes) / 1_000_000)
    }
}

fn millis(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        millis if millis < 10.0 => format!("{millis:.2} ms"),
        millis if millis < 1_000.0 => format!("{millis:.0} ms"),
        millis => format!("{:.1} s", millis / 1e3),
    }
}

/// A peer that is a command, on both versions of the history.
fn peer(command: &str, row: &Row) -> String {
    let time = |broken| {
        let file = std::env::temp_dir().join(format!("compare-checkers-{}.log", std::process::id()));
        if std::fs::write(&file, rows::jepsen_log(&row.history(broken))).is_err() {
            return "cannot write the history".to_owned();
        }
        let line = command.replace("{file}", &file.to_string_lossy());
        let begun = Instant::now();
        // `timeout` ends with 124 what does not end by itself.
        let status =
            Command::new("timeout").arg(TIME_MAX.as_secs().to_string()).args(["sh", "-c", &line]).output();
        let took = begun.elapsed();
        let _ = std::fs::remove_file(&file);
        match status.map(|output| output.status.code()) {
            Ok(Some(124)) => format!("no answer in {}", millis(took)),
            Ok(Some(code)) if (code != 0) == broken => millis(took),
            Ok(_) => "wrong".to_owned(),
            Err(problem) => problem.to_string(),
        }
    };
    format!("{} / {}", time(false), time(true))
}
