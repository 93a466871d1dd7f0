//! Command-line flags in the forms of Go's flag package, which etcd's users write in their unit files.
//!
//! `-name x`, `--name x`, `-name=x` and `--name=x` mean the same. A switch takes its value after `=` only: a
//! bare `--client-cert-auth` is true, and a word after it is not its value. The last of two equal flags wins.
//! Nothing but flags may be given; `--` ends them.

use super::catalogue::{self, Kind, Lookup};
use super::settings::{ConfigError, Origin, Setting, Settings};
use crate::go_syntax::parse_switch;

/// Reads the arguments after `serve`.
pub fn parse(arguments: &[String]) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.strip_prefix('-').map(|flag| flag.strip_prefix('-').unwrap_or(flag)) else {
            return Err(not_a_flag(argument));
        };
        if flag.is_empty() && argument == "--" {
            return rest.next().map_or(Ok(settings), |word| Err(not_a_flag(word)));
        }
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.starts_with('-') {
            return Err(ConfigError::general(format!(
                "{argument:?} is not a flag: flags look like --name=n1"
            )));
        }
        let (name, kind) = match catalogue::find(name) {
            Lookup::Known(flag) => (flag.name, flag.kind),
            Lookup::Refused(flag) => (flag.name, flag.kind),
            Lookup::Unknown => return Err(unknown(name)),
        };
        let value = match (value, kind) {
            (Some(value), _) => value.to_owned(),
            (None, Kind::Switch) => "true".to_owned(),
            (None, Kind::Value) => rest
                .next()
                .cloned()
                .ok_or_else(|| ConfigError::general(format!("--{name}: expected a value after it")))?,
        };
        settings.set(Setting::new(name, value, Origin::Flag));
    }
    Ok(settings)
}

fn not_a_flag(word: &str) -> ConfigError {
    let hint =
        if parse_switch(word).is_some() { "; a switch takes its value after =, as --flag=true" } else { "" };
    ConfigError::general(format!("'{word}' is not a valid flag{hint}"))
}

fn unknown(name: &str) -> ConfigError {
    let hint = catalogue::nearest(name)
        .map_or("`synod serve --help` lists all flags".into(), |near| format!("did you mean --{near}?"));
    ConfigError::general(format!("--{name} is not a flag of etcd or Synod: {hint}"))
}
