//! The configuration file: TOML with the flags' names as keys.
//!
//! ```toml
//! name = "n1"
//! listen-client-urls = ["http://10.0.0.1:2379", "http://127.0.0.1:2379"]   # or one string with commas
//! heartbeat-interval = 100                                                 # milliseconds, as the flag
//! client-cert-auth = true
//!
//! [initial-cluster]                                                        # or the flag's own text
//! n1 = "http://10.0.0.1:2380"
//! n2 = "http://10.0.0.2:2380"
//! ```

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{self, Lookup};
use super::settings::{ConfigError, Origin, Setting, Settings};

/// Reads the text of a configuration file; `path` is for the messages.
pub fn parse(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let line_at =
        |offset: usize| 1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
    let at = |offset: usize, sentence: String| {
        ConfigError::general(format!("{}:{}: {sentence}", path.display(), line_at(offset)))
    };
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        at(offset, format!("{}{}", error.message(), hint_of_yaml(path, text)))
    })?;
    let mut settings = Settings::default();
    for (key, value) in table.get_ref() {
        let name = match catalogue::find(key.get_ref()) {
            Lookup::Known(flag) if flag.name != "config-file" && flag.name != "version" => flag.name,
            Lookup::Known(flag) => {
                return Err(at(key.span().start, format!("{} has no meaning in a file", flag.name)));
            }
            Lookup::Refused(flag) => flag.name,
            Lookup::Unknown => return Err(at(key.span().start, unknown(key.get_ref()))),
        };
        let origin = Origin::File { path: path.to_owned(), line: line_at(key.span().start) };
        let text =
            text_of(name, value).map_err(|expected| at(value.span().start, format!("{name}: {expected}")))?;
        settings.set(Setting::new(name, text, origin));
    }
    Ok(settings)
}

/// The value as a flag would give it; the error says what was expected.
fn text_of(name: &str, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Boolean(switch) => Ok(switch.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            Ok(items.ok_or("expected every item to be a string in quotes")?.join(","))
        }
        DeValue::Table(members) if name == "initial-cluster" => {
            let mut pairs = Vec::new();
            for (member, urls) in members {
                let urls = text_of("", urls)?;
                pairs.extend(urls.split(',').map(|url| format!("{}={url}", member.get_ref())));
            }
            Ok(pairs.join(","))
        }
        _ => Err("expected a string in quotes, a whole number, true or false, or a list of strings".into()),
    }
}

fn unknown(key: &str) -> String {
    if key == "client-transport-security" || key == "peer-transport-security" {
        let prefix = if key.starts_with("peer") { "peer-" } else { "" };
        return format!(
            "[{key}] is of etcd's YAML: write {prefix}cert-file, {prefix}key-file, {prefix}trusted-ca-file"
        );
    }
    match catalogue::nearest(key) {
        Some(near) => format!("{key} is not a setting: did you mean {near}?"),
        None => format!("{key} is not a setting: keys are the names of `synod serve`'s flags"),
    }
}

/// etcd's own file is YAML; whoever brings one should hear how a line of it is written here.
fn hint_of_yaml(path: &Path, text: &str) -> String {
    let is_named_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let looks_like_yaml = text.lines().any(|line| line.starts_with("name:") || line.starts_with("data-dir:"));
    if is_named_yaml || looks_like_yaml {
        "; the file is TOML, not YAML: `name: n1` is written `name = \"n1\"`".into()
    } else {
        String::new()
    }
}
