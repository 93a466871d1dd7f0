//! Variables of the environment: every flag has one, `--data-dir` is `ETCD_DATA_DIR`.
//!
//! An empty variable counts as unset. An `ETCD_` variable that names no flag is noted and ignored:
//! orchestrators set such variables for services of that name (`ETCD_PORT`, `ETCD_SERVICE_HOST`).

use std::ffi::OsString;

use super::catalogue::{self, Lookup};
use super::settings::{Origin, Setting, Settings};

const PREFIX: &str = "ETCD_";

/// The variable of a flag.
pub fn variable_name(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"))
}

/// What the environment says.
#[derive(Debug, Default)]
pub struct Environment {
    /// The variables that name a flag.
    pub settings: Settings,
    /// The other variables with etcd's prefix, and those that are not text.
    unused: Vec<String>,
}

/// Picks etcd's variables out of the environment. Unsupported ones are kept: whether they are refused depends
/// on whether the environment is used at all.
pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let name = name.to_string_lossy().into_owned();
        let Some(flag) = name.strip_prefix(PREFIX) else { continue };
        if value.is_empty() {
            continue;
        }
        let known = match catalogue::find(&flag.to_lowercase().replace('_', "-")) {
            Lookup::Known(flag) if variable_name(flag.name) == name => flag.name,
            Lookup::Refused(flag) if variable_name(flag.name) == name => flag.name,
            _ => {
                environment.unused.push(format!("{name} names no setting and is ignored"));
                continue;
            }
        };
        match value.into_string() {
            Ok(value) => environment.settings.set(Setting::new(known, value, Origin::Variable)),
            Err(_) => environment.unused.push(format!("{name} is not text in UTF-8 and is ignored")),
        }
    }
    environment
}

impl Environment {
    /// The flags, and beneath them the variables; with what the user should know of it.
    pub fn beneath(self, flags: Settings) -> (Settings, Vec<String>) {
        let mut notes = self.unused;
        let mut merged = self.settings;
        for flag in flags.iter() {
            if let Some(variable) = merged.get(flag.name()).filter(|variable| variable.value != flag.value) {
                notes.push(format!("{} is ignored: --{} is given", variable.origin_name(), flag.name()));
            }
            merged.set(flag.clone());
        }
        (merged, notes)
    }
}
