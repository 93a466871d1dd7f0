//! The server: executes calls as often as their semantics allow, and remembers what it executed.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;

use bytes::Bytes;
use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, Ticket, View};

use super::table::{DuplicateTable, Known};
use super::{
    Activity, CallId, Command, Event, Failure, Incarnation, Interface, Message, Refusal, Reply, Request,
    Semantics, Timer, Value, Write, marshal, unmarshal,
};
use crate::retry::RetryPolicy;

/// Calls that one server executes at a time; more are told to come back.
pub const RUNNING_MAX: usize = 256;

/// Activities that one server remembers; more are told to come back.
pub const ACTIVITIES_MAX: usize = 4_096;

/// Executed calls after which the log is made anew from the state.
pub const EXECUTED_WRITES_MAX: u64 = 1_024;

/// The procedures. Deterministic: what a recorded call did is found again by calling again.
pub trait Service: Clone + core::fmt::Debug + PartialEq + Eq + core::hash::Hash {
    /// Executes a procedure; `None` if there is none of that number. Results keep within the limits of [`marshal`].
    fn call(&mut self, procedure: u32, arguments: &[Value]) -> Option<Vec<Value>>;
    /// The state, for the log.
    fn save(&self) -> Bytes;
    /// The state from the log; only what `save` made comes here.
    fn restore(&mut self, saved: &Bytes);
}

/// How a server serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerConfig {
    /// What it serves.
    pub interface: Interface,
    /// Whom it tells so.
    pub binder: NodeId,
    /// How the binder is told again.
    pub retry: RetryPolicy,
    /// How long an execution takes; zero: no time.
    pub execution: RangeInclusive<Duration>,
    /// How long an idle activity's results of at-most-once calls are kept, see [`ServerConfig::retention_least`]; `None`: for as long as the server lives.
    pub retention: Option<Duration>,
    /// Refuse at-most-once calls that were meant for an earlier life. Without it they are executed again after a crash.
    pub checks_incarnation: bool,
    /// Restore the duplicate table of exactly-once calls from the log. Without it only their effects survive.
    pub recovers_table: bool,
    /// What is done with calls whose client has begun a new life.
    pub orphans: Orphans,
}

impl ServerConfig {
    /// Serves at once and by the rules.
    pub fn new(interface: Interface, binder: NodeId) -> Self {
        ServerConfig {
            interface,
            binder,
            retry: RetryPolicy::default(),
            execution: Duration::ZERO..=Duration::ZERO,
            retention: Some(Duration::from_secs(300)),
            checks_incarnation: true,
            recovers_table: true,
            orphans: Orphans::Reincarnation,
        }
    }

    /// The least retention under which no copy of a call can outlive the memory of it: a client sends for as long as its patience lasts, and a message
    /// is under way for at most `lifetime`. `None`: a client that never gives up needs one that never ends.
    pub fn retention_least(client: &RetryPolicy, lifetime: Duration) -> Option<Duration> {
        Some(client.patience()? + lifetime)
    }
}

/// What is done with calls whose client has begun a new life (Nelson 1981, chapter 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Orphans {
    /// Nothing: they run on, and may come into the new life's way.
    Leave,
    /// When the new life is heard of, calls of earlier ones end, and no more are taken. Recorded calls go on: they are the new life's too.
    Reincarnation,
}

/// A server of one interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server<S> {
    me: NodeId,
    config: ServerConfig,
    service: S,
    incarnation: Incarnation,
    life: Ticket,
    /// This life is durable: calls are taken.
    ready: bool,
    exported: bool,
    binder_attempts: u32,
    running: BTreeMap<u64, Request>,
    next_run: u64,
    volatile: DuplicateTable,
    durable: DuplicateTable,
    newest: BTreeMap<NodeId, Incarnation>,
    writes: u64,
}

impl<S: Service> Server<S> {
    /// A server before its start.
    pub fn new(me: NodeId, config: ServerConfig, service: S) -> Self {
        Server {
            me,
            config,
            service,
            incarnation: Incarnation::default(),
            life: Ticket(0),
            ready: false,
            exported: false,
            binder_attempts: 0,
            running: BTreeMap::new(),
            next_run: 1,
            volatile: DuplicateTable::default(),
            durable: DuplicateTable::default(),
            newest: BTreeMap::new(),
            writes: 0,
        }
    }

    /// The service with its state.
    pub fn service(&self) -> &S {
        &self.service
    }

    /// This life.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Results that are remembered.
    pub fn remembered_results(&self) -> usize {
        self.volatile.results() + self.durable.results()
    }

    fn start(&mut self, saved: Vec<Write>, fx: &mut Effects<'_, Self>) {
        for write in saved {
            match write {
                Write::Incarnation(incarnation) => self.incarnation = incarnation,
                Write::Base { incarnation, service, table } => {
                    self.incarnation = incarnation;
                    self.service.restore(&service);
                    self.durable = DuplicateTable::restore(table);
                }
                Write::Executed { request } => {
                    let arguments = unmarshal(&request.arguments).unwrap_or_default();
                    let results = self.service.call(request.procedure, &arguments).unwrap_or_default();
                    self.durable.close(request.call.activity, request.closed, request.oldest);
                    self.durable.remember(request.call, marshaled(&results), Ticket(0));
                }
                _ => {}
            }
        }
        if !self.config.recovers_table {
            self.durable = DuplicateTable::default();
        }
        self.incarnation.0 += 1;
        self.life = fx.write(Write::Incarnation(self.incarnation));
        self.export(fx);
    }

    fn export(&mut self, fx: &mut Effects<'_, Self>) {
        self.binder_attempts += 1;
        let (binder, message) =
            (self.config.binder, Message::Export(self.config.interface, self.incarnation));
        fx.hold(self.life, |fx| fx.send(binder, message));
        let patient = RetryPolicy { attempts_max: None, ..self.config.retry };
        if let Some(wait) = patient.wait(self.binder_attempts) {
            fx.arm(Timer::Bind, wait);
        }
    }

    fn request(&mut self, from: NodeId, request: Request, fx: &mut Effects<'_, Self>) {
        let (call, semantics) = (request.call, request.semantics);
        if call.activity.client != from {
            return fx.note("rpc.nonsense", 1);
        }
        if !self.ready {
            return fx.note("rpc.not_ready", 1);
        }
        let refuse = |refusal, fx: &mut Effects<'_, Self>| fx.send(from, Message::Refused { call, refusal });
        let is_stale = semantics == Semantics::AtMostOnce && request.server != self.incarnation;
        if is_stale && self.config.checks_incarnation {
            return refuse(Refusal::Stale(self.incarnation), fx);
        }
        self.reincarnate(call.activity, fx);
        let is_orphan = self.newest.get(&from).is_some_and(|newest| call.activity.incarnation < *newest);
        if is_orphan && self.config.orphans == Orphans::Reincarnation && semantics != Semantics::ExactlyOnce {
            return refuse(Refusal::Orphan, fx);
        }
        let full = self.running.len() >= RUNNING_MAX
            || self.volatile.activities() + self.durable.activities() >= ACTIVITIES_MAX;
        match self.look(&request, fx) {
            Known::Executed(kept) => {
                fx.note("rpc.duplicate_answered", 1);
                let response = Message::Response { call, results: kept.results };
                fx.hold(kept.ticket, |fx| fx.send(from, response));
            }
            Known::Closed => fx.note("rpc.duplicate_dropped", 1),
            Known::Nothing if self.recognizes(semantics) && self.is_running(call) => {
                fx.send(from, Message::Working { call });
            }
            Known::Nothing if full => refuse(Refusal::Busy, fx),
            Known::Nothing => self.begin(request, fx),
        }
    }

    fn recognizes(&self, semantics: Semantics) -> bool {
        matches!(semantics, Semantics::AtMostOnce | Semantics::ExactlyOnce)
    }

    fn is_running(&self, call: CallId) -> bool {
        self.running.values().any(|running| running.call == call)
    }

    /// Asks the table that the semantics has, if it has one.
    fn look(&mut self, request: &Request, fx: &mut Effects<'_, Self>) -> Known {
        let activity = request.call.activity;
        let table = match request.semantics {
            Semantics::Maybe | Semantics::AtLeastOnce => return Known::Nothing,
            Semantics::AtMostOnce => &mut self.volatile,
            Semantics::ExactlyOnce => &mut self.durable,
        };
        let known = table.look(request.call);
        if known != Known::Closed {
            table.close(activity, request.closed, request.oldest);
        }
        if request.semantics == Semantics::AtMostOnce {
            self.keep(activity, fx);
        }
        known
    }

    /// A client may have begun a new life: what its earlier ones began is orphaned.
    fn reincarnate(&mut self, activity: Activity, fx: &mut Effects<'_, Self>) {
        let newest = self.newest.entry(activity.client).or_insert(activity.incarnation);
        if *newest >= activity.incarnation {
            return;
        }
        *newest = activity.incarnation;
        fx.emit(Event::Reincarnated(activity));
        if self.config.orphans == Orphans::Leave {
            return;
        }
        let is_orphan = |request: &Request| {
            request.call.activity.client == activity.client
                && request.call.activity.incarnation < activity.incarnation
                && request.semantics != Semantics::ExactlyOnce
        };
        let orphans: Vec<u64> =
            self.running.iter().filter(|(_, request)| is_orphan(request)).map(|(run, _)| *run).collect();
        for run in orphans {
            if let Some(request) = self.running.remove(&run) {
                fx.disarm(Timer::Execute(run));
                fx.emit(Event::Exterminated { call: request.call });
            }
        }
    }

    fn begin(&mut self, request: Request, fx: &mut Effects<'_, Self>) {
        if *self.config.execution.end() == Duration::ZERO {
            return self.execute(&request, fx);
        }
        let run = self.next_run;
        self.next_run += 1;
        self.running.insert(run, request);
        fx.arm(Timer::Execute(run), self.config.execution.clone());
    }

    fn execute(&mut self, request: &Request, fx: &mut Effects<'_, Self>) {
        let (call, semantics, to) = (request.call, request.semantics, request.call.activity.client);
        let Ok(arguments) = unmarshal(&request.arguments) else {
            return fx.send(to, Message::Refused { call, refusal: Refusal::Garbage });
        };
        fx.note("rpc.server_stub.unmarshal_bytes", request.arguments.len() as u64);
        let Some(results) = self.service.call(request.procedure, &arguments) else {
            return fx.send(to, Message::Refused { call, refusal: Refusal::NoSuchProcedure });
        };
        fx.emit(Event::Executed { call, semantics });
        let results = marshaled(&results);
        fx.note("rpc.server_stub.marshal_bytes", results.len() as u64);
        let mut ticket = Ticket(0);
        match semantics {
            Semantics::Maybe | Semantics::AtLeastOnce => {}
            Semantics::AtMostOnce => self.volatile.remember(call, results.clone(), ticket),
            Semantics::ExactlyOnce => {
                ticket = fx.write(Write::Executed { request: request.clone() });
                self.durable.remember(call, results.clone(), ticket);
                self.compact(fx);
            }
        }
        fx.hold(ticket, |fx| fx.send(to, Message::Response { call, results }));
    }

    fn compact(&mut self, fx: &mut Effects<'_, Self>) {
        self.writes += 1;
        if self.writes < EXECUTED_WRITES_MAX {
            return;
        }
        self.writes = 0;
        let (incarnation, service, table) = (self.incarnation, self.service.save(), self.durable.save());
        let ticket = fx.write(Write::Base { incarnation, service, table });
        fx.forget(ticket);
    }

    fn keep(&self, activity: Activity, fx: &mut Effects<'_, Self>) {
        if let Some(retention) = self.config.retention {
            fx.arm(Timer::Expire(activity), retention..=retention);
        }
    }

    fn expire(&mut self, activity: Activity, fx: &mut Effects<'_, Self>) {
        if self.running.values().any(|request| request.call.activity == activity) {
            return self.keep(activity, fx);
        }
        self.volatile.expire(activity);
        fx.note("rpc.activity_expired", 1);
    }
}

fn marshaled(results: &[Value]) -> Bytes {
    marshal(results).expect("a service keeps its results within the limits")
}

impl<S: Service> Machine for Server<S> {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = super::NEEDS;

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => self.start(saved, fx),
            Input::Receive { from, message: Message::Request(request) } => self.request(from, request, fx),
            Input::Receive { from, message: Message::Exported(interface, incarnation) } => {
                let ours = (self.config.binder, self.config.interface, self.incarnation);
                if (from, interface, incarnation) == ours && !core::mem::replace(&mut self.exported, true) {
                    fx.disarm(Timer::Bind);
                }
            }
            Input::Fire(Timer::Execute(run)) => {
                if let Some(request) = self.running.remove(&run) {
                    self.execute(&request, fx);
                }
            }
            Input::Fire(Timer::Expire(activity)) => self.expire(activity, fx),
            Input::Fire(Timer::Bind) if !self.exported => self.export(fx),
            Input::Durable(ticket) => self.ready |= ticket >= self.life,
            // A server calls nobody.
            Input::Command { id, .. } => {
                fx.reply(id, Reply::Failed { call: None, failure: Failure::NotBound })
            }
            Input::Receive { .. } => fx.note("rpc.nonsense", 1),
            Input::Fire(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("incarnation", self.incarnation.0);
        view.show("ready", self.ready);
        view.show("service", &self.service);
        view.show("running", self.running.values().map(|request| request.call).collect::<Vec<_>>());
        view.show("activities remembered", self.volatile.activities() + self.durable.activities());
        view.show("results remembered", self.remembered_results());
    }
}
