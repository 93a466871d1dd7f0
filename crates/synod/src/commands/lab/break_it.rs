//! `synod lab break`: each weakness of a mechanism is looked for, shrunk to a small run, and explained by the events that prove it.

use std::io::Write as _;
use std::path::PathBuf;

use synod_lab::entry::{Entry, Origin, Weakness};
use synod_lab::hunt::Campaign;
use synod_lab::report;
use synod_lab::scenario::Scenario;
use synod_sim::{Hunt, Run};

use super::progress::{Interrupt, Progress};
use super::{scene, shrink};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod lab break lamport-mutex
  synod lab break lamport-mutex no-fifo --save broken
  synod lab break database forget-vote --no-shrink

Exit code: 0 all were found, 1 one was not.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The mechanism; `synod lab list` lists them
    #[arg(value_name = "NAME")]
    name: String,
    /// One weakness [all]
    weakness: Option<String>,
    /// Seeds to try for each
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The first of the consecutive seeds
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Say only that each was found [so for bugs that were put back]
    #[arg(long)]
    no_shrink: bool,
    /// Save the small runs in a folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Lines of each diagram
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(5..))]
    lines: u16,
    /// One JSON line a weakness, schema synod-lab-break/2
    #[arg(long)]
    json: bool,
    /// ASCII characters only
    #[arg(long)]
    ascii: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let entry = scene::entry_of(&arguments.name)?;
    let chosen: Vec<&'static Weakness> = match &arguments.weakness {
        Some(name) => vec![scene::weakness_of(entry, name)?],
        None => entry.about().weaknesses.iter().collect(),
    };
    let interrupt = Interrupt::listen();
    let mut missed = 0;
    for weakness in &chosen {
        let found = Broken::look(arguments, entry, weakness, &interrupt)?;
        missed += u64::from(found.run.is_none());
        if interrupt.came() {
            return Ok(Exit::Partial);
        }
        found.tell(arguments, &interrupt)?;
    }
    if !arguments.json {
        let text = match missed {
            0 => "✓ every weakness was found\n".to_owned(),
            missed => format!("✗ {missed} not found within {} runs\n", arguments.runs),
        };
        scene::print(&text, arguments.ascii)?;
    }
    Ok(if missed == 0 { Exit::Fine } else { Exit::Bad })
}

/// What became of the search for one weakness.
struct Broken {
    entry: &'static dyn Entry,
    weakness: &'static Weakness,
    runs: u64,
    run: Option<Run>,
}

impl Broken {
    fn look(
        arguments: &Arguments,
        entry: &'static dyn Entry,
        weakness: &'static Weakness,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let hunt = Hunt {
            seed: arguments.seed,
            runs: arguments.runs,
            twice: false,
            violations_max: usize::MAX,
            ..Hunt::default()
        };
        let settings = entry.settings().showing(weakness);
        let campaign = Campaign { entry, settings, hunt, findings: None };
        let mut progress = Progress::new(weakness.name, arguments.runs, None);
        let outcome = campaign.go(&mut |report, run| {
            progress.show(report.runs, "");
            !interrupt.came() && !weakness.explains(run)
        });
        progress.clear();
        let report = outcome.map_err(|error| Failure::internal(error.to_string()))?.report;
        let run = report.violations.iter().find(|run| weakness.explains(run)).cloned();
        Ok(Broken { entry, weakness, runs: report.runs, run })
    }

    fn tell(&self, arguments: &Arguments, interrupt: &Interrupt) -> Result<(), Failure> {
        let Broken { weakness, runs, .. } = self;
        let small = match &self.run {
            Some(run) if self.shrinks(arguments) => self.shrink(arguments, run, interrupt)?,
            _ => None,
        };
        if arguments.json {
            return self.tell_json(small.as_ref().map(|(_, scenario)| scenario));
        }
        let Some(run) = &self.run else {
            let text = format!("✗ {:<28} not found in {} runs\n", weakness.name, report::number(*runs));
            return scene::print(&text, arguments.ascii);
        };
        let count = if *runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        let property = run.found.as_ref().map_or("", |found| found.violation.property.as_str());
        let mut text = format!("✓ {:<28} in {count}, by {property}\n", weakness.name);
        text += &report::fold(&format!("  {}", weakness.sentence), 2);
        let again = format!(
            "synod lab replay {} --mechanism {} --weakness {}",
            run.seed,
            self.entry.name(),
            weakness.name
        );
        text += &report::fold(&format!("  again: {again}"), 9);
        if let Some((told, scenario)) = &small {
            text += &format!("\n{told}");
            if let Some(folder) = &arguments.save {
                let file = folder.join(format!("{}-{}.toml", self.entry.name(), weakness.name));
                std::fs::create_dir_all(folder)?;
                std::fs::write(&file, scenario.to_string())?;
                text += &format!("  saved: {}\n", file.display());
            }
            text += "\n";
        }
        scene::print(&text, arguments.ascii)
    }

    /// Bugs that were put back are many, and each is shrunk when it is asked for by name.
    fn shrinks(&self, arguments: &Arguments) -> bool {
        !arguments.no_shrink && (self.weakness.origin != Origin::Planted || arguments.weakness.is_some())
    }

    fn shrink(
        &self,
        arguments: &Arguments,
        run: &Run,
        interrupt: &Interrupt,
    ) -> Result<Option<(String, Scenario)>, Failure> {
        let settings = self.entry.settings().showing(self.weakness);
        let plan = self.entry.plan(run.seed, &settings);
        let scenario = Scenario::new(self.entry, settings, plan);
        let Some((shrunk, small)) = shrink::shrunk(&scenario, interrupt)? else { return Ok(None) };
        shrink::told(&small, &shrunk, arguments.lines, arguments.ascii).map(Some)
    }

    fn tell_json(&self, small: Option<&Scenario>) -> Result<(), Failure> {
        let violation = self.run.as_ref().and_then(|run| run.found.as_ref()).map(|found| &found.violation);
        let shrunk = small.and_then(|small| {
            let saved = small.saved.as_ref()?;
            let faults: Vec<String> = small.plan.faults.faults.iter().map(ToString::to_string).collect();
            Some(serde_json::json!({
                "records": saved.records, "nodes": small.plan.nodes, "faults": faults, "sentence": saved.sentence,
                "scenario": small.to_string(),
            }))
        });
        let line = serde_json::json!({
            "schema": "synod-lab-break/2",
            "mechanism": self.entry.name(),
            "weakness": self.weakness.name,
            "found": violation.is_some(),
            "runs": self.runs,
            "seed": self.run.as_ref().map(|run| run.seed.to_string()),
            "property": violation.map(|violation| &violation.property),
            "sentence": violation.map(|violation| &violation.sentence),
            "shrunk": shrunk,
        });
        writeln!(std::io::stdout().lock(), "{line}")?;
        Ok(())
    }
}
