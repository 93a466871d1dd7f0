//! `synod serve`: one member of a cluster, with etcd's own flags.

use std::path::Path;

use crate::config::{self, ServeConfig};
use crate::failure::{Exit, Failure};
use crate::note;
use crate::serving::{self, Stop};

/// The arguments, which [`config`] reads.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, before_help = "Example:\n  synod serve --data-dir /var/lib/synod\n")]
#[command(help_template = crate::cli::TEMPLATE)]
pub struct Arguments {
    /// etcd's flags; `synod serve --help` lists them
    #[arg(allow_hyphen_values = true, trailing_var_arg = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

impl Arguments {
    /// The flags as they were given.
    #[cfg(test)]
    pub fn flags(&self) -> &[String] {
        &self.flags
    }
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<Exit, Failure> {
    use std::io::Write as _;
    let asks =
        |names: [&str; 2]| arguments.flags.iter().any(|flag| names.contains(&flag.trim_start_matches('-')));
    if asks(["help", "h"]) {
        std::io::stdout().write_all(config::help::text().as_bytes())?;
        return Ok(Exit::Fine);
    }
    if asks(["version", "version=true"]) {
        return super::version::run(&super::version::Arguments {});
    }
    let loaded = config::load(&arguments.flags, std::env::vars_os())
        .map_err(|error| Failure::usage(error.to_string()))?;
    loaded.notes.iter().for_each(|sentence| note(format_args!("Note: {sentence}")));
    check_files(&loaded.config)?;
    start(loaded.config)
}

/// Serves until the process is told to stop.
fn start(config: ServeConfig) -> Result<Exit, Failure> {
    serving::log(config.log_level);
    let threads = serving::Threads::new(1, config.initial_cluster.len())?;
    threads.runtime()?.block_on(async {
        let name = config.name.clone();
        let members = vec![(name.clone(), serving::start(&config, threads).await?)];
        let ready = async {
            // Open ports are not enough: who waits for this line wants answers.
            members[0].1.backend().ready().await;
            tracing::info!(
                name,
                urls = serving::client_urls([&config]),
                version = env!("CARGO_PKG_VERSION"),
                "ready to serve client requests"
            );
            std::future::pending().await
        };
        let stop = tokio::select! {
            stop = serving::until_stopped(&members) => stop?,
            never = ready => never,
        };
        match stop {
            Stop::Signal => {
                tracing::info!(name, "stopping");
                serving::stop(members).await;
                Ok(Exit::Fine)
            }
            Stop::Failed(name, reason) => {
                Err(Failure::internal(format!("member {name} has failed and stops: {reason}")))
            }
        }
    })
}

/// Finds out what would stop the member only later: certificates that cannot be read, a directory that is not
/// ours.
fn check_files(config: &ServeConfig) -> Result<(), Failure> {
    let tls = config.client_tls.iter().chain(&config.peer_tls);
    let files = tls
        .flat_map(|tls| [Some(&tls.certificate), Some(&tls.private_key), tls.trusted_authorities.as_ref()]);
    for path in files.flatten() {
        std::fs::File::open(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    }
    refuse_data_of_etcd(&config.data_dir)
}

/// etcd's files look like nothing that Synod knows; better to say so than to begin an empty store beside
/// them.
pub fn refuse_data_of_etcd(directory: &Path) -> Result<(), Failure> {
    if directory.join("member").join("snap").join("db").exists() {
        return Err(Failure::usage(format!(
            "{} holds the data of etcd, which cannot be read in place: give another --data-dir",
            directory.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_etcd_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(refuse_data_of_etcd(directory.path()), Ok(()));
        std::fs::create_dir_all(directory.path().join("member/snap")).expect("created");
        std::fs::write(directory.path().join("member/snap/db"), b"").expect("written");
        let failure = refuse_data_of_etcd(directory.path()).expect_err("refused");
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let flags = ["--cert-file=/nonexistent/c.pem", "--key-file=k"].map(String::from);
        let loaded = config::load(&flags, []).expect("valid");
        let failure = check_files(&loaded.config).expect_err("missing");
        assert!(failure.sentence.expect("said").starts_with("/nonexistent/c.pem: "));
    }
}
