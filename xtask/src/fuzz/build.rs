//! Building the targets with instrumentation.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::repository;

/// What the stable compiler is asked for: counters at every edge, a table of their places, and the operands of comparisons.
const INSTRUMENTATION: &[&str] = &[
    "--cfg=fuzzing",
    // What a compiler warns of is for clippy to say.
    "--cap-lints=allow",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// The names of all targets, in order.
pub fn targets() -> anyhow::Result<Vec<String>> {
    let folder = repository::root().join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds `targets`, with the versions of dependencies that the product is built with.
pub fn build(targets: &[String]) -> anyhow::Result<()> {
    let package = repository::root().join("fuzz");
    fs::copy(repository::root().join("Cargo.lock"), package.join("Cargo.lock"))
        .context("cannot copy Cargo.lock to the fuzz targets")?;
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--target", &host()?])
        .args(targets.iter().flat_map(|target| ["--bin", target]))
        .current_dir(package)
        .env("CARGO_TARGET_DIR", folder())
        // Separated by 1f, which no flag contains.
        .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\x1f"))
        .env_remove("RUSTFLAGS")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the fuzz targets do not build");
    Ok(())
}

/// The program of a target.
pub fn program(target: &str) -> anyhow::Result<PathBuf> {
    Ok(folder().join(host()?).join("release").join(target))
}

/// Where builds, inputs and findings lie.
pub fn folder() -> PathBuf {
    repository::target().join("fuzz")
}

/// The machine's own triple. It is named to cargo, since flags then go to the targets alone and not to build scripts.
fn host() -> anyhow::Result<String> {
    let output =
        Command::new("rustc").arg("--version").arg("--verbose").output().context("cannot run rustc")?;
    let text = String::from_utf8(output.stdout).context("rustc speaks UTF-8")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}
