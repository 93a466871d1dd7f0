//! The server program under test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::Member;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ServerKind {
    /// This repository's.
    Synod,
    /// Debian's etcd: to try the tests on a server that is known.
    Etcd,
}

/// A server program.
#[derive(Clone, Debug)]
pub struct Program {
    kind: ServerKind,
    path: PathBuf,
}

impl Program {
    /// The program of that kind: the one named, or the one that is built here or installed.
    ///
    /// # Errors
    /// It does not build, or is not there.
    pub fn find(kind: ServerKind, named: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = match (named, kind) {
            (Some(path), _) => path,
            (None, ServerKind::Synod) => build_synod()?,
            (None, ServerKind::Etcd) => PathBuf::from("/usr/bin/etcd"),
        };
        // Members run in other directories and namespaces.
        let path = path.canonicalize().with_context(|| format!("there is no program {}", path.display()))?;
        Ok(Self { kind, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The arguments that run a member. But for the first word they are etcd's.
    pub fn serve_arguments(&self, member: &Member, initial_cluster: &str, token: &str) -> Vec<OsString> {
        let client = format!("http://{}", member.place.client);
        let peer = format!("http://{}", member.place.peer);
        let mut arguments: Vec<OsString> = Vec::new();
        if self.kind == ServerKind::Synod {
            arguments.push("serve".into());
        }
        let flags = [
            ("--name", member.name.as_str()),
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            ("--initial-cluster", initial_cluster),
            ("--initial-cluster-token", token),
            ("--initial-cluster-state", "new"),
        ];
        for (flag, value) in flags {
            arguments.extend([flag.into(), value.into()]);
        }
        arguments.extend(["--data-dir".into(), member.data.clone().into_os_string()]);
        arguments
    }
}

/// Builds this repository's server in release mode and says where it is.
fn build_synod() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", "synod", "--message-format=json-render-diagnostics"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo does not run")?;
    if !output.status.success() {
        bail!("the server does not build");
    }
    let messages = String::from_utf8(output.stdout).context("cargo's messages are text")?;
    executable_of(&messages).context("cargo built no program named synod")
}

/// The program that cargo's messages say was built. There is one, so the last named is it.
fn executable_of(messages: &str) -> Option<PathBuf> {
    const FIELD: &str = "\"executable\":\"";
    messages.lines().rev().find_map(|line| {
        let rest = &line[line.find(FIELD)? + FIELD.len()..];
        Some(PathBuf::from(&rest[..rest.find('"')?]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_was_built_is_found_in_the_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/release/synod\",\"fresh\":true}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable_of(messages), Some(PathBuf::from("/t/release/synod")));
        assert_eq!(executable_of("{}"), None);
    }
}
