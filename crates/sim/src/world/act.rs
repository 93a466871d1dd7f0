//! One step of one machine, and acting on what it asked for.

use std::hash::Hash;

use synod_machine::{Context, Effect, Fate, Input, Loss, Machine, NodeId, Record, SendId, Ticket, Worker};

use super::{Event, Held, World, world_violation};
use crate::disk::SyncStart;
use crate::network::Departure;
use crate::panics::caught;
use crate::subject::Given;
use crate::{Crash, Step, Subject, View, Violation};

type MessageOf<S> = <<S as Subject>::Machine as Machine>::Message;
type EffectOf<S> = Effect<<S as Subject>::Machine>;

impl<S: Subject> World<S> {
    /// Steps a node that is up: exactly one record.
    pub(super) fn step(
        &mut self,
        index: usize,
        input: Input<S::Machine>,
        cause: Option<SendId>,
    ) -> Result<(), Violation> {
        let (number, time, first_send) = (self.records, self.now.mono(), SendId(self.sends));
        let node = &mut self.nodes[index];
        let me = node.id;
        let Some(process) = &mut node.process else { return Ok(()) };
        self.records += 1;
        // The order of fields is that of a record: the fingerprint is the hash of all records.
        (number, me, time, cause, first_send).hash(&mut self.fingerprint);
        input.hash(&mut self.fingerprint);
        let given = Given::of(&input);
        let kept = self.tracer.active().then(|| input.clone());
        let credit = self.network.credit(index);
        let (now, wall) = (node.clock.mono(self.now), node.clock.wall(self.now));
        let cx = Context { me, now, wall, credit: &credit };
        let machine = &mut process.machine;
        let mut sink = process.buffer.effects();
        caught(|| machine.step(&cx, input, &mut sink)).map_err(|message| {
            world_violation("no panic", me, format!("{me} panicked, given {given:?}: {message}"))
        })?;
        let mut effects = std::mem::take(&mut process.buffer.effects);
        effects[..].hash(&mut self.fingerprint);
        self.sends += effects.iter().filter(|effect| matches!(effect, Effect::Send { .. })).count() as u64;
        if let Some(input) = kept {
            let record = Record { number, node: me, time, cause, input, effects, first_send };
            effects = self.trace(index, record);
        }
        let step = Step { number, node: me, time, cause, given, effects: &effects };
        self.subject.check(&View { nodes: &self.nodes, now: time }, &step)?;
        self.act(index, first_send, &mut effects);
        if let Some(process) = &mut self.nodes[index].process {
            process.buffer.effects = effects;
        }
        self.start_sync(index)
    }

    /// Traces a record, and gives its effects back.
    fn trace(&mut self, index: usize, record: Record<S::Machine>) -> Vec<EffectOf<S>> {
        let effects = record.effects.clone();
        let process = self.nodes[index].process.as_ref().expect("a node that steps is up");
        let role = self.subject.role(&process.machine);
        let kinds = record.sends().map(|(_, _, message)| self.subject.message_kind(message)).collect();
        let mut state = synod_machine::View::default();
        if self.tracer.states {
            process.machine.inspect(&mut state);
        }
        self.tracer.record(record, role, kinds, state);
        effects
    }

    fn act(&mut self, index: usize, first_send: SendId, effects: &mut Vec<EffectOf<S>>) {
        let mut send = first_send;
        for effect in effects.drain(..) {
            let node = &mut self.nodes[index];
            let Some(process) = &mut node.process else { return };
            let durable = node.disk.durable();
            let leak = self.plan.sabotage.leak_held_effects;
            let holds = |after: Option<Ticket>| after.filter(|ticket| ticket.0 > durable && !leak);
            match effect {
                Effect::Send { to, message, after } => {
                    let id = send;
                    send = SendId(send.0 + 1);
                    match holds(after) {
                        Some(ticket) => {
                            process.held.push_back((ticket.0, Held::Send { id, to, message }));
                            self.tally.add("disk.held effects", 1);
                        }
                        None => self.depart(index, id, to, message),
                    }
                }
                Effect::Reply { id, reply, after } => match holds(after) {
                    Some(ticket) => {
                        process.held.push_back((ticket.0, Held::Reply { id, reply }));
                        self.tally.add("disk.held effects", 1);
                    }
                    None => self.answer(index, id, reply),
                },
                Effect::Emit(_) => {}
                Effect::Arm { timer, least, most } => {
                    let delay = crate::stream::nanos(node.timer_draw.duration(least, most));
                    let reading = node.clock.read(self.now).saturating_add(delay);
                    let (place, event) = process.timers.arm(timer, reading, self.now, &node.clock);
                    if let Some(at) = event {
                        let event = Event::Timer { node: index as u32, life: node.life, place };
                        self.agenda.put(at, event);
                    }
                }
                Effect::Disarm(timer) => process.timers.disarm(&timer),
                Effect::Write { ticket, write } => {
                    node.disk.append(ticket.0, |out| self.subject.encode(&write, out));
                }
                Effect::Forget { before } => self.forget(index, before.0),
                Effect::Work(job) => {
                    process.jobs.push_back(job);
                    if !process.working {
                        process.working = true;
                        let delay = self.plan.work.draw_nanos(node.work_draw.bits());
                        let event = Event::Work { node: index as u32, life: node.life };
                        self.agenda.put(self.now.plus(delay), event);
                    }
                }
                Effect::Note { name, value } => self.notes.add(name, value.max(1)),
            }
        }
    }

    /// A message leaves its node.
    fn depart(&mut self, index: usize, id: SendId, to: NodeId, message: MessageOf<S>) {
        let from = self.nodes[index].id;
        let Some(target) = self.index(to) else {
            self.settle(id, from, to, &Fate::Dropped(Loss::ReceiverDown));
            return;
        };
        let bytes = self.subject.message_bytes(&message);
        let kind = self.subject.message_kind(&message);
        match self.network.depart(self.now, (index, target), (id, kind, bytes), message) {
            Departure::Under { flights } => {
                for (place, arrives) in flights.into_iter().flatten() {
                    self.agenda.put(arrives, Event::Arrive(place));
                }
            }
            Departure::Ended(fate) => self.settle(id, from, to, &fate),
        }
    }

    pub(super) fn arrive(&mut self, place: u32) -> Result<(), Violation> {
        let (flight, mut fate) = self.network.arrive(place);
        let (from, to, index) =
            (NodeId(u64::from(flight.from) + 1), NodeId(u64::from(flight.to) + 1), flight.to as usize);
        if fate.is_none() && !self.nodes[index].up() {
            fate = Some(Fate::Dropped(Loss::ReceiverDown));
        }
        let received = fate.is_none();
        let fate = fate.unwrap_or(Fate::Delivered(self.records));
        if let Some(fate) = self.network.settle(&flight, fate) {
            self.settle(flight.id, from, to, &fate);
        }
        match received {
            true => {
                let input = Input::Receive { from, message: flight.message };
                self.step(index, input, Some(flight.id))
            }
            false => Ok(()),
        }
    }

    /// Forgetting waits until every write asked for so far is durable: what takes the place of the forgotten may be among them.
    fn forget(&mut self, index: usize, before: u64) {
        let node = &mut self.nodes[index];
        let after = node.disk.asked();
        if node.disk.durable() >= after {
            node.disk.forget(before);
        } else {
            node.forgetting.push_back((after, before));
        }
    }

    /// Begins a sync if something waits for one.
    pub(super) fn start_sync(&mut self, index: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        if !node.up() {
            return Ok(());
        }
        match node.disk.start_sync(&self.plan.disk, &*self.format, self.now) {
            SyncStart::Idle => Ok(()),
            SyncStart::Full => {
                self.tally.add("fault.fill", 1);
                self.crash(index, Crash::Kill, "its disk is full")
            }
            SyncStart::Started { nanos } => {
                // A planned power loss strikes halfway through.
                let nanos = if node.crash_at_sync { nanos / 2 } else { nanos };
                let event = Event::Synced { node: index as u32, life: node.life };
                self.agenda.put(self.now.plus(nanos), event);
                Ok(())
            }
        }
    }

    pub(super) fn synced(&mut self, index: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        if std::mem::take(&mut node.crash_at_sync) {
            self.tally.add("fault.crash-at-sync", 1);
            let back = self.nodes[index].back_after.take();
            self.crash(index, Crash::Power, "power lost during a sync")?;
            self.boot_after(index, back);
            return Ok(());
        }
        if std::mem::take(&mut node.disk.fail_next_sync) {
            self.tally.add("fault.fail-sync", 1);
            let back = self.nodes[index].back_after.take();
            self.crash(index, Crash::Power, "a sync failed")?;
            self.boot_after(index, back);
            return Ok(());
        }
        let durable = node.disk.end_sync();
        self.tally.add("disk.syncs", 1);
        while let Some((after, before)) = node.forgetting.front().copied()
            && after <= durable
        {
            node.forgetting.pop_front();
            node.disk.forget(before);
        }
        self.release(index, durable);
        self.step(index, Input::Durable(Ticket(durable)), None)
    }

    /// Lets go what waited for tickets up to `durable`, in the order in which it was asked for.
    fn release(&mut self, index: usize, durable: u64) {
        let Some(process) = &mut self.nodes[index].process else { return };
        let mut held = std::mem::take(&mut process.held);
        let mut still = std::collections::VecDeque::new();
        for (ticket, effect) in held.drain(..) {
            if ticket > durable {
                still.push_back((ticket, effect));
                continue;
            }
            match effect {
                Held::Send { id, to, message } => self.depart(index, id, to, message),
                Held::Reply { id, reply } => self.answer(index, id, reply),
            }
        }
        if let Some(process) = &mut self.nodes[index].process {
            process.held = still;
        }
    }

    /// The worker does some of its jobs; what it gives comes when they are done.
    pub(super) fn work(&mut self, index: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let Some(process) = &mut node.process else { return Ok(()) };
        let (id, now) = (node.id, node.clock.mono(self.now));
        let waiting = process.jobs.len() as u64;
        // How many are taken together is free.
        let taken = if waiting == 0 { 0 } else { node.work_draw.between(1, waiting) };
        process.more_work = taken > 0;
        caught(|| {
            if waiting == 0 {
                process.more_work = process.worker.idle(now, &mut process.output);
            }
            for job in process.jobs.drain(..taken as usize) {
                process.worker.work(now, job, &mut process.output);
            }
        })
        .map_err(|message| {
            world_violation("no panic", id, format!("the worker of {id} panicked: {message}"))
        })?;
        if taken > 0 {
            self.tally.add("worker.jobs", taken);
        }
        let delay = self.plan.work.draw_nanos(node.work_draw.bits());
        let event = Event::Worked { node: index as u32, life: node.life };
        self.agenda.put(self.now.plus(delay), event);
        Ok(())
    }

    pub(super) fn worked(&mut self, index: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let life = node.life;
        let Some(process) = &mut node.process else { return Ok(()) };
        let output = std::mem::take(&mut process.output);
        process.working = process.more_work || !process.jobs.is_empty();
        if process.working {
            let delay = self.plan.work.draw_nanos(node.work_draw.bits());
            self.agenda.put(self.now.plus(delay), Event::Work { node: index as u32, life });
        }
        for (id, reply) in output.replies {
            self.answer(index, id, reply);
        }
        for done in output.done {
            if self.nodes[index].life == life {
                self.step(index, Input::Done(done), None)?;
            }
        }
        Ok(())
    }
}
