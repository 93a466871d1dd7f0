//! Where a watch's answers go: to the printer, and event by event to a command.

use std::io::Write;

use synod_server::proto::etcdserverpb::WatchResponse;
use synod_server::proto::mvccpb::Event;
use tokio::process::Command;

use crate::failure::{Exit, Failure};
use crate::format::Printer;
use crate::format::watch::{event_type, is_progress};
use crate::go_syntax::quoting::quote;
use crate::note;

/// Shows answers, and runs a command for each event if there is one.
pub struct Sink<W> {
    printer: Printer<W>,
    command: Vec<String>,
}

impl<W: Write> Sink<W> {
    /// A sink; an empty command runs nothing.
    pub fn new(printer: Printer<W>, command: Vec<String>) -> Self {
        Self { printer, command }
    }

    /// Shows one answer.
    pub async fn show(&mut self, answer: &WatchResponse) -> Result<(), Failure> {
        show(&mut self.printer, answer)?;
        run_for_each(&self.command, answer).await
    }
}

/// Prints one answer, and says on standard error why a watch was ended.
pub fn show<W: Write>(printer: &mut Printer<W>, answer: &WatchResponse) -> Result<(), Failure> {
    if answer.canceled {
        let reason = match answer.compact_revision {
            0 => answer.cancel_reason.as_str(),
            _ => "etcdserver: mvcc: required revision has been compacted",
        };
        note(format_args!("watch was canceled ({reason})"));
    }
    if is_progress(answer) {
        let revision = answer.header.as_ref().map_or(0, |header| header.revision);
        printer.line(format_args!("progress notify: {revision}"))?;
    }
    printer.print(answer)
}

/// Runs a command once for each event and waits for it.
pub async fn run_for_each(command: &[String], answer: &WatchResponse) -> Result<(), Failure> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let revision = answer.header.as_ref().map_or(0, |header| header.revision);
    for event in &answer.events {
        let mut process = Command::new(program);
        process.args(arguments).envs(variables(revision, event));
        let problem = match process.status().await {
            Ok(status) if status.success() => continue,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let sentence = format!("command {command:?} error ({problem})");
        return Err(Failure { exit: Exit::Bad, sentence: Some(sentence) });
    }
    Ok(())
}

fn variables(revision: i64, event: &Event) -> [(&'static str, String); 4] {
    let kv = event.kv.clone().unwrap_or_default();
    [
        ("ETCD_WATCH_REVISION", revision.to_string()),
        ("ETCD_WATCH_EVENT_TYPE", format!("\"{}\"", event_type(event))),
        ("ETCD_WATCH_KEY", quote(&kv.key)),
        ("ETCD_WATCH_VALUE", quote(&kv.value)),
    ]
}
