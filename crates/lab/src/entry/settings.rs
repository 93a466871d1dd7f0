//! The values of parameters in one run, and which weakness is being shown.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_sim::{Swarm, parse_duration};
use thiserror::Error;

use super::{Parameter, Weakness};
use crate::suggest;

/// A value for every parameter of a list: its default, or what was set.
#[derive(Clone, Debug)]
pub struct Settings {
    parameters: Vec<Parameter>,
    /// What was set, each in its canonical form.
    given: BTreeMap<&'static str, String>,
    weakness: Option<&'static Weakness>,
    /// The kinds of faults that hunts keep, if not all.
    kinds: Option<Vec<String>>,
}

/// What cannot be set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingError {
    /// Not of the form `name=value`.
    #[error("expected name=value, found `{0}`")]
    Form(String),
    /// There is no such parameter.
    #[error("{0}")]
    Unknown(String),
    /// The value is none of the parameter's.
    #[error("{name}: expected {expected}, found `{found}`")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
}

impl Settings {
    /// The defaults of all.
    pub fn of(parameters: &[Parameter]) -> Self {
        Settings { parameters: parameters.to_vec(), given: BTreeMap::new(), weakness: None, kinds: None }
    }

    /// Sets from `name=value`, as on a command line.
    ///
    /// # Errors
    /// When it is of another form, there is no such parameter (the error suggests the nearest), or the value is out of its range.
    pub fn set(&mut self, assignment: &str) -> Result<(), SettingError> {
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| SettingError::Form(assignment.to_owned()))?;
        self.put(name.trim(), value)
    }

    /// Sets one parameter from the text of its value.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn put(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let Some(parameter) = self.parameters.iter().find(|parameter| parameter.name == name) else {
            let known = self.parameters.iter().map(|parameter| parameter.name);
            return Err(SettingError::Unknown(suggest::unknown("parameter", name, known)));
        };
        let wrong = || SettingError::Value {
            name: parameter.name,
            expected: parameter.domain.to_string(),
            found: value.to_owned(),
        };
        let canonical = parameter.canonical(value).ok_or_else(wrong)?;
        self.given.insert(parameter.name, canonical);
        Ok(())
    }

    /// These settings with some set by the program itself.
    ///
    /// # Panics
    /// When one cannot be set: the catalogue is wrong then.
    pub fn with(mut self, values: &[(&str, &str)]) -> Self {
        for (name, value) in values {
            self.put(name, value)
                .unwrap_or_else(|error| panic!("expected a setting of the catalogue: {error}"));
        }
        self
    }

    /// These settings bent so that the weakness shows. What was set by hand stays.
    pub fn showing(mut self, weakness: &'static Weakness) -> Self {
        let by_hand = std::mem::take(&mut self.given);
        self = self.with(weakness.settings);
        self.given.extend(by_hand);
        self.weakness = Some(weakness);
        self
    }

    /// Of what hunts draw, keeps only faults of these kinds.
    ///
    /// # Errors
    /// When a kind is not known; the error suggests the nearest.
    pub fn only_faults<'a>(mut self, kinds: impl IntoIterator<Item = &'a str>) -> Result<Self, SettingError> {
        let kinds: Vec<String> = kinds.into_iter().map(ToOwned::to_owned).collect();
        if let Some(strange) = kinds.iter().find(|kind| !Swarm::kinds().contains(&kind.as_str())) {
            let known = Swarm::kinds().iter().copied();
            return Err(SettingError::Unknown(suggest::unknown("kind of fault", strange, known)));
        }
        self.kinds = Some(kinds);
        Ok(self)
    }

    /// Whether hunts keep faults of that kind.
    pub fn keeps(&self, kind: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kept| kept == kind))
    }

    /// The weakness that is being shown.
    pub fn weakness(&self) -> Option<&'static Weakness> {
        self.weakness
    }

    /// Whether a parameter was set, if only to its default.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Every parameter with its value, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.parameters.iter().map(|parameter| (parameter.name, self.text(parameter.name)))
    }

    /// What was set.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A value as it is written.
    ///
    /// # Panics
    /// As all that follow: when there is no parameter of that name and kind. The catalogue's test walks every entry.
    pub fn text(&self, name: &str) -> String {
        let parameter = self.parameters.iter().find(|parameter| parameter.name == name);
        let parameter =
            parameter.unwrap_or_else(|| panic!("expected a parameter {name} in the list, found none"));
        self.given.get(name).cloned().unwrap_or_else(|| parameter.default())
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> u64 {
        self.parsed(name, |text| text.parse().ok())
    }

    /// A number.
    pub fn number(&self, name: &str) -> f64 {
        self.parsed(name, |text| text.parse().ok())
    }

    /// A duration.
    pub fn duration(&self, name: &str) -> Duration {
        self.parsed(name, parse_duration)
    }

    /// A switch.
    pub fn switch(&self, name: &str) -> bool {
        self.parsed(name, |text| text.parse().ok())
    }

    /// A word; compare it with those of the list.
    pub fn word(&self, name: &str) -> String {
        self.text(name)
    }

    /// The sizes of clusters from which a hunt draws: the parameter `nodes` if it was set, else these.
    pub fn sizes(&self, usual: &[u64]) -> Vec<u64> {
        if self.is_given("nodes") { vec![self.integer("nodes")] } else { usual.to_vec() }
    }

    fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> T {
        let text = self.text(name);
        parse(&text)
            .unwrap_or_else(|| panic!("expected the parameter {name} to be of another kind than `{text}`"))
    }
}
