//! `synod completions`: the completion script of a shell, the flags of `serve` among them.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::CommandLine;
use crate::config::catalogue::{self, Kind};
use crate::failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  synod completions bash > ~/.local/share/bash-completion/completions/synod
  synod completions zsh > ~/.zfunc/_synod
  synod completions fish > ~/.config/fish/completions/synod.fish
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    use std::io::Write as _;
    std::io::stdout().write_all(&script(arguments.shell))?;
    Ok(Exit::Fine)
}

/// `serve` reads its own arguments, so that its flags are shown to the generator only here.
fn script(shell: Shell) -> Vec<u8> {
    let flags = catalogue::groups().flat_map(|(_, flags)| flags).filter(|flag| flag.name != "version");
    let arguments = flags.map(|flag| {
        let argument = clap::Arg::new(flag.name).long(flag.name).help(flag.help);
        match flag.kind {
            Kind::Switch => argument.action(clap::ArgAction::SetTrue),
            Kind::Value => argument,
        }
    });
    let serve = clap::Command::new("serve").about("Serve one member of a cluster").args(arguments);
    let mut command = CommandLine::command().mut_subcommand("serve", |_| serve);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "synod", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_complete_the_flags_of_serve() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(script(shell)).expect("text");
            assert!(script.contains("initial-cluster-token") && script.contains("sort-by"), "{shell}");
        }
    }
}
