//! `synod check`: whether a history keeps a consistency model, and if not, why not.
//!
//! What is read, judged and drawn stands in `synod_check`; here are files, the clock, threads and the terminal.

mod json;
mod models;
mod progress;

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use synod_check::format::{self, Datum, Log, Object};
use synod_check::judge::{Answer, Models, Question, Worst, judge, report};
use synod_check::linearizability::{Effort, Limits, TimeLimit};
use synod_check::page::{self, Picture};

use crate::failure::{Exit, Failure};
use crate::go_syntax::duration;
use crate::note;
use models::{Asked, AskedParser};
use progress::Progress;

const EXAMPLES: &str = "\
Examples:
  synod check history.edn                 a Jepsen history: linearizable?
  synod check etcd.log --html why.html    the same of a log, and a page to look at
  synod check txns.edn --model serializable
  synod check history.edn --model all     the strongest models it keeps, the
                                          weakest that it breaks
  zcat history.edn.gz | synod check -     from standard input
  synod bench mixed --history h.jsonl && synod check h.jsonl
  synod lab run database --drawn --history h.jsonl && synod check h.jsonl

Exit code: 0 the model is kept, 1 it is broken, 2 unknown, 64 no history.
";

/// Widest line of a report.
const COLUMNS: usize = 80;
/// How many configurations may be possible at once, for each thread some hundred bytes each.
const CONFIGURATIONS_MAX: usize = 2_000_000;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The history: JSON lines, Jepsen's EDN or JSON, its log; - is standard input
    file: PathBuf,
    /// Models, or all [linearizable; of transactions strict-serializable]
    #[arg(long = "model", value_name = "MODEL", value_delimiter = ',', value_parser = AskedParser)]
    #[arg(hide_possible_values = true)]
    models: Vec<Asked>,
    /// What the operations are about; by default that is guessed from them
    #[arg(long, value_name = "OBJECT", value_parser = PossibleValuesParser::new(Object::ALL.map(Object::name)))]
    spec: Option<String>,
    /// What the object holds before the first operation: a number, a text, or nil
    #[arg(long, value_name = "VALUE")]
    initial: Option<String>,
    /// Longest time, after which the answer is unknown
    #[arg(long, default_value = "1m", value_parser = duration::parse, value_name = "TIME")]
    time_limit: Duration,
    /// Threads, of use where there are many keys [one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// One JSON document, schema synod-check/1
    #[arg(long)]
    json: bool,
    /// Write a page to look at the history: one file that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write a picture of the history, of a long one the part with the problem
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let progress = Progress::new();
    let mut log = read(&arguments.file, &progress)?;
    if let Some(initial) = &arguments.initial {
        log.header.initial = Some(match initial.as_str() {
            "nil" | "null" => Datum::Nil,
            text => text.parse().map_or_else(|_| Datum::text(text), Datum::Integer),
        });
    }
    let began = Instant::now();
    let elapsed = || began.elapsed();
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let effort = Effort {
        limits: Limits { steps_max: u64::MAX, configurations_max: CONFIGURATIONS_MAX },
        time: Some(TimeLimit { time_max: arguments.time_limit, elapsed: &elapsed }),
        threads: arguments.threads.unwrap_or(cores),
    };
    let question = Question {
        models: models(&arguments.models),
        object: arguments.spec.as_deref().and_then(|name| name.parse().ok()),
        effort,
        wants_order: arguments.html.is_some() || arguments.svg.is_some(),
    };
    let what = format!("Checking {} operations", log.operations.len());
    let answer = progress.during(&what, || judge(&log, &question));
    let answer = answer.map_err(|error| Failure::usage(format!("{}: {error}", name(&arguments.file))))?;
    let took = began.elapsed();
    let text = report(&log, &answer, COLUMNS);
    draw(arguments, &log, &answer, &text)?;
    if arguments.json {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", json::document(&name(&arguments.file), &log, &answer, took))?;
    } else {
        print(&log, &answer, &text, took)?;
    }
    Ok(match answer.worst() {
        Worst::Kept => Exit::Fine,
        Worst::Broken => Exit::Bad,
        Worst::Unknown => Exit::Partial,
    })
}

fn models(asked: &[Asked]) -> Models {
    if asked.is_empty() {
        return Models::Usual;
    }
    let mut models = Vec::new();
    for asked in asked {
        match asked {
            Asked::All => return Models::All,
            Asked::One(model) if models.contains(model) => {}
            Asked::One(model) => models.push(*model),
        }
    }
    Models::These(models)
}

fn read(file: &Path, progress: &Progress) -> Result<Log, Failure> {
    let source: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file);
        let opened =
            opened.map_err(|error| Failure::usage(format!("{}: it cannot be read: {error}", name(file))))?;
        Box::new(BufReader::new(opened))
    };
    let log = format::read(source, |operations| progress.reading(operations));
    progress.done();
    log.map_err(|error| Failure::usage(format!("{}: {error}", name(file))))
}

fn name(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
}

/// Writes the page and the picture that were asked for.
fn draw(arguments: &Arguments, log: &Log, answer: &Answer, text: &str) -> Result<(), Failure> {
    if arguments.html.is_none() && arguments.svg.is_none() {
        return Ok(());
    }
    let title = format!("{}: {}", name(&arguments.file), summary(log, answer));
    let picture = Picture::new(log, answer, &title, text);
    for (file, content) in [
        (&arguments.html, page::html as fn(&Picture) -> String),
        (&arguments.svg, page::svg as fn(&Picture) -> String),
    ] {
        let Some(file) = file else { continue };
        std::fs::write(file, content(&picture)).map_err(|error| {
            Failure::internal(format!("{}: it cannot be written: {error}", file.display()))
        })?;
        note(format_args!("Written: {}", file.display()));
    }
    Ok(())
}

fn summary(log: &Log, answer: &Answer) -> String {
    let clients: std::collections::BTreeSet<_> =
        log.operations.iter().map(|operation| operation.client).collect();
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ if what.ends_with('s') => format!("{count} {what}es"),
        _ => format!("{count} {what}s"),
    };
    let (operations, processes) =
        (counted(log.operations.len(), "operation"), counted(clients.len(), "process"));
    format!("{}, {operations} of {processes}", answer.object)
}

fn print(log: &Log, answer: &Answer, text: &str, took: Duration) -> Result<(), Failure> {
    let is_coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = io::stdout().lock();
    for line in text.lines() {
        match line.split_once(':').filter(|_| is_coloured) {
            Some((head @ "Kept", rest)) => writeln!(out, "\x1b[1;32m{head}\x1b[0m:{rest}")?,
            Some((head @ "Broken", rest)) => writeln!(out, "\x1b[1;31m{head}\x1b[0m:{rest}")?,
            Some((head @ "Unknown", rest)) => writeln!(out, "\x1b[1;33m{head}\x1b[0m:{rest}")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    note(format_args!("({}, {}; {:.1?})", summary(log, answer), log.format, took));
    Ok(())
}
