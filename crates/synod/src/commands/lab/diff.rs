//! `synod lab diff`: two runs, and where they part.

use std::path::Path;

use synod_lab::diff::diff;
use synod_lab::replay::{Look, Replayed};
use synod_lab::scenario::Scenario;

use super::scene;
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab diff one.toml other.toml
  synod lab diff lamport-mutex:1 lamport-mutex:2     two seeds

Exit code: 0 they are the same, 1 they are not.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// A run: the file of a scenario, or NAME:SEED
    #[arg(value_name = "RUN")]
    one: String,
    /// Another
    #[arg(value_name = "RUN")]
    other: String,
    /// ASCII characters only
    #[arg(long)]
    ascii: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (one, other) = (made(&arguments.one)?, made(&arguments.other)?);
    let names = (arguments.one.as_str(), arguments.other.as_str());
    match diff(&one.film, &other.film, names) {
        Some(text) => {
            scene::print(&text, arguments.ascii)?;
            Ok(Exit::Bad)
        }
        None => {
            let fingerprint = one.run.fingerprint;
            let text =
                format!("the same in all {} records, fingerprint {fingerprint:016x}\n", one.run.records);
            scene::print(&text, arguments.ascii)?;
            Ok(Exit::Fine)
        }
    }
}

fn made(run: &str) -> Result<Replayed, Failure> {
    let scenario = match run.rsplit_once(':').filter(|_| !scene::is_file(run)) {
        Some((name, seed)) => {
            let entry = scene::entry_of(name)?;
            let seed = seed
                .parse()
                .map_err(|_| Failure::usage(format!("{run}: expected NAME:SEED, found `{seed}`")))?;
            Scenario::new(entry, entry.settings(), entry.story(seed, &entry.settings()))
        }
        None => scene::read(Path::new(run))?,
    };
    let replayed = scenario.entry.replay(scenario.plan.clone(), &scenario.settings, &Look::whole(), None);
    replayed.map_err(scene::refused)
}
