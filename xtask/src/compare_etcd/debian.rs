//! Debian's etcd 3.5, from its package, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// The release whose etcd is 3.5.
const RELEASE: &str = "trixie";
const SOURCES: &[&str] = &["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
const PACKAGE: &str = "etcd-server";

/// Where the program lies; fetches it the first time.
///
/// # Errors
/// This is no Debian, or the package cannot be had: then `--etcd` names another.
pub fn etcd() -> anyhow::Result<PathBuf> {
    let cache = crate::repository::target().join("etcd-3.5");
    let program = cache.join("unpacked/usr/bin/etcd");
    if !program.exists() {
        fetch(&cache).context("Debian's etcd 3.5 cannot be fetched; name an etcd with --etcd PATH")?;
    }
    Ok(program)
}

/// With a copy of the system's sources that names the other release, and lists and archives of its own: the system's stay as they are.
fn fetch(cache: &Path) -> anyhow::Result<()> {
    for folder in ["lists/partial", "cache/archives/partial", "unpacked"] {
        fs::create_dir_all(cache.join(folder))?;
    }
    let sources =
        SOURCES.iter().find(|path| Path::new(path).exists()).context("no sources of Debian's are here")?;
    let text = fs::read_to_string(sources)?;
    let copy = cache.join(Path::new(sources).file_name().context("a path of a file has its name")?);
    fs::write(&copy, text.replace("bookworm", RELEASE))?;
    let options = [
        format!("Dir::Etc::sourcelist={}", copy.display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", cache.join("lists").display()),
        format!("Dir::Cache={}", cache.join("cache").display()),
    ];
    for words in [&["update"][..], &["download", PACKAGE]] {
        let mut apt = Command::new("apt-get");
        apt.current_dir(cache).args(options.iter().flat_map(|option| ["-o", option])).args(words);
        succeed(&mut apt)?;
    }
    let package = fs::read_dir(cache)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")?;
    succeed(Command::new("dpkg").arg("-x").arg(package).arg(cache.join("unpacked")))
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { bail!("{:?} ended with {status}", command.get_program()) }
}
