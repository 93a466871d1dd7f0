//! `cargo xtask ci`: everything that must hold before a change is merged, as named steps.
//!
//! All steps run even if one fails, so that one run says all that is wrong. A step that takes longer than its limit is ended and
//! counts as failed; the limits only end what hangs: on a quiet machine with two cores a whole run stays below 40 minutes. The steps come from cheap to dear.
//! At the end stand a summary and the test runner's own result lines.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, process};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::repository;

/// Runs everything that must hold before a change is merged.
#[derive(Args)]
pub struct Ci {
    /// Only these steps.
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
    /// All steps but these.
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    skip: Vec<String>,
    /// Says what the steps are, and runs none.
    #[arg(long)]
    list: bool,
}

/// One thing that must hold.
struct Step {
    name: &'static str,
    /// For the reader of the log.
    what: &'static str,
    /// `cargo …`, `xtask …` (by cargo: an earlier step may have built it anew) or `synod …` (the release build).
    command: &'static [&'static str],
    minutes_max: u64,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        what: "rustfmt has nothing to change",
        command: &["cargo", "fmt", "--all", "--check"],
        minutes_max: 1,
    },
    Step {
        name: "test",
        what: "every test, the tidy rules and the planted bugs among them",
        command: &["cargo", "test", "--workspace"],
        minutes_max: 25,
    },
    Step {
        name: "lint",
        what: "clippy has nothing to say",
        command: &["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        minutes_max: 10,
    },
    Step {
        name: "small",
        what: "the program can do without the laboratory",
        command: &["cargo", "clippy", "--package", "synod", "--no-default-features", "--", "-D", "warnings"],
        minutes_max: 4,
    },
    Step {
        name: "release",
        what: "the program is built as users build it",
        command: &["cargo", "build", "--release", "--package", "synod"],
        minutes_max: 12,
    },
    Step {
        name: "simulate",
        what: "a short campaign of seeded faults against the database finds nothing",
        command: &["synod", "lab", "hunt", "database", "--runs", "200"],
        minutes_max: 4,
    },
    Step {
        name: "browser",
        what: "the page of a verdict can be read, driven by keys, and asks nobody for anything",
        command: &["xtask", "browser"],
        minutes_max: 4,
    },
    Step {
        name: "interop",
        what: "the stock etcdctl gets what it expects",
        command: &["xtask", "interop"],
        minutes_max: 6,
    },
    Step {
        name: "torture",
        what: "killed and cut-off members lose no acknowledged write",
        command: &["xtask", "torture", "--short"],
        minutes_max: 5,
    },
    Step {
        name: "fuzz",
        what: "a short coverage-guided run against every decoder finds nothing",
        command: &["xtask", "fuzz", "--seconds", "4"],
        minutes_max: 12,
    },
];

/// How a step ended.
struct Outcome {
    step: &'static Step,
    took: Duration,
    failure: Option<String>,
}

impl Ci {
    /// Runs the steps that were asked for, and ends the process with a failure if one failed.
    pub fn run(self) -> anyhow::Result<()> {
        let steps = self.steps()?;
        if self.list {
            steps.iter().for_each(|step| println!("{:<9} {}", step.name, step.what));
            return Ok(());
        }
        let begin = Instant::now();
        let outcomes: Vec<Outcome> = steps.into_iter().map(perform).collect();
        summarize(&outcomes, begin.elapsed());
        if outcomes.iter().any(|outcome| outcome.failure.is_some()) {
            process::exit(1);
        }
        Ok(())
    }

    fn steps(&self) -> anyhow::Result<Vec<&'static Step>> {
        for name in self.only.iter().chain(&self.skip) {
            let known = STEPS.iter().any(|step| step.name == name);
            ensure!(known, "there is no step {name:?}: `cargo xtask ci --list` names them");
        }
        let is_named = |names: &[String], step: &Step| names.iter().any(|name| name == step.name);
        let wanted = |step: &&Step| {
            (self.only.is_empty() || is_named(&self.only, step)) && !is_named(&self.skip, step)
        };
        Ok(STEPS.iter().filter(wanted).collect())
    }
}

fn perform(step: &'static Step) -> Outcome {
    println!("\n=== {}: {}", step.name, step.what);
    println!("    {}", step.command.join(" "));
    let begin = Instant::now();
    let failure = run_step(step).err().map(|error| format!("{error:#}"));
    let took = begin.elapsed();
    let verdict = failure.as_deref().unwrap_or("ok");
    println!("=== {}: {verdict}, {:.0} s", step.name, took.as_secs_f64());
    Outcome { step, took, failure }
}

/// Runs the command under a time limit, showing its output and keeping a copy of it.
fn run_step(step: &Step) -> anyhow::Result<()> {
    let [program, arguments @ ..] = step.command else { bail!("a step without a command") };
    let (program, leading): (PathBuf, &[&str]) = match *program {
        "xtask" => ("cargo".into(), &["xtask"]),
        "synod" => (repository::target().join("release/synod"), &[]),
        other => (other.into(), &[]),
    };
    let mut child = Command::new("timeout")
        .arg("--kill-after=10")
        .arg(format!("{}m", step.minutes_max))
        .arg(program)
        .args(leading)
        .args(arguments)
        .current_dir(repository::root())
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run `timeout`")?;
    let output = child.stdout.take().expect("its output is piped");
    let mut copy = File::create(log_path(step)?)?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        println!("{text}");
        writeln!(copy, "{text}")?;
    }
    let status = child.wait()?;
    match status.code() {
        Some(0) => Ok(()),
        Some(124 | 137) => bail!("FAILED: not done within {} minutes", step.minutes_max),
        _ => bail!("FAILED: {status}"),
    }
}

fn log_path(step: &Step) -> anyhow::Result<PathBuf> {
    let folder = repository::target().join("ci");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.join(format!("{}.log", step.name)))
}

fn summarize(outcomes: &[Outcome], took: Duration) {
    println!("\n=== summary, {:.1} minutes", took.as_secs_f64() / 60.0);
    for Outcome { step, took, failure } in outcomes {
        println!("{:<9} {:>5.0} s  {}", step.name, took.as_secs_f64(), failure.as_deref().unwrap_or("ok"));
    }
    let tested = outcomes.iter().find(|outcome| outcome.step.name == "test");
    let lines = tested.and_then(|outcome| fs::read_to_string(log_path(outcome.step).ok()?).ok());
    for line in lines.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("test result:")) {
        println!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run takes half of it; the limits only end what hangs, on a busy machine too.
    const RUN_MINUTES_MAX: u64 = 84;

    #[test]
    fn a_whole_run_stays_below_its_bound() {
        let minutes: u64 = STEPS.iter().map(|step| step.minutes_max).sum();
        assert!(minutes <= RUN_MINUTES_MAX, "the steps may take {minutes} minutes together");
    }

    #[test]
    fn steps_are_chosen_by_name() {
        let named = |only: &[&str], skip: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let steps = Ci { only: owned(only), skip: owned(skip), list: false }.steps()?;
            anyhow::Ok(steps.iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(named(&["fuzz", "format"], &[]).expect("known steps"), ["format", "fuzz"]);
        assert_eq!(named(&[], &["test"]).expect("known steps").len(), STEPS.len() - 1);
        assert!(named(&["nonsense"], &[]).is_err());
    }
}
