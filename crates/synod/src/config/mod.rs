//! The configuration of one member: etcd's own flags, variables and names, read into one validated
//! [`ServeConfig`].
//!
//! A unit file written for etcd 3.5 must need another program name and nothing else, so the settings, their
//! defaults, the forms of flags and the order of precedence are etcd's:
//!
//! 1. With `--config-file` (or `ETCD_CONFIG_FILE`) the file alone speaks: flags and variables are ignored,
//!    with a note.
//! 2. Otherwise a flag wins over its `ETCD_` variable, and both over the default. (etcd 3.5 refuses to start
//!    when both are set; here the flag wins, with a note.)
//!
//! Three differences are on purpose. The file is TOML, not YAML. A setting of etcd's that Synod does not have
//! is refused by name, with a reason, instead of being ignored, unless it is given the value that asks for
//! nothing (`--auto-tls=false`). Member and cluster identities are derived from the same facts as etcd's, but
//! by another hash.
//!
//! The work is split by source: [`flags`], [`environment`] and [`file`] each turn their input into
//! [`settings`], text by name with its origin; [`serve`] turns settings into the typed result. None of them
//! touches the disk or the network, so all of it is tested as plain functions; [`load`] alone reads the file
//! and the process's environment.

pub mod catalogue;
pub mod cluster;
pub mod environment;
pub mod file;
pub mod flags;
pub mod help;
pub mod serve;
pub mod settings;
pub mod urls;

use std::ffi::OsString;
use std::path::Path;

pub use serve::ServeConfig;
use settings::{ConfigError, Settings};

/// Largest configuration file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration that was found valid, and what its user should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: ServeConfig,
    /// Sentences for the user: what was ignored, and what is unwise.
    pub notes: Vec<String>,
}

/// Reads the configuration from arguments and variables, and from the file that they name, if they name one.
pub fn load(
    arguments: &[String],
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let flags = flags::parse(arguments)?;
    let environment = environment::read(variables);
    let named = flags.get("config-file").or_else(|| environment.settings.get("config-file"));
    let (settings, mut notes) = match named {
        Some(path) => read_file(Path::new(&path.value), &flags, &environment.settings)?,
        None => environment.beneath(flags),
    };
    let mut loaded = ServeConfig::from_settings(&settings)?;
    notes.append(&mut loaded.notes);
    Ok(Loaded { config: loaded.config, notes })
}

fn read_file(
    path: &Path,
    flags: &Settings,
    variables: &Settings,
) -> Result<(Settings, Vec<String>), ConfigError> {
    let unreadable = |problem: String| ConfigError::general(format!("{}: {problem}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!("{size} bytes; a configuration has at most {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let settings = file::parse(path, &text)?;
    let ignored: Vec<String> = flags
        .iter()
        .chain(variables.iter())
        .filter(|setting| setting.name() != "config-file")
        .map(|setting| setting.origin_name())
        .collect();
    let mut notes = Vec::new();
    if !ignored.is_empty() {
        notes.push(format!("{} alone is used; ignored: {}", path.display(), ignored.join(", ")));
    }
    Ok((settings, notes))
}

#[cfg(test)]
mod tests;
