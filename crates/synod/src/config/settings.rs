//! Settings as they were given: text by name, each with its origin, and the errors that point back to it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// A variable of the environment.
    Variable,
    /// A line (from 1) of a configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nobody said anything: the default.
    Default,
}

/// One setting: the name is the flag's, without dashes in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    name: &'static str,
    /// The text that was given.
    pub value: String,
    /// Who gave it.
    pub origin: Origin,
}

impl Setting {
    /// A setting of the catalogue.
    pub fn new(name: &'static str, value: impl Into<String>, origin: Origin) -> Self {
        Self { name, value: value.into(), origin }
    }

    /// The flag's name, without dashes.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name as its user wrote it: a flag, a variable, or a line of a file.
    pub fn origin_name(&self) -> String {
        match &self.origin {
            Origin::Flag | Origin::Default => format!("--{}", self.name),
            Origin::Variable => super::environment::variable_name(self.name),
            Origin::File { path, line } => format!("{}:{line}: {}", path.display(), self.name),
        }
    }

    /// The error that this setting's value is not what was expected.
    pub fn expected(&self, expected: impl fmt::Display) -> ConfigError {
        ConfigError::general(format!("{} {:?}: expected {expected}", self.origin_name(), self.value))
    }

    /// The error that this setting cannot be had, and what to do.
    pub fn refused(&self, sentence: impl fmt::Display) -> ConfigError {
        ConfigError::general(format!("{}: {sentence}", self.origin_name()))
    }
}

/// All settings that were given, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// Sets one; a later setting replaces an earlier one, as the last of two equal flags wins.
    pub fn set(&mut self, setting: Setting) {
        self.0.insert(setting.name, setting);
    }

    /// The setting of that name, if it was given.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    /// All settings, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.values()
    }
}

/// Why a configuration was refused, in a sentence that names the flag, the variable or the line of the file,
/// says what was expected and, where it is not plain, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// An error whose text says all.
    pub fn general(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
