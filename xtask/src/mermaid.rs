//! `cargo xtask mermaid`: mermaid's own parser reads what `synod lab run --export mermaid` writes.
//!
//! The parser comes from npm, in the versions that are named here, into the build folder; it needs Node.js, and is no part of the ordinary tests for that reason. What it is
//! shown are runs with every kind of fate: delivered, lost by hand, blocked, in flight; and nodes that crash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::repository;

/// Packages and versions.
const PACKAGES: &[&str] = &["mermaid@11", "jsdom@26"];

/// Parses a file, and says what kind of diagram it is.
const PARSE: &str = r#"import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";
const { window } = new JSDOM("");
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import("mermaid");
const found = await mermaid.parse(readFileSync(process.argv[2], "utf8"));
console.log(found.diagramType);
"#;

/// Runs to be exported: what follows `synod lab run`.
const RUNS: &[&[&str]] = &[
    &["lamport-mutex"],
    &["central", "--seed", "3"],
    &[
        "lamport-mutex",
        "--nodes",
        "4",
        "--fault",
        "at 20ms partition n1 n2 | n3 n4 for 10ms",
        "--fault",
        "at 35ms drop * n1 -> n2 x2",
        "--fault",
        "at 40ms crash n3 for 5ms",
        "--fault",
        "at 45ms pause n1 for 5ms",
    ],
];

/// Has mermaid's own parser read what the laboratory exports.
#[derive(Args)]
pub struct Mermaid {
    /// The program [built here]
    #[arg(long, value_name = "FILE")]
    synod: Option<PathBuf>,
}

impl Mermaid {
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<()> {
        let folder = repository::target().join("mermaid");
        fs::create_dir_all(&folder)?;
        install(&folder)?;
        fs::write(folder.join("parse.mjs"), PARSE)?;
        for (number, run) in RUNS.iter().enumerate() {
            let file = folder.join(format!("run-{number}.mmd"));
            let mut made = self.synod();
            made.args(["lab", "run"]).args(*run).args(["--export", "mermaid"]).arg(&file);
            let output = made.output().context("synod cannot be run")?;
            // A run with faults may well violate something.
            ensure!(
                matches!(output.status.code(), Some(0..=2)),
                "{run:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let parsed = Command::new("node").arg("parse.mjs").arg(&file).current_dir(&folder).output()?;
            let kind = String::from_utf8_lossy(&parsed.stdout);
            if !parsed.status.success() || kind.trim() != "sequence" {
                bail!("{} is not taken: {}", file.display(), String::from_utf8_lossy(&parsed.stderr));
            }
            println!("✓ {}", run.join(" "));
        }
        Ok(())
    }

    fn synod(&self) -> Command {
        if let Some(program) = &self.synod {
            return Command::new(program);
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["run", "--quiet", "--package", "synod", "--"]).current_dir(repository::root());
        cargo
    }
}

fn install(folder: &Path) -> anyhow::Result<()> {
    let installed = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent"])
        .args(PACKAGES)
        .current_dir(folder)
        .status();
    let status = installed.context("npm cannot be run: install Node.js with npm")?;
    ensure!(status.success(), "npm could not install {}", PACKAGES.join(" and "));
    Ok(())
}
