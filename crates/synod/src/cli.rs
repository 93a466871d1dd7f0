//! The command line: what can be said, and how it is read.
//!
//! Commands that mean what `etcdctl`'s mean take its flags and `ETCDCTL_` variables. Its switches may be
//! given a value (`--prefix=true`); scripts do that, so such words are brought into the plain form before
//! they are read.

use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory as _, Parser};

use crate::client;
use crate::commands::Command;
use crate::format::{Format, Style};
use crate::go_syntax::{duration, parse_switch};

/// Examples before usage, usage before options.
pub const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The command whose arguments are etcd's.
const SERVE: &str = "serve";

const EXAMPLES: &str = "\
Examples:
  A cluster of three on this machine, for as long as the command runs:
      synod dev

  Write and read, with this program or any etcd client:
      synod put greeting hello
      synod get greeting
      etcdctl get --prefix greet

  How the cluster is, and how many members it can lose:
      synod status

  One member of a real cluster, with etcd's own flags:
      synod serve --name n1 --data-dir /var/lib/synod
";

/// A distributed key-value database that stock etcd clients talk to.
#[derive(Debug, Parser)]
#[command(name = "synod", version, help_template = TEMPLATE, before_help = EXAMPLES, max_term_width = 80)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct CommandLine {
    /// Options of every command that speaks to a cluster.
    #[command(flatten)]
    pub global: GlobalOptions,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command that speaks to a cluster. Global options and a command's own share one space of
/// names inside the parser; hence the prefix of `key`, which is also the name of an argument.
#[derive(Clone, Debug, clap::Args)]
pub struct GlobalOptions {
    /// Endpoints, tried in turn [127.0.0.1:2379]
    #[arg(
        long,
        global = true,
        env = "ETCDCTL_ENDPOINTS",
        value_delimiter = ',',
        help_heading = "Connection"
    )]
    #[arg(
        default_value = "127.0.0.1:2379",
        hide_default_value = true,
        value_name = "HOST:PORT",
        hide_env = true
    )]
    endpoints: Vec<String>,
    /// Authorities of the servers' certificates (PEM)
    #[arg(
        id = "client-cacert",
        long = "cacert",
        global = true,
        env = "ETCDCTL_CACERT",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    #[arg(hide_env = true, hide_short_help = true)]
    cacert: Option<PathBuf>,
    /// Certificate to show to servers (PEM)
    #[arg(
        id = "client-cert",
        long = "cert",
        global = true,
        env = "ETCDCTL_CERT",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    #[arg(hide_env = true, hide_short_help = true)]
    cert: Option<PathBuf>,
    /// Private key of --cert (PEM)
    #[arg(
        id = "client-key",
        long = "key",
        global = true,
        env = "ETCDCTL_KEY",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    #[arg(hide_env = true, hide_short_help = true)]
    key: Option<PathBuf>,
    /// Longest wait for a connection [2s]
    #[arg(long, global = true, env = "ETCDCTL_DIAL_TIMEOUT", value_parser = duration::parse)]
    #[arg(default_value = "2s", hide_default_value = true, value_name = "TIME", help_heading = "Connection")]
    #[arg(hide_env = true, hide_short_help = true)]
    dial_timeout: Duration,
    /// Longest wait for an answer [5s]
    #[arg(long, global = true, env = "ETCDCTL_COMMAND_TIMEOUT", value_parser = duration::parse)]
    #[arg(default_value = "5s", hide_default_value = true, value_name = "TIME", help_heading = "Connection")]
    #[arg(hide_env = true, hide_short_help = true)]
    command_timeout: Duration,
    /// Form of the answer: simple, json, fields or table [simple]
    #[arg(short = 'w', long, global = true, env = "ETCDCTL_WRITE_OUT", value_name = "FORM")]
    #[arg(value_enum, default_value = "simple", hide_default_value = true, hide_possible_values = true)]
    #[arg(help_heading = "Output", hide_env = true)]
    write_out: Format,
    /// Show keys and values byte by byte, as \x6b\x65\x79
    #[arg(
        long,
        global = true,
        env = "ETCDCTL_HEX",
        help_heading = "Output",
        hide_env = true,
        hide_short_help = true
    )]
    hex: bool,
}

impl GlobalOptions {
    /// Where the cluster is.
    pub fn client_options(&self) -> client::Options {
        client::Options {
            endpoints: self.endpoints.clone(),
            authorities: self.cacert.clone(),
            certificate: self.cert.clone(),
            private_key: self.key.clone(),
            dial_timeout: self.dial_timeout,
            command_timeout: self.command_timeout,
        }
    }

    /// The form of the answer.
    pub fn format(&self) -> Format {
        self.write_out
    }

    /// The style of the simple form.
    pub fn style(&self) -> Style {
        Style { is_hexadecimal: self.hex, values_only: false }
    }
}

/// Reads the process's arguments, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<CommandLine, clap::Error> {
    let mut arguments: Vec<String> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|command| command == SERVE) {
        // What follows is etcd's: `-wal-dir` must not be taken for `-w al-dir`.
        arguments.insert(2, "--".into());
    }
    CommandLine::try_parse_from(plain_switches(arguments, &switch_names(&CommandLine::command())))
}

/// The long names of all switches, of all commands.
pub fn switch_names(command: &clap::Command) -> Vec<String> {
    let own = command
        .get_arguments()
        .filter(|argument| matches!(argument.get_action(), clap::ArgAction::SetTrue))
        .filter_map(|argument| argument.get_long().map(ToOwned::to_owned));
    own.chain(command.get_subcommands().flat_map(switch_names)).collect()
}

/// Replaces `--switch=true` by `--switch` and drops `--switch=false`, up to the first `--`.
pub fn plain_switches(arguments: impl IntoIterator<Item = String>, switches: &[String]) -> Vec<String> {
    let mut is_raw = false;
    let plain = |argument: String| {
        is_raw = is_raw || argument == "--";
        let value = argument.strip_prefix("--").and_then(|flag| flag.split_once('='));
        match value.and_then(|(name, value)| Some((name.to_owned(), parse_switch(value)?))) {
            Some((name, value)) if !is_raw && switches.contains(&name) => value.then(|| format!("--{name}")),
            _ => Some(argument),
        }
    };
    arguments.into_iter().filter_map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split(' ').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn switches_may_be_given_a_value() {
        let switches = switch_names(&CommandLine::command());
        let plain = |line: &str| plain_switches(arguments(line), &switches).join(" ");
        assert_eq!(plain("synod get --prefix=true a"), "synod get --prefix a");
        assert_eq!(plain("synod get --prefix=F a"), "synod get a");
        assert_eq!(plain("synod get --limit=1 a"), "synod get --limit=1 a");
        assert_eq!(plain("synod put k -- --prefix=true"), "synod put k -- --prefix=true");
    }

    #[test]
    fn what_follows_serve_is_left_alone() {
        for flags in ["-wal-dir=x --client-cert-auth=true", "--help", "--endpoints x", ""] {
            let words: Vec<&str> = flags.split(' ').filter(|word| !word.is_empty()).collect();
            let line = ["synod", "serve"].iter().chain(&words).map(ToString::to_string);
            let Ok(CommandLine { command: Command::Serve(arguments), .. }) = parse(line) else {
                panic!("{flags} is for serve");
            };
            assert_eq!(arguments.flags(), words);
        }
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["synod --endpoints=a:1,b:2 get k", "synod get k --endpoints a:1,b:2"] {
            let options = parse(arguments(line)).expect(line).global.client_options();
            assert_eq!(options.endpoints, ["a:1", "b:2"]);
            assert_eq!(options.dial_timeout, Duration::from_secs(2));
        }
    }

    #[test]
    fn help_fits_into_eighty_columns_and_shows_examples_first() {
        let mut command = CommandLine::command();
        command.build();
        check_help(&mut command);
    }

    fn check_help(command: &mut clap::Command) {
        let help = command.render_long_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
        }
        let is_group = command.has_subcommands() && command.get_name() != "synod";
        if !is_group {
            let example =
                help.find("Example").unwrap_or_else(|| panic!("{} has no example", command.get_name()));
            assert!(example < help.find("Usage").unwrap_or(usize::MAX), "{}", command.get_name());
        }
        command.get_subcommands_mut().for_each(check_help);
    }
}
