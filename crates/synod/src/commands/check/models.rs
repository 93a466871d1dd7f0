//! Which models are asked about, as they are written on the command line.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use synod_check::model::Model;

/// One word of `--model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All models that speak of such a history.
    All,
    /// This one.
    One(Model),
}

/// Reads a word of `--model`. It is no list of possible values, since some models take a parameter; a shell completes
/// those that take none.
#[derive(Clone, Copy, Debug)]
pub struct AskedParser;

impl TypedValueParser for AskedParser {
    type Value = Asked;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Asked, clap::Error> {
        let name = value.to_string_lossy();
        if name.trim() == "all" {
            return Ok(Asked::All);
        }
        name.parse().map(Asked::One).map_err(|error| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let models = Model::OPERATIONS.into_iter().chain(Model::TRANSACTIONS);
        Some(Box::new(models.map(Model::name).chain(["all"]).map(PossibleValue::new)))
    }
}
