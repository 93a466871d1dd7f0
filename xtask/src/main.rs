//! Helpers for those who work on Synod: `cargo xtask <command>`.
//!
//! One module a command; each takes the words after its name.

mod compare_cli;

use std::process::ExitCode;

/// A command: its name, what it does in a sentence, and its body.
type Command = (&'static str, &'static str, fn(&[String]) -> anyhow::Result<()>);

const COMMANDS: &[Command] =
    &[("compare-cli", "Compare the output of synod with etcdctl's, against a real etcd.", compare_cli::run)];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command = words.first().and_then(|name| COMMANDS.iter().find(|(known, ..)| known == name));
    let Some((name, _, body)) = command else {
        eprintln!("Usage: cargo xtask <command>\n");
        for (name, sentence, _) in COMMANDS {
            eprintln!("  {name:<16} {sentence}");
        }
        return ExitCode::from(64);
    };
    match body(&words[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
