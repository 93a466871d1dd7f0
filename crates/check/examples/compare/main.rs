//! Our checkers beside others, in one run: `cargo run --release -p synod-check --example compare`, or `cargo xtask
//! compare-checkers`.
//!
//! Each cell is measured in a process of its own, so that its peak memory is its own, and given up at twenty seconds (`--seconds`) or 2 GB.
//! A cell has two figures: the history that keeps the model, and the one with something impossible near its end. Beside
//! ours stand the search of Wing and Gong with Lowe's memo, written after its papers, and the tester of the crate
//! `stateright`. Porcupine's figures were recorded on another machine of this kind and are not measured here; any checker
//! that is a command can be, with `--peer 'name=command {file}'`.

mod cell;
mod ours;
mod peers;
mod rows;
mod stateright;
mod table;
mod wing_gong;

use std::time::Duration;

use cell::{Answer, Cell, Checker};
use peers::Peer;
use rows::{ROWS, Row, Workload};
use table::{Entry, Line, NOTHING, head, millis};

const TIME_MAX: Duration = Duration::from_secs(20);
/// The same in a quick comparison.
const QUICK_TIME_MAX: Duration = Duration::from_secs(2);
/// A quick comparison leaves out longer histories.
const QUICK_LEN_MAX: usize = 10_000;
/// Longer histories are not given to the tester of `stateright`, which copies all that is left at every step.
const STATERIGHT_LEN_MAX: usize = 1_000;

const USAGE: &str =
    "usage: compare [--quick] [--seconds N] [--markdown] [--only TEXT] [--peer 'name=command {file}']...";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, rest @ ..] = &arguments[..]
        && flag == "--cell"
    {
        return cell::run_child(rest);
    }
    match Options::parse(&arguments) {
        Ok(options) => std::process::exit(compare(&options)),
        Err(problem) => {
            eprintln!("compare-checkers: {problem}\n{USAGE}");
            std::process::exit(64);
        }
    }
}

#[derive(Default)]
struct Options {
    is_quick: bool,
    is_markdown: bool,
    /// How long a checker may take for a history.
    seconds: Option<u64>,
    /// Only rows whose name contains this.
    only: Option<String>,
    peers: Vec<Peer>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or_else(|| format!("{word} lacks its value"));
            match word.as_str() {
                "--quick" => options.is_quick = true,
                "--markdown" => options.is_markdown = true,
                "--seconds" => {
                    let seconds = value()?;
                    options.seconds = Some(seconds.parse().map_err(|_| format!("{seconds:?} is no number"))?);
                }
                "--only" => options.only = Some(value()?),
                "--peer" => options.peers.push(value()?.parse()?),
                other => return Err(format!("{other:?} is not known")),
            }
        }
        Ok(options)
    }

    fn wants(&self, workload: Workload) -> bool {
        let is_named = self.only.as_ref().is_none_or(|only| workload.name().contains(only.as_str()));
        is_named && (!self.is_quick || workload.len() <= QUICK_LEN_MAX)
    }
}

/// Prints the comparison, and returns what to exit with: 1 if a verdict of ours is wrong.
fn compare(options: &Options) -> i32 {
    let usual = if options.is_quick { QUICK_TIME_MAX } else { TIME_MAX };
    let time_max = options.seconds.map_or(usual, Duration::from_secs);
    println!(
        "Correct / with something impossible near the end. Given up after {} s or 2 GB:\n\
         none. Ours: one thread, but key-value: all cores. Porcupine: recorded, not\n\
         measured.\n",
        time_max.as_secs()
    );
    let (mut is_wrong, mut is_first) = (false, true);
    for (index, row) in ROWS.iter().enumerate().filter(|(_, row)| options.wants(row.workload)) {
        let ours = Both::measure(Checker::Ours, index, time_max);
        is_wrong |= ours.is_wrong();
        let mut entries =
            vec![Entry { checker: "ours".to_owned(), times: ours.times(), peak: Some(ours.peak()) }];
        for checker in [Checker::WingGong, Checker::Stateright] {
            let theirs = Both::of_peer(checker, index, row.workload, time_max);
            let nothing = || NOTHING.to_owned();
            let times = theirs.as_ref().map_or_else(nothing, Both::times);
            let peak = theirs.as_ref().map_or_else(nothing, Both::peak);
            let peak = (checker == Checker::WingGong).then_some(peak);
            entries.push(Entry { checker: checker.name().to_owned(), times, peak });
        }
        let recorded = row.recorded.to_owned();
        entries.push(Entry { checker: "Porcupine".to_owned(), times: recorded, peak: None });
        for peer in &options.peers {
            let times = peer.measure(row.workload, time_max);
            entries.push(Entry { checker: peer.name.clone(), times, peak: None });
        }
        let line =
            Line { name: row.workload.name(), to_reach: to_reach(row), verdict: ours.against(row), entries };
        if std::mem::take(&mut is_first) {
            println!("{}", head(&line, options.is_markdown));
        }
        println!("{}", line.text(options.is_markdown));
    }
    i32::from(is_wrong)
}

fn to_reach(row: &Row) -> String {
    row.to_reach.map_or_else(|| NOTHING.to_owned(), |(one, two)| format!("{} / {}", millis(one), millis(two)))
}

/// The correct history and the other.
struct Both([Cell; 2]);

impl Both {
    fn measure(checker: Checker, row: usize, time_max: Duration) -> Self {
        Self([false, true].map(|broken| Cell::measure(checker, row, broken, time_max)))
    }

    /// The same of another checker, where it can follow.
    fn of_peer(checker: Checker, index: usize, workload: Workload, time_max: Duration) -> Option<Self> {
        let len_max = match checker {
            Checker::Stateright => STATERIGHT_LEN_MAX,
            Checker::Ours | Checker::WingGong => usize::MAX,
        };
        let is_object = matches!(workload, Workload::Register { .. } | Workload::KeyValue { .. });
        (is_object && workload.len() <= len_max).then(|| Self::measure(checker, index, time_max))
    }

    fn times(&self) -> String {
        let time = |cell: &Cell| match cell.answer {
            Answer::Right => millis(cell.time),
            Answer::Wrong => "WRONG".to_owned(),
            Answer::Unknown => "none".to_owned(),
            Answer::Crashed => "crashed".to_owned(),
        };
        format!("{} / {}", time(&self.0[0]), time(&self.0[1]))
    }

    fn peak(&self) -> String {
        let peak = self.0.iter().map(|cell| cell.peak_bytes).max().unwrap_or_default();
        format!("{} MB", peak / 1_000_000)
    }

    fn is_wrong(&self) -> bool {
        self.0.iter().any(|cell| cell.answer == Answer::Wrong)
    }

    /// Whether what is to be reached is reached.
    fn against(&self, row: &Row) -> &'static str {
        let [correct, broken] = &self.0;
        if self.0.iter().any(|cell| cell.answer != Answer::Right) {
            return "missed";
        }
        match row.to_reach {
            None => NOTHING,
            Some((one, two)) if correct.time <= one && broken.time <= two => "reached",
            Some(_) => "short",
        }
    }
}
