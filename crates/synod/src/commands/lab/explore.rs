//! `synod lab explore`: every order of events in the small worlds of a mechanism.

use std::io::Write as _;

use serde_json::{Value, json};
use synod_lab::entry::{Entry, Exploration, Settings};
use synod_lab::report::exploration;
use synod_lab::{catalogue, suggest};
use synod_sim::explore::{Explore, Report, Verdict};

use super::progress::Progress;
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab explore lamport-mutex                   its small worlds, each in full
  synod lab explore lamport-mutex --set nodes=4 --memory-max 8192
  synod lab explore lamport-mutex no-fifo           a world that shows a weakness

Exit code: 0 everything holds in every state, 1 a violation, 2 not complete, or
it proves nothing.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The mechanism; `synod lab list` lists them
    mechanism: String,
    /// One of its small worlds [all but those that show weaknesses]
    world: Option<String>,
    /// Set a parameter of the world
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Threads [as many as cores]; the verdict and all counts are the same whatever their number
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    threads: Option<u32>,
    /// End without a verdict beyond so many states; each takes 21 to 32 bytes for as long as it lasts
    #[arg(long, value_name = "N", default_value_t = Explore::default().states_max)]
    states_max: u64,
    /// End without a verdict before more memory is taken than so many MiB
    #[arg(long, value_name = "MIB", default_value_t = Explore::default().bytes_max >> 20)]
    memory_max: u64,
    /// Look at every state, also those that differ from others in the names of interchangeable nodes alone
    #[arg(long)]
    no_symmetry: bool,
    /// Take every order of actions, also those that come to the same
    #[arg(long)]
    all_orders: bool,
    /// One JSON document, schema synod-lab-explore/1
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let entry = super::scene::entry_of(&arguments.mechanism)?;
    let explore = Explore {
        threads: arguments.threads.unwrap_or(0) as usize,
        states_max: arguments.states_max,
        bytes_max: arguments.memory_max.saturating_mul(1 << 20),
        symmetry: !arguments.no_symmetry,
        reduce: !arguments.all_orders,
        ..Explore::default()
    };
    let chosen: Vec<(&Exploration, Settings)> = chosen(entry, arguments)?
        .into_iter()
        .map(|world| Ok((world, settings_of(world, &arguments.set)?)))
        .collect::<Result<_, Failure>>()?;
    let (mut worst, mut documents) = (0, Vec::new());
    for (world, settings) in chosen {
        let mut progress = Progress::new(&format!("explore {} {}", entry.name(), world.name), 0, None);
        let report = (world.run)(&settings, &explore, &mut |counts| progress.show_counts(counts));
        progress.clear();
        // A violation is worse than not to know.
        worst = match (worst, report.exit_code()) {
            (1, _) | (_, 1) => 1,
            (known, code) => known.max(code),
        };
        match arguments.json {
            true => documents.push(document(world, &settings, &report)),
            false => {
                let text = exploration::text(entry.name(), world, &settings, &report);
                write!(std::io::stdout().lock(), "{text}")?;
            }
        }
    }
    if arguments.json {
        let document = json!({
            "schema": "synod-lab-explore/1",
            "mechanism": entry.name(),
            "worlds": documents,
        });
        writeln!(std::io::stdout().lock(), "{document}")?;
    }
    Ok(match worst {
        0 => Exit::Fine,
        1 => Exit::Bad,
        _ => Exit::Partial,
    })
}

fn chosen(entry: &'static dyn Entry, arguments: &Arguments) -> Result<Vec<&'static Exploration>, Failure> {
    let all = entry.about().explorations;
    if all.is_empty() {
        let name = entry.name();
        let hunt = "`synod lab hunt` looks at some of its runs";
        let small = catalogue::ENTRIES.iter().filter(|entry| !entry.about().explorations.is_empty());
        let small: Vec<&str> = small.map(|entry| entry.name()).collect();
        return Err(Failure::usage(format!(
            "{name} has no small world: {hunt}. What can be seen in full: {}",
            small.join(", ")
        )));
    }
    match &arguments.world {
        None => Ok(all.iter().filter(|world| world.violates.is_none()).collect()),
        Some(name) => entry.about().exploration(name).map(|world| vec![world]).ok_or_else(|| {
            Failure::usage(suggest::unknown("small world", name, all.iter().map(|world| world.name)))
        }),
    }
}

fn settings_of(world: &Exploration, set: &[String]) -> Result<Settings, Failure> {
    let mut settings = world.settings();
    for assignment in set {
        settings.set(assignment).map_err(|error| {
            Failure::usage(format!("--set {assignment}: {error} (in the world {})", world.name))
        })?;
    }
    Ok(settings)
}

fn document(world: &Exploration, settings: &Settings, report: &Report) -> Value {
    let (verdict, reason) = match &report.verdict {
        Verdict::Holds => ("holds", None),
        Verdict::Violated(_) => ("violated", None),
        Verdict::Incomplete(why) => ("not complete", Some(why)),
        Verdict::Vacuous(why) => ("proves nothing", Some(why)),
    };
    let counts = &report.counts;
    json!({
        "world": world.name,
        "params": settings.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "verdict": verdict,
        "reason": reason,
        "properties": report.demanded,
        "states": counts.states,
        "represented": counts.represented,
        "asleep": counts.asleep,
        "transitions": counts.transitions,
        "depth": counts.depth,
        "over": counts.over,
        "cut": counts.cut,
        "set_bytes": counts.set_bytes,
        "memory_bytes": report.memory_bytes,
        "took_seconds": report.elapsed.as_secs_f64(),
        "remarks": report.remarks,
        "reached": report.reached.iter().map(|(name, path)| {
            json!({ "name": name, "path": path.as_ref().map(ToString::to_string) })
        }).collect::<Vec<_>>(),
        "violation": report.violation().map(|found| json!({
            "property": found.property,
            "sentence": found.sentence,
            "path": found.path.to_string(),
            "steps": found.lines,
        })),
    })
}
