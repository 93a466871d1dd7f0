//! Synod on the command line.
//!
//! One module a command in [`commands`]; what they share is how a command line is read ([`cli`]), how a
//! cluster is reached ([`client`]), how answers are written ([`format`]) and how a command ends
//! ([`failure`]). Data goes to standard output, notes, prompts and errors to standard error.

mod cli;
mod client;
mod commands;
mod config;
mod failure;
mod format;
mod go_syntax;
mod serving;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;

use failure::Exit;

/// Many small pieces of memory are taken on one thread and given back on another; the system's allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command_line = match cli::parse(std::env::args_os().map(|word| word.to_string_lossy().into_owned())) {
        Ok(command_line) => command_line,
        Err(error) => return explain(&error).into(),
    };
    match commands::run(command_line) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if let Some(sentence) = failure.sentence {
                note(format_args!("Error: {sentence}"));
            }
            failure.exit.into()
        }
    }
}

/// Shows help, the version, or what is wrong with the command line. A reader who has left is no error.
fn explain(error: &clap::Error) -> Exit {
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => Exit::Fine,
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Internal,
        _ => Exit::Usage,
    }
}

/// Writes a line to standard error; that nobody reads it is no reason to stop.
pub(crate) fn note(sentence: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{sentence}");
}
