//! An interactive session: each line of standard input begins a watch or asks how far all have come.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use clap::Parser;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use super::Target;
use super::session::Session;
use super::sink::{run_for_each, show};
use crate::client::Client;
use crate::commands::txn::words;
use crate::failure::{Exit, Failure};
use crate::format::Printer;
use crate::note;

/// Most watches of one session.
const WATCHES_MAX: usize = 1024;

/// A `watch` line, without its first word.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct WatchLine {
    #[command(flatten)]
    target: Target,
}

/// Follows standard input to its end; a watch that the server refuses ends alone.
pub async fn run<W: Write + 'static>(client: Client, printer: Printer<W>) -> Result<Exit, Failure> {
    LocalSet::new().run_until(follow(Rc::new(client), Rc::new(RefCell::new(printer)))).await
}

async fn follow<W: Write + 'static>(
    client: Rc<Client>,
    printer: Rc<RefCell<Printer<W>>>,
) -> Result<Exit, Failure> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut watches = JoinSet::new();
    let mut progress: Vec<mpsc::Sender<()>> = Vec::new();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            Some(ended) = watches.join_next() => {
                ended.map_err(|error| Failure::internal(error.to_string()))??;
                continue;
            }
        };
        let Some(line) = line.map_err(|error| Failure::usage(format!("reading standard input: {error}")))?
        else {
            return Ok(Exit::Fine);
        };
        let words = match words::split(&line) {
            Ok(words) => words,
            Err(problem) => {
                note(format_args!("Invalid command {line} ({problem})"));
                continue;
            }
        };
        match words.first().map(String::as_str) {
            Some("watch") if progress.len() < WATCHES_MAX => match begin(&words[1..]) {
                Ok((session, command)) => {
                    progress.push(session.progress_requests());
                    watches.spawn_local(watch(client.clone(), printer.clone(), session, command));
                }
                Err(problem) => note(format_args!("Invalid command {line} ({problem})")),
            },
            Some("watch") => note(format_args!("there are {WATCHES_MAX} watches already")),
            Some("progress") => {
                progress.retain(|watch| !watch.is_closed());
                // A watch that has requests enough waiting will answer those.
                progress.iter().for_each(|watch| watch.try_send(()).unwrap_or_default());
            }
            _ => note(format_args!("Invalid command {line} (watch and progress supported)")),
        }
    }
}

fn begin(words: &[String]) -> Result<(Session, Vec<String>), String> {
    let line = WatchLine::try_parse_from(words).map_err(|error| error.kind().to_string())?;
    let request = line.target.request().map_err(|failure| failure.sentence.unwrap_or_default())?;
    Ok((Session::new(request), line.target.command))
}

async fn watch<W: Write>(
    client: Rc<Client>,
    printer: Rc<RefCell<Printer<W>>>,
    mut session: Session,
    command: Vec<String>,
) -> Result<(), Failure> {
    let each = async |answer| {
        show(&mut printer.borrow_mut(), &answer)?;
        run_for_each(&command, &answer).await
    };
    session.run(&client, each).await
}
