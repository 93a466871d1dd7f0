//! Composition, tickets and holds; fingerprints and traces.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::time::Duration;

use synod_machine::*;

/// A message that a careless writer of JSON would stumble over.
const TEXT: &str = "a \"quoted\"\nline\u{1}";
/// All that [`Say::All`] says.
const WORDS: [&str; 6] = [TEXT, "reply", "event", "timer", "write", "job"];

/// Does as it is told, so that a test can look at each effect.
#[derive(Debug)]
struct Child;

#[derive(Clone, Debug, Hash)]
enum Say {
    All,
    Held,
}

impl Machine for Child {
    type Message = &'static str;
    type Timer = &'static str;
    type Command = Say;
    type Reply = &'static str;
    type Event = &'static str;
    type Write = &'static str;
    type Job = &'static str;
    type Done = Never;
    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        let Input::Command { id, command } = input else { return };
        match command {
            Say::All => {
                fx.send(NodeId(2), TEXT);
                fx.reply(id, "reply");
                fx.emit("event");
                fx.arm("timer", Duration::from_nanos(1)..=Duration::from_nanos(2));
                fx.disarm("timer");
                fx.write("write");
                fx.forget(Ticket(1));
                fx.work("job");
                fx.note("note", 3);
            }
            Say::Held => {
                let first = fx.write("first");
                let second = fx.write("second");
                fx.hold(second, |fx| {
                    fx.send(NodeId(2), "second");
                    fx.hold(first, |fx| fx.send(NodeId(2), "still second"));
                    fx.reply(id, "second");
                });
                fx.hold(first, |fx| {
                    fx.send(NodeId(2), "first");
                    fx.hold(second, |fx| fx.send(NodeId(2), "second again"));
                });
                fx.send(NodeId(2), "at once");
            }
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("child", 1);
    }
}

/// Wraps a child; its own type of everything shows what went through the scope.
#[derive(Debug)]
struct Parent {
    child: Child,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Wrapped(&'static str);

impl Machine for Parent {
    type Message = Wrapped;
    type Timer = Wrapped;
    type Command = Say;
    type Reply = Wrapped;
    type Event = Wrapped;
    type Write = Wrapped;
    type Job = Wrapped;
    type Done = Never;
    const NEEDS: Needs = Child::NEEDS;

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        let Input::Command { id, command } = input else { return };
        let outer = fx.write(Wrapped("outer"));
        fx.hold(outer, |fx| {
            let input = Input::Command { id, command };
            fx.scope(&mut Wrap { outer }, |fx| self.child.step(cx, input, fx));
        });
    }

    fn inspect(&self, view: &mut View) {
        view.scope("part", |view| self.child.inspect(view));
    }
}

struct Wrap {
    outer: Ticket,
}

impl Scope<Child, Parent> for Wrap {
    fn message(&mut self, _: NodeId, message: &'static str, after: Option<Ticket>) -> Wrapped {
        assert!(after >= Some(self.outer), "what holds the parent back holds the child");
        Wrapped(message)
    }
    fn timer(&mut self, timer: &'static str) -> Wrapped {
        Wrapped(timer)
    }
    fn write(&mut self, write: &'static str) -> Wrapped {
        Wrapped(write)
    }
    fn written(&mut self, ticket: Ticket) {
        assert!(ticket > self.outer);
    }
    fn work(&mut self, job: &'static str, fx: &mut Effects<'_, Parent>) {
        fx.work(Wrapped(job));
    }
    fn reply(&mut self, id: RequestId, reply: &'static str, fx: &mut Effects<'_, Parent>) {
        fx.reply(id, Wrapped(reply));
    }
    fn event(&mut self, event: &'static str, fx: &mut Effects<'_, Parent>) {
        fx.emit(Wrapped(event));
    }
    fn forget(&mut self, before: Ticket, fx: &mut Effects<'_, Parent>) {
        fx.forget(before);
    }
}

fn step<M: Machine<Command = Say>>(machine: &mut M, say: Say) -> Vec<Effect<M>> {
    let mut out = Buffer::new(First, Ticket(1));
    let input = Input::Command { id: RequestId(7), command: say };
    machine.step(&Context::at(NodeId(1), Mono::ZERO), input, &mut out.effects());
    out.effects
}

/// The kinds of effects and what they carry, in order.
fn shown<M: Machine + std::fmt::Debug>(effects: &[Effect<M>]) -> Vec<String> {
    effects.iter().map(|effect| format!("{effect:?}")).collect()
}

#[test]
fn a_part_acts_through_its_parent_in_order() {
    let direct = shown(&step(&mut Child, Say::All));
    let mut scoped = shown(&step(&mut Parent { child: Child }, Say::All));
    assert!(scoped.remove(0).contains("outer"));
    assert_eq!(scoped.len(), direct.len());
    for (scoped, direct) in scoped.iter().zip(&direct) {
        // The parent's write came first and holds all: apart from that and the wrapping they are the same.
        let unwrapped = WORDS.iter().fold(scoped.clone(), |text, word| {
            text.replace(&format!("{:?}", Wrapped(word)), &format!("{word:?}"))
        });
        let expected = direct
            .replace("after: None", "after: Some(Ticket(1))")
            .replace("ticket: Ticket(1)", "ticket: Ticket(2)");
        assert_eq!(unwrapped, expected);
    }
    let mut view = View::default();
    Parent { child: Child }.inspect(&mut view);
    assert_eq!(view.entries, [("part.child".to_owned(), "1".to_owned())]);
}

#[test]
fn holds_nest_and_the_later_ticket_wins() {
    let held = |effects: Vec<Effect<Child>>| -> BTreeMap<&'static str, Option<u64>> {
        let sends = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send { message, after, .. } => Some((message, after.map(|ticket| ticket.0))),
            _ => None,
        });
        sends.collect()
    };
    let expected = BTreeMap::from([
        ("second", Some(2)),
        ("still second", Some(2)),
        ("first", Some(1)),
        ("second again", Some(2)),
        ("at once", None),
    ]);
    assert_eq!(held(step(&mut Child, Say::Held)), expected);
}

#[test]
fn tickets_count_on_from_the_first() {
    let mut out: Buffer<Child, First> = Buffer::new(First, Ticket(41));
    let mut fx = out.effects();
    assert_eq!((fx.write("a"), fx.write("b")), (Ticket(41), Ticket(42)));
    assert_eq!(out.next_ticket(), Ticket(43));
}

#[test]
#[should_panic(expected = "a timer's range must not be empty")]
fn an_empty_range_of_a_timer_is_a_bug() {
    let mut out: Buffer<Child, First> = Buffer::new(First, Ticket(1));
    out.effects().arm("t", Duration::from_secs(2)..=Duration::from_secs(1));
}

#[test]
fn fingerprints_are_the_same_on_every_machine_and_in_every_version() {
    let of = |write: &dyn Fn(&mut Fingerprint)| {
        let mut fingerprint = Fingerprint::default();
        write(&mut fingerprint);
        fingerprint.finish()
    };
    let pinned = [
        of(&|_| {}),
        of(&|f| f.write(b"synod")),
        of(&|f| f.write(b"eight by eight and a rest")),
        of(&|f| f.write_u64(7)),
        of(&|f| f.write_usize(7)),
    ];
    assert_eq!(pinned, PINNED, "fingerprints that were written down say nothing any more");
    assert_eq!(pinned[3], pinned[4], "a machine's word is not part of a fingerprint");
}

const PINNED: [u64; 5] = [
    4_552_061_788_340_729_163,
    2_643_919_867_698_646_184,
    18_164_220_744_595_031_465,
    7_244_751_009_967_364_341,
    7_244_751_009_967_364_341,
];

/// Two nodes by hand: three messages, each with another fate; the trace of it.
fn trace() -> String {
    let mut out =
        TraceWriter::begin(String::new(), "child \"x\"", Some(u64::MAX), &[NodeId(1), NodeId(2)]).unwrap();
    let mut observer = Observer::new([NodeId(1), NodeId(2)]);
    let mut first_send = SendId(0);
    for number in 0..3 {
        let input = Input::Command { id: RequestId(number), command: Say::All };
        let effects = step(&mut Child, Say::All);
        let time = Mono::from_start(Duration::from_millis(number));
        let record: Record<Child> =
            Record { number, node: NodeId(1), time, cause: None, input, effects, first_send };
        let sends: Vec<SendId> = record.sends().map(|(id, ..)| id).collect();
        first_send.0 += sends.len() as u64;
        let stamp = observer.stamp(NodeId(1), None, sends);
        out.record(&record, Some(&stamp)).unwrap();
    }
    let input = Input::Receive { from: NodeId(1), message: "it \\ came" };
    let time = Mono::from_start(Duration::from_millis(4));
    let record: Record<Child> = Record {
        number: 3,
        node: NodeId(2),
        time,
        cause: Some(SendId(0)),
        input,
        effects: Vec::new(),
        first_send,
    };
    out.record(&record, None).unwrap();
    out.world(time, "partition", None, "n1 | n2").unwrap();
    out.world(time, "crash", Some(NodeId(2)), "power").unwrap();
    for (id, fate) in [(0, Fate::Delivered(3)), (1, Fate::Dropped(Loss::Lossy)), (2, Fate::Blocked(1))] {
        out.fate(SendId(id), time, &fate).unwrap();
    }
    out.end(4, 0xfeed).unwrap()
}

#[test]
fn every_line_of_a_trace_is_json_and_every_send_has_one_fate() {
    let trace = trace();
    let lines: Vec<serde_json::Value> = trace
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert_eq!(lines[0]["synod_trace"], TRACE_VERSION);
    assert_eq!(lines[0]["seed"], u64::MAX.to_string(), "all 64 bits, which JSON's numbers do not have");
    assert_eq!((&lines[0]["machine"], &lines.last().unwrap()["end"]), (&"child \"x\"".into(), &4.into()));
    let sends: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["out"].as_array())
        .flatten()
        .filter(|effect| effect["k"] == "send")
        .map(|send| send["m"].as_u64().unwrap())
        .collect();
    let fates: Vec<u64> = lines
        .iter()
        .filter(|line| line["fate"].is_string())
        .map(|line| line["m"].as_u64().unwrap())
        .collect();
    assert_eq!(sends, [0, 1, 2]);
    assert_eq!(fates, sends);
    assert_eq!(lines[1]["out"][0]["b"], format!("{TEXT:?}"));
    assert_eq!((&lines[4]["in"]["m"], &lines[1]["lamport"]), (&0.into(), &1.into()));
}
