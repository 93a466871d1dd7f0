//! `cargo xtask fuzz`: coverage-guided fuzzing of every decoder of bytes from outside.
//!
//! # How
//! The targets are small programs in `fuzz/targets`, a package of its own. They link libFuzzer and are built by the stable
//! toolchain: the instrumentation is a pass that LLVM brings along, asked for by plain code generation flags. Assertions and overflow checks are on.
//! The address space of a target is limited, so that an allocation by a claimed length fails on the spot.
//!
//! # Inputs
//! A target starts from three sources, put together in `fuzz/corpus` of the build folder: seeds that it makes itself with the real
//! encoders, inputs that once found something (`fuzz/corpus/<target>.txt`, text, a line each), and what earlier runs
//! on this machine discovered, which is cut down to its essence when it grows. Only the text is kept in the repository.
//!
//! # Verdict
//! A run fails if a target crashed, hung, or grew beyond its memory: the file to reproduce it is named, with the command. It also
//! fails if no code was reached: a fuzzer without coverage looks like a success.

mod build;
mod campaign;
mod corpus;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::Args;

/// Fuzzes the decoders of everything that comes from outside.
#[derive(Args)]
pub struct Fuzz {
    /// The targets; all of them if none is named.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Names the targets, and runs none.
    #[arg(long)]
    list: bool,
    /// Runs one target once, with this input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "keep"])]
    reproduce: Option<PathBuf>,
    /// Keeps this input of one target in the repository, to be run first for ever after.
    #[arg(long, value_name = "FILE", requires = "because")]
    keep: Option<PathBuf>,
    /// What the input is kept for, in a few words.
    #[arg(long, value_name = "TEXT", requires = "keep")]
    because: Option<String>,
}

impl Fuzz {
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<()> {
        let known = build::targets()?;
        if self.list {
            known.iter().for_each(|target| println!("{target}"));
            return Ok(());
        }
        for name in &self.targets {
            ensure!(known.contains(name), "there is no target {name:?}; there are: {}", known.join(", "));
        }
        if let (Some(file), Some(because)) = (&self.keep, &self.because) {
            return corpus::keep(self.the_target("--keep")?, file, because);
        }
        let targets = if self.targets.is_empty() { known } else { self.targets.clone() };
        build::build(&targets)?;
        if let Some(file) = &self.reproduce {
            return campaign::reproduce(self.the_target("--reproduce")?, file);
        }
        campaign::run(&targets, Duration::from_secs(self.seconds))
    }

    fn the_target(&self, option: &str) -> anyhow::Result<&str> {
        match &self.targets[..] {
            [target] => Ok(target),
            _ => bail!("{option} takes one target: cargo xtask fuzz <TARGET> {option} …"),
        }
    }
}
