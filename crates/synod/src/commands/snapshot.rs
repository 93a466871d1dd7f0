//! `synod snapshot`: copies of a member's store, and new clusters from them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use synod_server::proto::etcdserverpb::SnapshotRequest;

use super::{Context, block_on};
use crate::client;
use crate::config;
use crate::failure::{Exit, Failure};
use crate::serving;
use crate::{cli, note};

const SAVE_EXAMPLES: &str = "\
Examples:
  synod snapshot save /backup/monday
  synod snapshot save --endpoints 10.0.0.2:2379 /backup/monday
";

const RESTORE_EXAMPLES: &str = "\
Examples:
  A cluster of one:
      synod snapshot restore /backup/monday --data-dir /var/lib/synod
      synod serve --data-dir /var/lib/synod

  The first of three; the others are made likewise, from the same file:
      synod snapshot restore /backup/monday --name n1 \\
        --data-dir /var/lib/synod \\
        --initial-advertise-peer-urls http://10.0.0.1:2380 \\
        --initial-cluster-token after-monday \\
        --initial-cluster n1=http://10.0.0.1:2380,n2=http://10.0.0.2:2380,\\
n3=http://10.0.0.3:2380
";

/// What can be done with snapshots.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Copy one member's store to a file, while it serves
    #[command(help_template = cli::TEMPLATE, before_help = SAVE_EXAMPLES)]
    Save(SaveArguments),
    /// Make one member of a new cluster from a file
    ///
    /// Keys, revisions and leases are those of the file. Each member of the new
    /// cluster is made from the same file, with the flags that it will be served
    /// with; a token of its own keeps it apart from members of the old cluster.
    #[command(help_template = cli::TEMPLATE, before_help = RESTORE_EXAMPLES)]
    Restore(RestoreArguments),
}

/// The arguments of `save`.
#[derive(Debug, clap::Args)]
pub struct SaveArguments {
    /// The file to write; replaced when the copy is whole
    file: PathBuf,
}

/// The arguments of `restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArguments {
    /// The file that `synod snapshot save` wrote
    file: PathBuf,
    /// The member's flags, as `synod serve` takes them
    #[arg(allow_hyphen_values = true, trailing_var_arg = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Runs the command.
pub fn run(context: &Context, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Save(arguments) => save(context, &arguments.file),
        Command::Restore(arguments) => restore(arguments),
    }
}

fn save(context: &Context, path: &Path) -> Result<Exit, Failure> {
    let client = context.client()?;
    let part = part_of(path)?;
    let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", part.display()));
    let mut file = File::create(&part).map_err(failed)?;
    let copied = block_on(async {
        let (_, channel) = client.connect(0).await?;
        let mut copy = client::maintenance(channel);
        let mut pieces =
            copy.snapshot(SnapshotRequest {}).await.map_err(|e| client::failure_of(&e))?.into_inner();
        let mut bytes = 0;
        while let Some(piece) = pieces.message().await.map_err(|error| client::failure_of(&error))? {
            file.write_all(&piece.blob).map_err(failed)?;
            bytes += piece.blob.len();
        }
        Ok(bytes)
    });
    let saved = copied.and_then(|bytes| {
        file.sync_all().map_err(failed)?;
        fs::rename(&part, path).map_err(failed)?;
        Ok(bytes)
    });
    if saved.is_err() {
        // A part of a copy is of no use.
        let _ = fs::remove_file(&part);
    }
    context.printer().line(format_args!("Snapshot saved at {} ({} bytes)", path.display(), saved?))?;
    Ok(Exit::Fine)
}

/// Beside the file, so that it can be renamed.
fn part_of(path: &Path) -> Result<PathBuf, Failure> {
    let Some(name) = path.file_name() else {
        return Err(Failure::usage(format!("{}: expected the name of a file", path.display())));
    };
    let mut name = name.to_owned();
    name.push(".part");
    Ok(path.with_file_name(name))
}

fn restore(arguments: &RestoreArguments) -> Result<Exit, Failure> {
    let loaded = config::load(&arguments.flags, std::env::vars_os())
        .map_err(|error| Failure::usage(error.to_string()))?;
    loaded.notes.iter().for_each(|sentence| note(format_args!("Note: {sentence}")));
    super::serve::refuse_data_of_etcd(&loaded.config.data_dir)?;
    let restored = serving::restore(&loaded.config, &arguments.file)?;
    let members: Vec<&str> = loaded.config.initial_cluster.iter().map(|member| &*member.name).collect();
    writeln!(
        std::io::stdout(),
        "{} is at revision {} as a member of a new cluster: {}. Start it with the same flags.",
        loaded.config.data_dir.display(),
        restored.revision,
        members.join(", ")
    )?;
    Ok(Exit::Fine)
}
