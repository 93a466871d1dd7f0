//! Golden scripts: a client, a server and a binder steered by hand. Run the tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read
//! what changed.

use std::collections::BTreeMap;
use std::time::Duration;

use goldenscript::ArgumentConsumer;
use synod_machine::NodeId;
use synod_protocols::retry::RetryPolicy;
use synod_protocols::rpc::call::ledger::{COUNT, Ledger, POST};
use synod_protocols::rpc::call::*;

use crate::steered::{Outcome, Script, Stage};

const CLIENT: NodeId = NodeId(1);
const SERVER: NodeId = NodeId(2);
const BINDER: NodeId = NodeId(3);
const INTERFACE: Interface = Interface(7);

#[derive(Default)]
struct World {
    server: Option<ServerConfig>,
    retry: RetryPolicy,
    executions: invariants::Executions,
}

impl Stage for World {
    type Machine = Party<Ledger>;

    /// `world execution=50 retention=1000 attempts=3 flaw=…`, times in milliseconds.
    fn found(
        &mut self,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Outcome<Option<Vec<(NodeId, Self::Machine)>>> {
        if name != "world" {
            return Ok(None);
        }
        let mut config = ServerConfig::new(INTERFACE, BINDER);
        let millis = |text: &str| -> Outcome<Duration> { Ok(Duration::from_millis(text.parse()?)) };
        if let Some(text) = args.take_key("execution") {
            config.execution = millis(text)?..=millis(text)?;
        }
        if let Some(text) = args.take_key("retention") {
            config.retention = Some(millis(text)?);
        }
        self.retry = RetryPolicy { spread_percent: 0, attempts_max: Some(3), ..RetryPolicy::default() };
        match args.take_key("flaw") {
            None => {}
            Some("no-incarnation") => config.checks_incarnation = false,
            Some("no-table") => config.recovers_table = false,
            Some("orphans") => config.orphans = Orphans::Leave,
            Some(other) => return Err(format!("no such flaw: {other}").into()),
        }
        self.server = Some(config);
        self.executions = invariants::Executions::new(true, false);
        Ok(Some([BINDER, SERVER, CLIENT].into_iter().map(|node| (node, self.again(node))).collect()))
    }

    fn again(&mut self, node: NodeId) -> Self::Machine {
        match node {
            CLIENT => Party::Client(Client::new(
                node,
                ClientConfig { interface: INTERFACE, binder: BINDER, retry: self.retry },
            )),
            SERVER => {
                Party::Server(Server::new(node, self.server.clone().expect("a world"), Ledger::default()))
            }
            _ => Party::Binder(Binder::new()),
        }
    }

    /// `post n1 at-most-once 42`, `count n1 maybe`.
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<Command> {
        let semantics = match args.next_pos() {
            Some("maybe") => Semantics::Maybe,
            Some("at-least-once") => Semantics::AtLeastOnce,
            Some("at-most-once") => Semantics::AtMostOnce,
            Some("exactly-once") => Semantics::ExactlyOnce,
            other => return Err(format!("expected a semantics, found {other:?}").into()),
        };
        match name {
            "post" => {
                let number = args.next_pos().ok_or("expected a number")?.parse()?;
                Ok(Command::Call { procedure: POST, arguments: vec![Value::Integer(number)], semantics })
            }
            "count" => Ok(Command::Call { procedure: COUNT, arguments: Vec::new(), semantics }),
            "nonsense" => Ok(Command::Call { procedure: 99, arguments: Vec::new(), semantics }),
            other => Err(format!("no such command: {other}").into()),
        }
    }

    /// `fire n1 1#2`: the retry of the second call of the client's first life; `fire n2 execute-1`.
    fn timer(&mut self, text: &str) -> Outcome<Timer> {
        if let Some(run) = text.strip_prefix("execute-") {
            return Ok(Timer::Execute(run.parse()?));
        }
        let (incarnation, sequence) = text.split_once('#').ok_or("expected a timer such as 1#2")?;
        let activity = Activity { client: CLIENT, incarnation: Incarnation(incarnation.parse()?) };
        Ok(Timer::Retry(CallId { activity, sequence: sequence.parse()? }))
    }

    fn message(&self, message: &Message) -> (String, String) {
        let text = match message {
            Message::Request(request) => {
                let Request { call, semantics, server, closed, procedure, arguments, .. } = request;
                format!(
                    "{call} {semantics:?} for life {}, closed below {closed}: procedure {procedure}, {} bytes",
                    server.0,
                    arguments.len()
                )
            }
            Message::Response { call, results } => {
                format!("{call}: {}", values(&unmarshal(results).expect("values")))
            }
            Message::Refused { call, refusal } => format!("{call}: {refusal:?}"),
            Message::Working { call } => call.to_string(),
            Message::Import(interface) => format!("interface {}", interface.0),
            Message::Imported(interface, binding) => match binding {
                Some(Binding { server, incarnation }) => {
                    format!("interface {} by {server} in life {}", interface.0, incarnation.0)
                }
                None => format!("interface {} by nobody", interface.0),
            },
            Message::Export(interface, life) | Message::Exported(interface, life) => {
                format!("interface {} in life {}", interface.0, life.0)
            }
        };
        (message.name().to_owned(), text)
    }

    fn reply(&self, reply: &Reply) -> String {
        match reply {
            Reply::Returned { call, results } => format!("{call} returned {}", values(results)),
            Reply::Failed { failure, .. } => format!("failed: {failure:?}"),
        }
    }

    fn event(&self, event: &Event) -> String {
        match event {
            Event::Executed { call, .. } => format!("EXECUTES {call}"),
            Event::Exterminated { call } => format!("ends the orphan {call}"),
            Event::Reincarnated(activity) => {
                format!("hears {} in life {}", activity.client, activity.incarnation.0)
            }
            Event::Recovered { call } => format!("finds {call} answered"),
        }
    }

    fn seen(&mut self, node: NodeId, event: &Event) -> Result<(), String> {
        self.executions.observe(node, event).map_err(|(property, sentence)| format!("{property}: {sentence}"))
    }

    fn status(&self, party: &Self::Machine) -> String {
        match party {
            Party::Client(client) => {
                let open: Vec<String> = client.open_calls().map(|call| call.to_string()).collect();
                format!("client in life {}, open [{}]", client.incarnation().0, open.join(" "))
            }
            Party::Server(server) => {
                let postings: Vec<String> =
                    server.service().postings().map(|(number, count)| format!("{number}×{count}")).collect();
                format!(
                    "server in life {}, ledger [{}], {} results remembered",
                    server.incarnation().0,
                    postings.join(" "),
                    server.remembered_results()
                )
            }
            Party::Binder(_) => "binder".to_owned(),
        }
    }

    fn check(&mut self, _: &BTreeMap<NodeId, &Self::Machine>) -> Result<(), String> {
        Ok(())
    }
}

fn values(values: &[Value]) -> String {
    let texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::Opaque(bytes) => format!("{} bytes", bytes.len()),
        })
        .collect();
    format!("({})", texts.join(", "))
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rpc/scripts");
    let files = std::fs::read_dir(folder).expect("the scripts are beside the tests");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= 9, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script: Script<World> = Script::default();
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
