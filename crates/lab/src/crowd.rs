//! A lean driver for large groups: the same machines, time, messages and choices, and nothing else.
//!
//! The simulator's worlds record every step, so that a run can be shown, compared and judged; that costs memory a message and time a record, and
//! its worlds end at about a thousand nodes. A crowd keeps the contract of machines and forgets at once what happened: only a [`Watch`] sees it pass.
//! Writes are durable as soon as they are made, clocks are right, and nothing survives a crash; what an experiment asks about disks
//! belongs into a world.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use synod_machine::{Context, Effect, Effects, Input, Machine, Mono, NodeId, Sink, Ticket};
use synod_sim::{Delay, Odds, Stream};

/// Sees what passes.
pub trait Watch<M: Machine> {
    /// A message leaves.
    fn sent(&mut self, now: Duration, from: NodeId, to: NodeId, message: &M::Message) {
        let _ = (now, from, to, message);
    }

    /// A message arrives.
    fn received(&mut self, now: Duration, to: NodeId) {
        let _ = (now, to);
    }

    /// A machine tells its embedder.
    fn told(&mut self, now: Duration, node: NodeId, event: &M::Event) {
        let _ = (now, node, event);
    }

    /// Whether what is waited for has happened: the crowd stops.
    fn is_over(&self) -> bool {
        false
    }
}

/// Many machines, numbered from 1.
pub struct Crowd<M: Machine> {
    seats: Vec<Seat<M>>,
    agenda: BinaryHeap<Reverse<Due<M>>>,
    now: Duration,
    numbered: u64,
    network: Stream,
    delay: Delay,
    loss: Odds,
    handling: Duration,
    effects: Vec<Effect<M>>,
    steps: u64,
}

struct Seat<M: Machine> {
    machine: M,
    choices: Stream,
    /// The armed timers, each with the number of its arming.
    timers: BTreeMap<M::Timer, u64>,
    next: Ticket,
    state: Attention,
    /// What it sent while it was blocked.
    held: Vec<(NodeId, M::Message)>,
    /// What came meanwhile, which it works off one by one.
    waiting: VecDeque<(NodeId, M::Message)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attention {
    Up,
    /// It neither sends nor receives.
    Blocked,
    /// It is gone; what comes is lost.
    Down,
}

struct Due<M: Machine> {
    at: Duration,
    number: u64,
    place: usize,
    what: What<M>,
}

enum What<M: Machine> {
    Fire(M::Timer),
    Receive {
        from: NodeId,
        message: M::Message,
    },
    Block,
    Unblock,
    /// The next message of a backlog.
    WorkOff,
    Crash,
}

impl<M: Machine> PartialEq for Due<M> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<M: Machine> Eq for Due<M> {}
impl<M: Machine> PartialOrd for Due<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<M: Machine> Ord for Due<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<M: Machine> Crowd<M> {
    /// The machines of nodes `n1`, `n2` and so on, not started yet. Every choice, delay and loss follows from `seed`.
    pub fn new(seed: u64, machines: impl IntoIterator<Item = M>, delay: Delay, loss: Odds) -> Self {
        let seats = machines.into_iter().enumerate().map(|(place, machine)| Seat {
            machine,
            choices: Stream::numbered(seed, "crowd.choices", place as u64),
            timers: BTreeMap::new(),
            next: Ticket(1),
            state: Attention::Up,
            held: Vec::new(),
            waiting: VecDeque::new(),
        });
        Crowd {
            seats: seats.collect(),
            agenda: BinaryHeap::new(),
            now: Duration::ZERO,
            numbered: 0,
            network: Stream::named(seed, "crowd.network"),
            delay,
            loss,
            handling: Duration::ZERO,
            effects: Vec::new(),
            steps: 0,
        }
    }

    /// How long a node takes for each message of the backlog that it finds when it is unblocked.
    #[must_use]
    pub fn handling(mut self, a_message: Duration) -> Self {
        self.handling = a_message;
        self
    }

    /// Starts every machine.
    pub fn start(&mut self, watch: &mut impl Watch<M>) {
        for place in 0..self.seats.len() {
            self.step(place, Input::Start { saved: Vec::new() }, watch);
        }
    }

    /// From `at` on the node neither sends nor receives for so long: what it sends leaves at the end, what comes waits. Its deadlines pass all the same.
    pub fn block(&mut self, node: NodeId, at: Duration, lasts: Duration) {
        self.schedule(at, place(node), What::Block);
        self.schedule(at + lasts, place(node), What::Unblock);
    }

    /// At that time the node is gone.
    pub fn crash(&mut self, node: NodeId, at: Duration) {
        self.schedule(at, place(node), What::Crash);
    }

    /// Lets time pass until `end`, or until the watch has seen enough.
    pub fn run(&mut self, end: Duration, watch: &mut impl Watch<M>) {
        while !watch.is_over() {
            match self.agenda.peek() {
                Some(Reverse(due)) if due.at <= end => {}
                _ => {
                    self.now = end;
                    return;
                }
            }
            if let Some(Reverse(due)) = self.agenda.pop() {
                self.now = due.at;
                self.act(due, watch);
            }
        }
    }

    /// Time since the beginning.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Every machine that is not gone.
    pub fn machines(&self) -> impl Iterator<Item = &M> {
        self.seats.iter().filter(|seat| seat.state != Attention::Down).map(|seat| &seat.machine)
    }

    fn act(&mut self, due: Due<M>, watch: &mut impl Watch<M>) {
        let seat = &mut self.seats[due.place];
        match (due.what, seat.state) {
            (What::Crash, _) => seat.state = Attention::Down,
            (_, Attention::Down) => {}
            (What::Block, _) => seat.state = Attention::Blocked,
            (What::Unblock, _) => self.unblock(due.place, watch),
            // What was armed anew or disarmed is void.
            (What::Fire(timer), _) if seat.timers.get(&timer) != Some(&due.number) => {}
            (What::Fire(timer), _) => {
                seat.timers.remove(&timer);
                self.step(due.place, Input::Fire(timer), watch);
            }
            (What::Receive { from, message }, Attention::Up) if seat.waiting.is_empty() => {
                watch.received(self.now, node(due.place));
                self.step(due.place, Input::Receive { from, message }, watch);
            }
            (What::Receive { from, message }, _) => seat.waiting.push_back((from, message)),
            (What::WorkOff, Attention::Up) => self.work_off(due.place, watch),
            (What::WorkOff, Attention::Blocked) => {}
        }
    }

    fn unblock(&mut self, place: usize, watch: &mut impl Watch<M>) {
        self.seats[place].state = Attention::Up;
        for (to, message) in std::mem::take(&mut self.seats[place].held) {
            self.send(place, to, message);
        }
        self.work_off(place, watch);
    }

    fn work_off(&mut self, place: usize, watch: &mut impl Watch<M>) {
        while let Some((from, message)) = self.seats[place].waiting.pop_front() {
            watch.received(self.now, node(place));
            self.step(place, Input::Receive { from, message }, watch);
            if !self.handling.is_zero() && !self.seats[place].waiting.is_empty() {
                return self.schedule(self.now + self.handling, place, What::WorkOff);
            }
        }
    }

    fn step(&mut self, place: usize, input: Input<M>, watch: &mut impl Watch<M>) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            self.steps += 1;
            let seat = &mut self.seats[place];
            let mut effects = std::mem::take(&mut self.effects);
            let before = seat.next;
            let mut sink =
                Collect { effects: &mut effects, choices: &mut seat.choices, next: &mut seat.next };
            let context = Context::at(node(place), Mono::from_start(self.now));
            seat.machine.step(&context, next, &mut Effects::new(&mut sink));
            if seat.next != before {
                input = Some(Input::Durable(Ticket(seat.next.0 - 1)));
            }
            for effect in effects.drain(..) {
                self.carry_out(place, effect, watch);
            }
            self.effects = effects;
        }
    }

    fn carry_out(&mut self, place: usize, effect: Effect<M>, watch: &mut impl Watch<M>) {
        let from = node(place);
        match effect {
            Effect::Send { to, message, .. } => {
                watch.sent(self.now, from, to, &message);
                match self.seats[place].state {
                    Attention::Blocked => self.seats[place].held.push((to, message)),
                    Attention::Up | Attention::Down => self.send(place, to, message),
                }
            }
            Effect::Arm { timer, least, most } => {
                let seat = &mut self.seats[place];
                let after = if least == most { least } else { seat.choices.duration(least, most) };
                let number = self.numbered;
                self.seats[place].timers.insert(timer.clone(), number);
                self.schedule(self.now + after, place, What::Fire(timer));
            }
            Effect::Disarm(timer) => {
                self.seats[place].timers.remove(&timer);
            }
            Effect::Emit(event) => watch.told(self.now, from, &event),
            Effect::Reply { .. }
            | Effect::Write { .. }
            | Effect::Forget { .. }
            | Effect::Work(_)
            | Effect::Note { .. } => {}
        }
    }

    fn send(&mut self, from: usize, to: NodeId, message: M::Message) {
        let is_known = (1..=self.seats.len() as u64).contains(&to.0);
        if is_known && !self.network.happens(self.loss) {
            let at = self.now + self.delay.draw(self.network.bits());
            self.schedule(at, self::place(to), What::Receive { from: node(from), message });
        }
    }

    fn schedule(&mut self, at: Duration, place: usize, what: What<M>) {
        let number = self.numbered;
        self.numbered += 1;
        self.agenda.push(Reverse(Due { at, number, place, what }));
    }
}

impl<M: Machine> std::fmt::Debug for Crowd<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} machines at {:?}", self.seats.len(), self.now)
    }
}

struct Collect<'a, M: Machine> {
    effects: &'a mut Vec<Effect<M>>,
    choices: &'a mut Stream,
    next: &'a mut Ticket,
}

impl<M: Machine> Sink<M> for Collect<'_, M> {
    fn put(&mut self, effect: Effect<M>) {
        self.effects.push(effect);
    }

    fn write(&mut self, _: M::Write) -> Ticket {
        let ticket = *self.next;
        self.next.0 += 1;
        ticket
    }

    fn choose(&mut self, _: &'static str, options: u32) -> u32 {
        self.choices.below(u64::from(options)) as u32
    }

    fn entropy(&mut self) -> u64 {
        self.choices.bits()
    }
}

fn place(node: NodeId) -> usize {
    (node.0 as usize).saturating_sub(1)
}

fn node(place: usize) -> NodeId {
    NodeId(place as u64 + 1)
}
