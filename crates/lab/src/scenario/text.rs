//! The text form of scenarios.

use std::fmt;
use std::str::FromStr;

use synod_sim::{Fault, Script};
use toml::{Table, Value};

use super::fields::FIELDS;
use super::{Marks, Saved, Scenario, ScenarioError, entry_of};
use crate::entry::Settings;
use crate::suggest;

const HEAD: &str = "\
# A run of the laboratory. `synod lab run FILE` makes it; edit it as you like.
# What is left out is as in the mechanism's story.
";

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        writeln!(f, "mechanism = {}", quoted(self.entry.name()))?;
        if let Some(weakness) = self.settings.weakness() {
            writeln!(f, "weakness = {}", quoted(weakness.name))?;
        }
        let names: Vec<String> =
            self.properties.iter().map(|name| format!("  {},\n", quoted(name))).collect();
        writeln!(f, "properties = [\n{}]", names.concat())?;
        self.fields(f, "")?;
        let faults =
            self.plan.faults.faults.iter().map(|fault| format!("  {},\n", quoted(&fault.to_string())));
        let faults = faults.collect::<String>();
        writeln!(f, "faults = [{}{faults}]", if faults.is_empty() { "" } else { "\n" })?;
        if self.settings.given().next().is_some() {
            writeln!(f, "\n[settings]")?;
            for (name, value) in self.settings.given() {
                writeln!(f, "{name} = {}", quoted(value))?;
            }
        }
        let mut tables: Vec<&str> = FIELDS.iter().map(|field| field.table).collect();
        tables.dedup();
        for table in tables.into_iter().filter(|table| !table.is_empty()) {
            writeln!(f, "\n[{table}]")?;
            self.fields(f, table)?;
        }
        self.saved.as_ref().map_or(Ok(()), |saved| saved_table(f, saved))
    }
}

impl Scenario {
    fn fields(&self, f: &mut fmt::Formatter<'_>, table: &str) -> fmt::Result {
        for field in FIELDS.iter().filter(|field| field.table == table) {
            let value = (field.get)(&self.plan);
            writeln!(f, "{} = {}", field.name, if field.quoted { quoted(&value) } else { value })?;
        }
        Ok(())
    }
}

fn saved_table(f: &mut fmt::Formatter<'_>, saved: &Saved) -> fmt::Result {
    writeln!(f, "\n# What it came to.\n[found]\nbuild = {}", quoted(&saved.build))?;
    if let Some(property) = &saved.property {
        writeln!(f, "property = {}\nsentence = {}", quoted(property), quoted(&saved.sentence))?;
    }
    writeln!(f, "records = {}\nfingerprint = \"{:016x}\"", saved.records, saved.fingerprint)?;
    writeln!(f, "marks = \"\"\"\n{}\"\"\"", saved.marks.lines().join("\n"))
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| ScenarioError::at("", error))?;
        check_keys(&file)?;
        let name = string(&file, "mechanism")?
            .ok_or_else(|| ScenarioError::at("mechanism", "expected the name of a mechanism, found none"))?;
        let entry = entry_of(&name)?;
        let settings = read_settings(entry.settings(), &file)?;
        let seed = match file.get("seed").map(shown) {
            Some(seed) => {
                seed.parse().map_err(|_| ScenarioError::at("seed", "expected a seed of 64 bits"))?
            }
            None => 1,
        };
        let mut scenario = Scenario::new(entry, settings.clone(), entry.story(seed, &settings));
        for field in FIELDS {
            let table = if field.table.is_empty() { Some(&file) } else { sub(&file, field.table)? };
            let Some(value) = table.and_then(|table| table.get(field.name)) else { continue };
            let text = shown(value);
            (field.set)(&mut scenario.plan, text.trim()).ok_or_else(|| {
                let place = [field.table, field.name].join(".");
                let problem = format!("expected {}, found `{text}`", field.form);
                ScenarioError::at(place.trim_start_matches('.'), problem)
            })?;
        }
        if let Some(lines) = strings(&file, "faults")? {
            let faults: Result<Vec<Fault>, ScenarioError> = lines
                .iter()
                .map(|line| {
                    line.parse().map_err(|error| ScenarioError::at("faults", format!("`{line}`: {error}")))
                })
                .collect();
            scenario.plan.faults = Script { faults: faults? };
        }
        if let Some(names) = strings(&file, "properties")? {
            for name in &names {
                let known = entry.about().properties.iter().map(|property| property.name);
                entry.about().property(name).ok_or_else(|| {
                    ScenarioError::at("properties", suggest::unknown("property", name, known))
                })?;
            }
            scenario.properties = names;
        }
        scenario.saved = sub(&file, "found")?.map(read_saved).transpose()?;
        Ok(scenario)
    }
}

fn read_settings(mut settings: Settings, file: &Table) -> Result<Settings, ScenarioError> {
    for (name, value) in sub(file, "settings")?.into_iter().flatten() {
        settings.put(name, &shown(value)).map_err(|error| ScenarioError::at("settings", error))?;
    }
    let Some(weakness) = string(file, "weakness")? else { return Ok(settings) };
    let about = entry_of(&string(file, "mechanism")?.unwrap_or_default())?.about();
    let known = about.weaknesses.iter().map(|weakness| weakness.name);
    let found = about.weakness(&weakness);
    let found =
        found.ok_or_else(|| ScenarioError::at("weakness", suggest::unknown("weakness", &weakness, known)))?;
    Ok(settings.showing(found))
}

fn read_saved(table: &Table) -> Result<Saved, ScenarioError> {
    let text = |name: &str| table.get(name).map(shown);
    let wrong = |name: &str| ScenarioError::at(&format!("found.{name}"), "expected it as it was printed");
    Ok(Saved {
        build: text("build").unwrap_or_default(),
        property: text("property"),
        sentence: text("sentence").unwrap_or_default(),
        records: text("records").map_or(Ok(0), |text| text.parse().map_err(|_| wrong("records")))?,
        fingerprint: text("fingerprint")
            .map_or(Ok(0), |text| u64::from_str_radix(&text, 16).map_err(|_| wrong("fingerprint")))?,
        marks: Marks::read(&text("marks").unwrap_or_default()).ok_or_else(|| wrong("marks"))?,
    })
}

/// A key that means nothing is more often a slip than a comment.
fn check_keys(file: &Table) -> Result<(), ScenarioError> {
    let mut known = vec!["mechanism", "weakness", "properties", "faults", "settings", "found"];
    known.extend(FIELDS.iter().map(|field| if field.table.is_empty() { field.name } else { field.table }));
    for (name, value) in file {
        if !known.contains(&name.as_str()) {
            return Err(ScenarioError::at("", suggest::unknown("key", name, known.iter().copied())));
        }
        let fields = FIELDS.iter().filter(|field| field.table == name).map(|field| field.name);
        let fields: Vec<&str> = fields.collect();
        let keys = value.as_table().into_iter().flat_map(Table::keys).filter(|_| !fields.is_empty());
        for key in keys {
            if !fields.contains(&key.as_str()) {
                let problem = suggest::unknown("key", key, fields.iter().copied());
                return Err(ScenarioError::at(name, problem));
            }
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn sub<'a>(file: &'a Table, name: &str) -> Result<Option<&'a Table>, ScenarioError> {
    let problem = || ScenarioError::at(name, "expected a table");
    file.get(name).map(|value| value.as_table().ok_or_else(problem)).transpose()
}

fn string(file: &Table, name: &str) -> Result<Option<String>, ScenarioError> {
    let problem = || ScenarioError::at(name, "expected a string");
    file.get(name).map(|value| value.as_str().map(ToOwned::to_owned).ok_or_else(problem)).transpose()
}

fn strings(file: &Table, name: &str) -> Result<Option<Vec<String>>, ScenarioError> {
    let problem = || ScenarioError::at(name, "expected a list of strings");
    let Some(value) = file.get(name) else { return Ok(None) };
    let list = value.as_array().ok_or_else(problem)?;
    list.iter()
        .map(|item| item.as_str().map(ToOwned::to_owned).ok_or_else(problem))
        .collect::<Result<_, _>>()
        .map(Some)
}
