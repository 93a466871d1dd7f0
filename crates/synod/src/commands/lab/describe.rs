//! `synod lab describe`: the essay of a mechanism, and all that can be set, must hold, breaks and is measured.

use std::io::Write as _;

use serde_json::{Value, json};
use synod_lab::entry::{Entry, Origin};
use synod_lab::report;

use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Example:
  synod lab describe lamport-mutex
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The mechanism; `synod lab list` lists them
    name: String,
    /// One JSON document, schema synod-lab-describe/1
    #[arg(long)]
    json: bool,
    /// ASCII characters only
    #[arg(long)]
    ascii: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let entry = super::scene::entry_of(&arguments.name)?;
    if arguments.json {
        let mut document = document(entry);
        document["schema"] = json!("synod-lab-describe/1");
        document["essay"] = json!(entry.about().essay());
        writeln!(std::io::stdout().lock(), "{document}")?;
        return Ok(Exit::Fine);
    }
    super::scene::print(&report::entry::describe(entry), arguments.ascii)?;
    Ok(Exit::Fine)
}

/// An entry as data.
pub fn document(entry: &'static dyn Entry) -> Value {
    let about = entry.about();
    let parameters = |parameters: &[synod_lab::entry::Parameter]| -> Vec<Value> {
        let parameter = |parameter: &synod_lab::entry::Parameter| {
            json!({
                "name": parameter.name,
                "default": parameter.default(),
                "range": parameter.domain.to_string(),
                "sentence": parameter.sentence,
            })
        };
        parameters.iter().map(parameter).collect()
    };
    let settings = entry.settings();
    json!({
        "name": about.name,
        "family": about.family.name(),
        "chapter": about.chapter,
        "question": about.question,
        "survives": about.survives,
        "needs": report::entry::needs(entry.needs()),
        "parameters": parameters(about.parameters),
        "properties": about.properties.iter().map(|property| json!({
            "name": property.name, "sentence": property.sentence, "source": property.source,
        })).collect::<Vec<_>>(),
        "costs": about.costs.iter().map(|cost| json!({
            "name": cost.name, "formula": cost.formula, "value": (cost.value)(&settings), "unit": cost.unit,
        })).collect::<Vec<_>>(),
        "weaknesses": about.weaknesses.iter().map(|weakness| json!({
            "name": weakness.name,
            "sentence": weakness.sentence,
            "violates": weakness.violates,
            "origin": match weakness.origin {
                Origin::Need(need) => format!("need {need}"),
                Origin::Known(source) => source.to_owned(),
                Origin::Planted => "planted".to_owned(),
            },
        })).collect::<Vec<_>>(),
        "experiments": about.experiments.iter().map(|experiment| json!({
            "name": experiment.name,
            "sentence": experiment.sentence,
            "runs": experiment.runs,
            "parameters": parameters(experiment.parameters),
        })).collect::<Vec<_>>(),
        "sources": about.papers,
    })
}
