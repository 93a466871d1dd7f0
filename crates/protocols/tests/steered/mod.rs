//! A few machines steered by hand, in words: what golden scripts of small mechanisms share.
//!
//! A test says by [`Stage`] how its machines are made and how its commands, messages and answers read; [`Script`] brings the network, the disks, the timers and the
//! clocks, and the commands for them. An arrow is a message at its receipt: `n1 ─grant─▶ n2`; `✕` is one that was lost. Lines without an arrow
//! are what a node tells its client or its embedder.
#![allow(dead_code)] // Each test takes what it needs.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command as Line};
use synod_machine::*;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Messages delivered by one command; what needs more does not end.
const DELIVERIES_MAX: usize = 400;

/// What the clocks on the wall show at the beginning: a round number of seconds after the epoch.
const WALL_START: Duration = Duration::from_secs(1_000_000);

/// How a mechanism is staged.
pub trait Stage: Default {
    type Machine: Machine;

    /// Makes the machines that a line asks for.
    fn found(
        &mut self,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Outcome<Option<Vec<(NodeId, Self::Machine)>>>;
    /// The machine of a node that comes back with nothing but its disk.
    fn again(&mut self, node: NodeId) -> Self::Machine;
    /// Reads a client's command.
    fn command(
        &mut self,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Outcome<<Self::Machine as Machine>::Command>;
    /// Reads a timer's name.
    fn timer(&mut self, text: &str) -> Outcome<<Self::Machine as Machine>::Timer>;
    /// A message: its kind, and what it says.
    fn message(&self, message: &<Self::Machine as Machine>::Message) -> (String, String);
    fn reply(&self, reply: &<Self::Machine as Machine>::Reply) -> String;
    fn event(&self, event: &<Self::Machine as Machine>::Event) -> String;
    fn status(&self, machine: &Self::Machine) -> String;
    /// What an event violates, if it does.
    fn seen(&mut self, node: NodeId, event: &<Self::Machine as Machine>::Event) -> Result<(), String> {
        let _ = (node, event);
        Ok(())
    }
    /// What an answer violates, if it does.
    fn replied(&mut self, node: NodeId, reply: &<Self::Machine as Machine>::Reply) -> Result<(), String> {
        let _ = (node, reply);
        Ok(())
    }
    /// Invariants over the machines that are up, after every step.
    fn check(&mut self, machines: &BTreeMap<NodeId, &Self::Machine>) -> Result<(), String> {
        let _ = machines;
        Ok(())
    }
}

type MessageOf<S> = <<S as Stage>::Machine as Machine>::Message;
type ReplyOf<S> = <<S as Stage>::Machine as Machine>::Reply;
type TimerOf<S> = <<S as Stage>::Machine as Machine>::Timer;
type WriteOf<S> = <<S as Stage>::Machine as Machine>::Write;

struct Flight<M> {
    from: NodeId,
    to: NodeId,
    message: M,
}

enum Held<S: Stage> {
    Send(Flight<MessageOf<S>>),
    Reply(RequestId, ReplyOf<S>),
}

struct Node<S: Stage> {
    machine: Option<S::Machine>,
    writes: Vec<(Ticket, WriteOf<S>)>,
    durable: Ticket,
    next_ticket: Ticket,
    timers: BTreeMap<TimerOf<S>, (Mono, Mono)>,
    held: Vec<(Ticket, Held<S>)>,
    /// By how much its wall clock is off, in milliseconds.
    wall_offset: i64,
    drawn: u64,
}

/// Choices as the script has set them, then the first; entropy counts up.
struct Told<'a> {
    choices: &'a mut VecDeque<u32>,
    drawn: &'a mut u64,
}

impl Choices for Told<'_> {
    fn choose(&mut self, _: &'static str, options: u32) -> u32 {
        self.choices.pop_front().unwrap_or(0).min(options - 1)
    }
    fn entropy(&mut self) -> u64 {
        *self.drawn += 1;
        *self.drawn
    }
}

/// The state of a script; a [`goldenscript::Runner`].
pub struct Script<S: Stage> {
    stage: S,
    nodes: BTreeMap<NodeId, Node<S>>,
    network: VecDeque<Flight<MessageOf<S>>>,
    choices: VecDeque<u32>,
    now: Mono,
    requests: u64,
    sync_by_hand: bool,
    /// Messages under way overtake each other only if the script delivers them so; counted for the costs.
    sent: u64,
    seen: Vec<String>,
}

impl<S: Stage> Default for Script<S> {
    fn default() -> Self {
        Script {
            stage: S::default(),
            nodes: BTreeMap::new(),
            network: VecDeque::new(),
            choices: VecDeque::new(),
            now: Mono::ZERO,
            requests: 0,
            sync_by_hand: false,
            sent: 0,
            seen: Vec::new(),
        }
    }
}

impl<S: Stage> goldenscript::Runner for Script<S> {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &goldenscript::Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        self.command(&line.name, &mut args, &mut out)?;
        args.reject_next()?;
        self.tell(&mut out);
        Ok(out)
    }
}

impl<S: Stage> Script<S> {
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer<'_>, out: &mut String) -> Outcome<()> {
        match name {
            "deliver" => self.deliver(args, out)?,
            "drop" => self.lose(args, out)?,
            "copy" => self.copy(args)?,
            "crash" => self.crash(node(args)?)?,
            "restart" => self.restart(node(args)?)?,
            "sync" => self.sync(node(args)?),
            "sync-by-hand" => self.sync_by_hand = true,
            "choose" => self.choices.push_back(args.next_pos().ok_or("expected a choice")?.parse()?),
            "fire" => self.fire(args)?,
            "pass" => self.pass(args.next_pos().ok_or("expected a time")?)?,
            "wall" => {
                let id = node(args)?;
                let offset = args.next_pos().ok_or("expected an offset such as -301s")?;
                self.node(id)?.wall_offset = offset.trim_end_matches('s').parse::<i64>()? * 1_000;
            }
            "sent" => writeln!(out, "messages sent: {}", std::mem::take(&mut self.sent))?,
            "status" => {
                for (id, node) in &self.nodes {
                    let text =
                        node.machine.as_ref().map_or("down".into(), |machine| self.stage.status(machine));
                    writeln!(out, "{id} {text}")?;
                }
            }
            _ => {
                if let Some(machines) = self.stage.found(name, args)? {
                    for (id, machine) in machines {
                        self.add(id, machine);
                    }
                    return Ok(());
                }
                let id = node(args)?;
                let command = self.stage.command(name, args)?;
                self.requests += 1;
                self.step(id, Input::Command { id: RequestId(self.requests), command });
            }
        }
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Outcome<&mut Node<S>> {
        self.nodes.get_mut(&id).ok_or_else(|| format!("no such node: {id}").into())
    }

    fn add(&mut self, id: NodeId, machine: S::Machine) {
        let node = Node {
            machine: Some(machine),
            writes: Vec::new(),
            durable: Ticket(0),
            next_ticket: Ticket(1),
            timers: BTreeMap::new(),
            held: Vec::new(),
            wall_offset: 0,
            drawn: id.0 * 100,
        };
        self.nodes.insert(id, node);
        self.step(id, Input::Start { saved: Vec::new() });
    }

    fn crash(&mut self, id: NodeId) -> Outcome<()> {
        let node = self.node(id)?;
        node.machine = None;
        node.timers.clear();
        node.held.clear();
        let durable = node.durable;
        node.writes.retain(|(ticket, _)| *ticket <= durable);
        Ok(())
    }

    fn restart(&mut self, id: NodeId) -> Outcome<()> {
        let machine = self.stage.again(id);
        let node = self.node(id)?;
        node.machine = Some(machine);
        node.next_ticket = Ticket(node.durable.0 + 1);
        let saved = node.writes.iter().map(|(_, write)| write.clone()).collect();
        self.step(id, Input::Start { saved });
        Ok(())
    }

    fn step(&mut self, id: NodeId, input: Input<S::Machine>) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(machine) = &mut node.machine else { return };
        let millis = i64::try_from((WALL_START + now.since_start()).as_millis()).expect("small times");
        let since_epoch =
            Duration::from_millis(u64::try_from(millis + node.wall_offset).expect("after the epoch"));
        let wall = Wall { since_epoch, error: Duration::ZERO };
        let cx = Context { me: id, now, wall, credit: &Unlimited };
        let choices = Told { choices: &mut self.choices, drawn: &mut node.drawn };
        let mut buffer = Buffer::new(choices, node.next_ticket);
        machine.step(&cx, input, &mut buffer.effects());
        let (effects, next) = (std::mem::take(&mut buffer.effects), buffer.next_ticket());
        node.next_ticket = next;
        for effect in effects {
            self.act(id, effect);
        }
        let machines: BTreeMap<NodeId, &S::Machine> =
            self.nodes.iter().filter_map(|(id, node)| Some((*id, node.machine.as_ref()?))).collect();
        if let Err(sentence) = self.stage.check(&machines) {
            self.seen.push(format!("VIOLATION: {sentence}"));
        }
        if !self.sync_by_hand {
            self.sync(id);
        }
    }

    fn act(&mut self, id: NodeId, effect: Effect<S::Machine>) {
        let (now, node) = (self.now, self.nodes.get_mut(&id).expect("it has just stepped"));
        let waits = |after: Option<Ticket>| after.filter(|ticket| *ticket > node.durable);
        match effect {
            Effect::Send { to, message, after } => {
                let flight = Flight { from: id, to, message };
                match waits(after) {
                    Some(ticket) => node.held.push((ticket, Held::Send(flight))),
                    None => self.depart(flight),
                }
            }
            Effect::Reply { id: request, reply, after } => match waits(after) {
                Some(ticket) => node.held.push((ticket, Held::Reply(request, reply))),
                None => self.answer(id, request, &reply),
            },
            Effect::Emit(event) => {
                self.seen.push(format!("{id} {}", self.stage.event(&event)));
                if let Err(sentence) = self.stage.seen(id, &event) {
                    self.seen.push(format!("VIOLATION: {sentence}"));
                }
            }
            Effect::Arm { timer, least, most } => {
                node.timers.insert(timer, (now + least, now + most));
            }
            Effect::Disarm(timer) => {
                node.timers.remove(&timer);
            }
            Effect::Write { ticket, write } => node.writes.push((ticket, write)),
            Effect::Forget { before } => node.writes.retain(|(ticket, _)| *ticket >= before),
            Effect::Work(_) => {}
            Effect::Note { name, value } => self.seen.push(format!("{id} notes {name} {value}")),
        }
    }

    fn depart(&mut self, flight: Flight<MessageOf<S>>) {
        self.sent += 1;
        self.network.push_back(flight);
    }

    fn answer(&mut self, id: NodeId, request: RequestId, reply: &ReplyOf<S>) {
        self.seen.push(format!("{id} answers request {}: {}", request.0, self.stage.reply(reply)));
        if let Err(sentence) = self.stage.replied(id, reply) {
            self.seen.push(format!("VIOLATION: {sentence}"));
        }
    }

    fn sync(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some((ticket, _)) = node.writes.last() else { return };
        let ticket = *ticket;
        if ticket <= node.durable || node.machine.is_none() {
            return;
        }
        node.durable = ticket;
        for (_, held) in std::mem::take(&mut node.held) {
            match held {
                Held::Send(flight) => self.depart(flight),
                Held::Reply(request, reply) => self.answer(id, request, &reply),
            }
        }
        self.step(id, Input::Durable(ticket));
    }

    fn fire(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let id = node(args)?;
        let timer = self.stage.timer(args.next_pos().ok_or("expected a timer")?)?;
        let (_, most) =
            self.node(id)?.timers.remove(&timer).ok_or_else(|| format!("{id} has not armed {timer:?}"))?;
        self.now = self.now.max(most);
        self.step(id, Input::Fire(timer));
        Ok(())
    }

    /// Lets time pass: timers that are due fire, earliest first.
    fn pass(&mut self, text: &str) -> Outcome<()> {
        let number = text.trim_end_matches("ms").trim_end_matches('s').parse()?;
        let time =
            if text.ends_with("ms") { Duration::from_millis(number) } else { Duration::from_secs(number) };
        let end = self.now + time;
        for _ in 0..DELIVERIES_MAX {
            let armed = self.nodes.iter().flat_map(|(id, node)| {
                node.timers.iter().map(|(timer, (_, most))| (*most, *id, timer.clone()))
            });
            let Some((at, id, timer)) =
                armed.filter(|(at, ..)| *at <= end).min_by_key(|(at, id, _)| (*at, *id))
            else {
                self.now = end;
                return Ok(());
            };
            self.now = at;
            self.node(id)?.timers.remove(&timer);
            self.step(id, Input::Fire(timer));
        }
        Err("timers beget timers without end".into())
    }

    /// Delivers what is under way until nothing is; `from`, `to`, `kind` and `count` restrict it, `order=last` takes the latest first.
    fn deliver(&mut self, args: &mut ArgumentConsumer<'_>, out: &mut String) -> Outcome<()> {
        let mut filter = Filter::of(args)?;
        self.tell(out);
        for _ in 0..DELIVERIES_MAX {
            let Some(place) = filter.place(&self.stage, &self.network) else {
                return Ok(());
            };
            if !filter.count() {
                return Ok(());
            }
            let flight = self.network.remove(place).ok_or("it was there")?;
            let down = self.nodes.get(&flight.to).is_none_or(|node| node.machine.is_none());
            writeln!(out, "{}", self.arrow(&flight, down))?;
            self.step(flight.to, Input::Receive { from: flight.from, message: flight.message });
            self.tell(out);
        }
        Err("messages beget messages without end".into())
    }

    fn lose(&mut self, args: &mut ArgumentConsumer<'_>, out: &mut String) -> Outcome<()> {
        let mut filter = Filter::of(args)?;
        while let Some(place) = self.network.iter().position(|flight| filter.takes(&self.stage, flight)) {
            if !filter.count() {
                break;
            }
            let flight = self.network.remove(place).ok_or("it was there")?;
            writeln!(out, "{}", self.arrow(&flight, true))?;
        }
        Ok(())
    }

    /// The network repeats what is under way: copies come last.
    fn copy(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome<()> {
        let mut filter = Filter::of(args)?;
        for place in 0..self.network.len() {
            if filter.takes(&self.stage, &self.network[place]) && filter.count() {
                let Flight { from, to, message } = &self.network[place];
                let copy = Flight { from: *from, to: *to, message: message.clone() };
                self.network.push_back(copy);
            }
        }
        Ok(())
    }

    fn arrow(&self, flight: &Flight<MessageOf<S>>, lost: bool) -> String {
        let (end, (kind, text)) = (if lost { "✕" } else { "▶" }, self.stage.message(&flight.message));
        format!("{} ─{kind}─{end} {}  {text}", flight.from, flight.to).trim_end().to_owned()
    }

    fn tell(&mut self, out: &mut String) {
        for line in self.seen.drain(..) {
            out.push_str("    ");
            out.push_str(&line);
            out.push('\n');
        }
    }
}

struct Filter {
    from: Option<NodeId>,
    to: Option<NodeId>,
    kind: Option<String>,
    count: usize,
    last_first: bool,
}

impl Filter {
    fn of(args: &mut ArgumentConsumer<'_>) -> Outcome<Self> {
        Ok(Filter {
            from: args.take_key("from").map(parse).transpose()?,
            to: args.take_key("to").map(parse).transpose()?,
            kind: args.take_key("kind").map(str::to_owned),
            count: args.take_key("count").map_or(Ok(usize::MAX), str::parse)?,
            last_first: args.take_key("order") == Some("last"),
        })
    }

    fn place<S: Stage>(&self, stage: &S, network: &VecDeque<Flight<MessageOf<S>>>) -> Option<usize> {
        let mut flights = network.iter();
        let takes = |flight| self.takes(stage, flight);
        if self.last_first { flights.rposition(takes) } else { flights.position(takes) }
    }

    fn takes<S: Stage>(&self, stage: &S, flight: &Flight<MessageOf<S>>) -> bool {
        self.from.is_none_or(|node| flight.from == node)
            && self.to.is_none_or(|node| flight.to == node)
            && self.kind.as_ref().is_none_or(|kind| stage.message(&flight.message).0 == *kind)
    }

    fn count(&mut self) -> bool {
        let some = self.count > 0;
        self.count = self.count.saturating_sub(1);
        some
    }
}

pub fn parse(text: &str) -> Outcome<NodeId> {
    Ok(NodeId(
        text.trim_start_matches('n')
            .parse()
            .map_err(|_| format!("expected a node such as n1, found {text}"))?,
    ))
}

pub fn node(args: &mut ArgumentConsumer<'_>) -> Outcome<NodeId> {
    parse(args.next_pos().ok_or("expected a node")?)
}
