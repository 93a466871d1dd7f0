//! Golden scripts: executions event by event, with Lamport's clock, the vector clock and what the differential form puts on the wire. Run the tests with
//! `UPDATE_GOLDENFILES=1` to write their output anew, and read what changed.
//!
//! `local P1 a` is an event named `a`, `send P1 m1` and `receive P2 m1` are named `m1.sent` and `m1.got`. `compare a m1.got` says
//! what the happens-before relation says, and what the clocks do.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;

use goldenscript::{Command, Context};
use synod_machine::NodeId;
use synod_protocols::clocks::*;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Process {
    lamport: LamportClock,
    vector: VectorClock,
    differential: DifferentialClock,
}

struct Message {
    sent: EventId,
    lamport: u64,
    vector: VersionVector,
    changed: VersionVector,
}

struct Event {
    id: EventId,
    lamport: u64,
    vector: VersionVector,
}

#[derive(Default)]
struct Script {
    processes: BTreeMap<NodeId, Process>,
    messages: BTreeMap<String, Message>,
    events: BTreeMap<String, Event>,
    execution: Execution,
}

impl goldenscript::Runner for Script {
    type Command = Command;

    fn run(&mut self, line: &Command, _: &Context) -> Outcome<String> {
        let mut consumer = line.consume_args();
        let args: Vec<&str> = std::iter::from_fn(|| consumer.next_pos()).collect();
        consumer.reject_next()?;
        match (line.name.as_str(), &args[..]) {
            ("processes", names) => {
                *self = Script::default();
                for id in names.iter().map(|name| parse(name)) {
                    let id = id?;
                    let (vector, differential) = (VectorClock::new(id), DifferentialClock::new(id));
                    let lamport = LamportClock::default();
                    self.processes.insert(id, Process { lamport, vector, differential });
                }
                Ok(String::new())
            }
            ("local", [process, name]) => self.local(parse(process)?, name),
            ("send", [process, message, to]) => self.send(parse(process)?, message, parse(to)?),
            ("receive", [process, message]) => self.receive(parse(process)?, message),
            ("compare", [e, f]) => self.compare(e, f),
            (name, args) => Err(format!("no such command: {name} {args:?}").into()),
        }
    }
}

impl Script {
    fn process(&mut self, id: NodeId) -> Outcome<&mut Process> {
        self.processes.get_mut(&id).ok_or_else(|| format!("no process {}", shown(id)).into())
    }

    fn local(&mut self, id: NodeId, name: &str) -> Outcome<String> {
        let process = self.process(id)?;
        process.lamport.tick();
        process.vector.tick();
        process.differential.tick();
        self.happened(id, name.to_owned(), None, String::new())
    }

    fn send(&mut self, id: NodeId, name: &str, to: NodeId) -> Outcome<String> {
        let process = self.process(id)?;
        let (lamport, vector) = (process.lamport.tick(), process.vector.tick());
        let changed = process.differential.send_to(to);
        let named: Vec<String> =
            changed.iter().map(|(id, clock)| format!("{}:{clock}", shown(*id))).collect();
        let carried =
            format!("  to {} with {lamport}; changed since the last: {}", shown(to), named.join(" "));
        let line = self.happened(id, format!("{name}.sent"), None, carried)?;
        let sent = self.execution.last(id).ok_or("the send happened")?;
        self.messages.insert(name.to_owned(), Message { sent, lamport, vector, changed });
        Ok(line)
    }

    fn receive(&mut self, id: NodeId, name: &str) -> Outcome<String> {
        let Message { sent, lamport, vector, changed } =
            self.messages.remove(name).ok_or("no such message is under way")?;
        let process = self.process(id)?;
        let before = process.lamport.now();
        let after = process.lamport.receive(lamport);
        process.vector.receive(&vector);
        process.differential.receive(&changed);
        let sum = format!("  max({before},{lamport})+1={after}");
        self.happened(id, format!("{name}.got"), Some(sent), sum)
    }

    /// Tells an event, and checks that the differential form says the same as the full vector.
    fn happened(
        &mut self,
        id: NodeId,
        name: String,
        cause: Option<EventId>,
        more: String,
    ) -> Outcome<String> {
        let event = self.execution.event(id, cause);
        let process = self.process(id)?;
        let (lamport, vector) = (process.lamport.now(), process.vector.now().clone());
        assert_eq!(&vector, process.differential.now(), "the differential form decodes to the full vector");
        let line = format!("{} {name:<7} LC={lamport} VC={}{more}\n", shown(id), self.list(&vector));
        self.events.insert(name, Event { id: event, lamport, vector });
        Ok(line)
    }

    fn compare(&self, e: &str, f: &str) -> Outcome<String> {
        let event = |name: &str| self.events.get(name).ok_or_else(|| format!("no event {name}"));
        let (of_e, of_f) = (event(e)?, event(f)?);
        let truth = match (self.execution.path(of_e.id, of_f.id), self.execution.path(of_f.id, of_e.id)) {
            (Some(path), _) => format!("{e} happened before {f}: {}", self.names(&path)),
            (_, Some(path)) => format!("{f} happened before {e}: {}", self.names(&path)),
            _ => format!("{e} and {f} are concurrent"),
        };
        let vectors =
            of_e.vector.partial_cmp(&of_f.vector).map_or("none smaller".to_owned(), |o| format!("{o:?}"));
        let mut out = String::new();
        writeln!(out, "{truth}")?;
        writeln!(out, "    lamport {:?}, vectors {vectors}", of_e.lamport.cmp(&of_f.lamport))?;
        Ok(out)
    }

    fn names(&self, path: &[EventId]) -> String {
        let name = |id: &EventId| {
            self.events.iter().find(|(_, event)| event.id == *id).map_or("?", |(name, _)| name)
        };
        path.iter().map(name).collect::<Vec<_>>().join(" → ")
    }

    fn list(&self, vector: &VersionVector) -> String {
        let counters: Vec<String> = self.processes.keys().map(|id| vector.get(id).to_string()).collect();
        format!("[{}]", counters.join(","))
    }
}

fn parse(name: &str) -> Outcome<NodeId> {
    Ok(NodeId(name.strip_prefix('P').ok_or("a process is named P1, P2, …")?.parse()?))
}

fn shown(id: NodeId) -> String {
    format!("P{}", id.0)
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clocks/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the scripts are beside the tests")
        .map(|file| file.expect("a readable folder").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 2, "expected the scripts, found {}", paths.len());
    for path in paths {
        goldenscript::run(&mut Script::default(), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
