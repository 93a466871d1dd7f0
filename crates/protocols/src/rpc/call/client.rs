//! The caller: numbers calls, repeats them until they are answered or given up, and records those that must survive it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, Ticket, View};

use super::{
    Activity, Binding, CallId, Command, Event, Failure, Incarnation, Interface, Message, Recorded, Refusal,
    Reply, Request, Semantics, Timer, Write, marshal, unmarshal,
};
use crate::retry::RetryPolicy;

/// Calls open at one client; more are refused.
pub const OPEN_CALLS_MAX: usize = 256;

/// Writes of calls after which the log is made anew from what is open.
pub const CALL_WRITES_MAX: u64 = 1_024;

/// After so many attempts without an answer the binder is asked again.
const ATTEMPTS_BEFORE_BINDER: u32 = 4;

/// How a client calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// What it calls.
    pub interface: Interface,
    /// Who knows where that is served.
    pub binder: NodeId,
    /// How calls are repeated. Exactly-once calls are never given up.
    pub retry: RetryPolicy,
}

/// A caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    me: NodeId,
    config: ClientConfig,
    incarnation: Incarnation,
    /// The write that makes this life known; nothing is sent before it is durable.
    life: Ticket,
    binding: Option<Binding>,
    /// Questions to the binder without an answer; 0: none is asked.
    binder_attempts: u32,
    open: BTreeMap<CallId, Open>,
    /// Recorded calls that are answered, but not yet durably so: after a crash they would be asked again.
    settling: BTreeMap<Ticket, CallId>,
    next_sequence: u64,
    writes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    /// Who waits; nobody, if the call was found in the log.
    client: Option<RequestId>,
    semantics: Semantics,
    procedure: u32,
    arguments: Bytes,
    attempts: u32,
    /// Where an at-most-once call went first, and goes for ever.
    bound: Option<Binding>,
    /// The record of an exactly-once call.
    recorded: Ticket,
}

impl Client {
    /// A client before its start.
    pub fn new(me: NodeId, config: ClientConfig) -> Self {
        Client {
            me,
            config,
            incarnation: Incarnation::default(),
            life: Ticket(0),
            binding: None,
            binder_attempts: 0,
            open: BTreeMap::new(),
            settling: BTreeMap::new(),
            next_sequence: 1,
            writes: 0,
        }
    }

    /// This life.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Calls without an answer.
    pub fn open_calls(&self) -> impl Iterator<Item = CallId> + '_ {
        self.open.keys().copied()
    }

    fn start(&mut self, saved: Vec<Write>, fx: &mut Effects<'_, Self>) {
        let mut recorded: BTreeMap<CallId, Recorded> = BTreeMap::new();
        for write in saved {
            match write {
                Write::Incarnation(incarnation) => self.incarnation = incarnation,
                Write::Called(call) => {
                    recorded.insert(call.call, call);
                }
                Write::Answered(call) => {
                    recorded.remove(&call);
                }
                Write::Calls(incarnation, calls) => {
                    self.incarnation = incarnation;
                    recorded = calls.into_iter().map(|call| (call.call, call)).collect();
                }
                _ => {}
            }
        }
        self.incarnation.0 += 1;
        self.life = fx.write(Write::Incarnation(self.incarnation));
        for (call, Recorded { procedure, arguments, .. }) in recorded {
            let (semantics, recorded) = (Semantics::ExactlyOnce, Ticket(0));
            let open =
                Open { client: None, semantics, procedure, arguments, attempts: 0, bound: None, recorded };
            self.open.insert(call, open);
        }
        if !self.open.is_empty() {
            self.ask_binder(fx);
        }
    }

    fn call(&mut self, id: RequestId, command: Command, fx: &mut Effects<'_, Self>) {
        let Command::Call { procedure, arguments, semantics } = command;
        let fail = |failure| Reply::Failed { call: None, failure };
        if self.open.len() >= OPEN_CALLS_MAX {
            return fx.reply(id, fail(Failure::TooManyOpen));
        }
        let Ok(arguments) = marshal(&arguments) else {
            return fx.reply(id, fail(Failure::TooLarge));
        };
        fx.note("rpc.client_stub.marshal_bytes", arguments.len() as u64);
        let activity = Activity { client: self.me, incarnation: self.incarnation };
        let call = CallId { activity, sequence: self.next_sequence };
        self.next_sequence += 1;
        let mut recorded = Ticket(0);
        if semantics == Semantics::ExactlyOnce {
            recorded = fx.write(Write::Called(Recorded { call, procedure, arguments: arguments.clone() }));
            self.writes += 1;
        }
        let client = Some(id);
        let open = Open { client, semantics, procedure, arguments, attempts: 0, bound: None, recorded };
        self.open.insert(call, open);
        match self.binding {
            Some(_) => self.transmit(call, fx),
            None if self.binder_attempts == 0 => self.ask_binder(fx),
            None => {}
        }
    }

    /// Sends a call, for the first time or again.
    fn transmit(&mut self, call: CallId, fx: &mut Effects<'_, Self>) {
        let (closed, oldest) = (self.closed(call.activity), self.oldest());
        let Some(binding) = self.binding else { return };
        let Some(open) = self.open.get_mut(&call) else { return };
        open.attempts += 1;
        if open.attempts > 1 {
            fx.note("rpc.retransmitted", 1);
        }
        let bound = *open.bound.get_or_insert(binding);
        let to = if open.semantics == Semantics::AtMostOnce { bound } else { binding };
        let request = Request {
            call,
            semantics: open.semantics,
            server: to.incarnation,
            closed,
            oldest,
            procedure: open.procedure,
            arguments: open.arguments.clone(),
        };
        fx.hold(self.life.max(open.recorded), |fx| fx.send(to.server, Message::Request(request)));
        let wait = match open.semantics {
            Semantics::Maybe => self.config.retry.wait(1),
            Semantics::ExactlyOnce => {
                RetryPolicy { attempts_max: None, ..self.config.retry }.wait(open.attempts)
            }
            _ => self.config.retry.wait(open.attempts),
        };
        if let Some(wait) = wait {
            fx.arm(Timer::Retry(call), wait);
        }
    }

    /// Below this number every call of the activity is answered or given up, durably where it was recorded.
    fn closed(&self, activity: Activity) -> u64 {
        let open = self.open.keys().chain(self.settling.values()).filter(|call| call.activity == activity);
        open.map(|call| call.sequence).min().unwrap_or(self.next_sequence)
    }

    /// The oldest life with a call that is not closed.
    fn oldest(&self) -> Incarnation {
        let open = self.open.keys().chain(self.settling.values()).map(|call| call.activity.incarnation);
        open.min().unwrap_or(self.incarnation)
    }

    fn retry(&mut self, call: CallId, fx: &mut Effects<'_, Self>) {
        let Some(open) = self.open.get(&call) else { return };
        let goes_on = match open.semantics {
            Semantics::Maybe => false,
            Semantics::AtLeastOnce | Semantics::AtMostOnce => {
                self.config.retry.continues_after(open.attempts)
            }
            Semantics::ExactlyOnce => true,
        };
        if !goes_on {
            return self.fail(call, Failure::Unknown, fx);
        }
        if open.attempts.is_multiple_of(ATTEMPTS_BEFORE_BINDER) {
            let (life, question) = (self.life, Message::Import(self.config.interface));
            fx.hold(life, |fx| fx.send(self.config.binder, question));
        }
        self.transmit(call, fx);
    }

    fn returned(&mut self, call: CallId, results: &[u8], fx: &mut Effects<'_, Self>) {
        let bytes = results.len() as u64;
        let Ok(results) = unmarshal(results) else {
            return fx.note("rpc.nonsense", 1);
        };
        let Some(open) = self.close(call, fx) else { return };
        fx.note("rpc.client_stub.unmarshal_bytes", bytes);
        match open.client {
            Some(id) => fx.reply(id, Reply::Returned { call, results }),
            None => fx.emit(Event::Recovered { call }),
        }
    }

    fn refused(&mut self, from: NodeId, call: CallId, refusal: Refusal, fx: &mut Effects<'_, Self>) {
        let Some(open) = self.open.get(&call) else { return };
        match refusal {
            Refusal::Stale(incarnation) => {
                let newer = |binding: &Binding| binding.server == from && binding.incarnation < incarnation;
                if let Some(binding) = self.binding.as_mut().filter(|binding| newer(binding)) {
                    binding.incarnation = incarnation;
                }
                if open.semantics == Semantics::AtMostOnce {
                    self.fail(call, Failure::ServerRestarted, fx);
                }
            }
            Refusal::Garbage | Refusal::NoSuchProcedure => self.fail(call, Failure::Refused(refusal), fx),
            // Asked again when its time comes.
            Refusal::Busy | Refusal::Orphan => {}
        }
    }

    fn fail(&mut self, call: CallId, failure: Failure, fx: &mut Effects<'_, Self>) {
        let Some(open) = self.close(call, fx) else { return };
        match open.client {
            Some(id) => fx.reply(id, Reply::Failed { call: Some(call), failure }),
            None => fx.emit(Event::Recovered { call }),
        }
    }

    fn close(&mut self, call: CallId, fx: &mut Effects<'_, Self>) -> Option<Open> {
        let open = self.open.remove(&call)?;
        fx.disarm(Timer::Retry(call));
        if open.semantics == Semantics::ExactlyOnce {
            self.settling.insert(fx.write(Write::Answered(call)), call);
            self.writes += 1;
            self.compact(fx);
        }
        Some(open)
    }

    fn compact(&mut self, fx: &mut Effects<'_, Self>) {
        if self.writes < CALL_WRITES_MAX {
            return;
        }
        self.writes = 0;
        let durable = self.open.iter().filter(|(_, open)| open.semantics == Semantics::ExactlyOnce);
        let calls = durable
            .map(|(call, open)| Recorded {
                call: *call,
                procedure: open.procedure,
                arguments: open.arguments.clone(),
            })
            .collect();
        let ticket = fx.write(Write::Calls(self.incarnation, calls));
        fx.forget(ticket);
    }

    fn ask_binder(&mut self, fx: &mut Effects<'_, Self>) {
        self.binder_attempts += 1;
        let (binder, question) = (self.config.binder, Message::Import(self.config.interface));
        fx.hold(self.life, |fx| fx.send(binder, question));
        let patient = RetryPolicy { attempts_max: None, ..self.config.retry };
        if let Some(wait) = patient.wait(self.binder_attempts) {
            fx.arm(Timer::Bind, wait);
        }
    }

    fn binder_silent(&mut self, fx: &mut Effects<'_, Self>) {
        if !self.config.retry.continues_after(self.binder_attempts) {
            let waiting: Vec<CallId> = self
                .open
                .iter()
                .filter(|(_, open)| open.semantics != Semantics::ExactlyOnce)
                .map(|(call, _)| *call)
                .collect();
            for call in waiting {
                self.fail(call, Failure::NotBound, fx);
            }
        }
        if self.open.is_empty() {
            self.binder_attempts = 0;
        } else {
            self.ask_binder(fx);
        }
    }

    fn imported(&mut self, binding: Option<Binding>, fx: &mut Effects<'_, Self>) {
        // Without a server the question is asked again when its time comes.
        let Some(binding) = binding else { return };
        let known = self.binding.filter(|known| known.server == binding.server);
        if known.is_none_or(|known| known.incarnation < binding.incarnation) {
            self.binding = Some(binding);
        }
        if core::mem::take(&mut self.binder_attempts) > 0 {
            fx.disarm(Timer::Bind);
            let waiting: Vec<CallId> =
                self.open.iter().filter(|(_, open)| open.attempts == 0).map(|(call, _)| *call).collect();
            for call in waiting {
                self.transmit(call, fx);
            }
        }
    }
}

impl Machine for Client {
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
            Input::Command { id, command } => self.call(id, command, fx),
            Input::Receive { message: Message::Response { call, results }, .. } => {
                self.returned(call, &results, fx)
            }
            Input::Receive { from, message: Message::Refused { call, refusal } } => {
                self.refused(from, call, refusal, fx);
            }
            Input::Receive { message: Message::Working { call }, .. } if self.open.contains_key(&call) => {
                let longest = self.config.retry.longest;
                fx.arm(Timer::Retry(call), longest..=longest);
            }
            Input::Receive { from, message: Message::Imported(interface, binding) }
                if from == self.config.binder && interface == self.config.interface =>
            {
                self.imported(binding, fx);
            }
            Input::Receive { .. } => fx.note("rpc.stale", 1),
            Input::Fire(Timer::Retry(call)) => self.retry(call, fx),
            Input::Fire(Timer::Bind) if self.binder_attempts > 0 => self.binder_silent(fx),
            Input::Durable(ticket) => self.settling.retain(|settled, _| *settled > ticket),
            Input::Fire(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("incarnation", self.incarnation.0);
        view.show("binding", self.binding);
        for (call, open) in &self.open {
            let name = alloc::format!("call {call}");
            view.show(&name, (open.semantics, open.attempts));
        }
    }
}
