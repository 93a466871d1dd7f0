//! The run's course: safety under faults, then the heal, then the end.

use std::time::Duration;

use synod_machine::{Fate, Mono};

use super::{Event, Held, World};
use crate::agenda::Moment;
use crate::run::{Found, Phase};
use crate::{Crash, Subject, View, Violation};

/// How often, in virtual time, a healed world is asked whether it progressed.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl<S: Subject> World<S> {
    /// Takes the next event, or changes the phase when its time is up.
    pub(super) fn take_event(&mut self) -> Result<(), Violation> {
        if self.records >= self.plan.records_max {
            let sentence = format!(
                "{} records within {:?} of simulated time, and no end",
                self.records,
                self.now.duration()
            );
            return Err(Violation::new("bounded work", [], sentence));
        }
        let next = self.agenda.next_at();
        let phase_ends = match self.phase {
            Phase::Safety => Moment::of(self.plan.safety),
            Phase::Heal => self.heal_ends,
        };
        let Some(at) = next.filter(|at| *at < phase_ends) else {
            self.now = phase_ends;
            return self.phase_over();
        };
        if self.phase == Phase::Heal && at >= self.next_look {
            self.next_look = at.plus(crate::stream::nanos(LOOK_EVERY));
            if self.progressed() {
                return self.finish();
            }
        }
        let (at, event) = self.agenda.next().expect("it was looked at above");
        assert!(at >= self.now, "time went back from {:?} to {at:?}", self.now);
        self.now = at;
        self.dispatch(event)
    }

    /// Acts on an event, or lets it wait for a node that is paused.
    pub(super) fn dispatch(&mut self, event: Event) -> Result<(), Violation> {
        if let Some((index, life)) = self.node_of(event) {
            let node = &mut self.nodes[index];
            if life.is_some_and(|life| life != node.life) {
                return Ok(());
            }
            if node.paused_until.is_some() {
                node.backlog.push_back(event);
                return Ok(());
            }
        }
        match event {
            Event::Arrive(place) => self.arrive(place),
            Event::Timer { node, place, .. } => self.timer(node as usize, place),
            Event::Synced { node, .. } => self.synced(node as usize),
            Event::Work { node, .. } => self.work(node as usize),
            Event::Worked { node, .. } => self.worked(node as usize),
            Event::Command(place) => self.command(place),
            Event::Reply(place) => self.reply(place),
            Event::ClientTimer(token) => self.client_timer(token),
            Event::Link { from, to } => self.link(from as usize, to as usize),
            Event::Resume { node, life } => {
                let paused = &self.nodes[node as usize];
                let due = paused.life == life && paused.paused_until.is_some_and(|until| until <= self.now);
                if due { self.resume(node as usize) } else { Ok(()) }
            }
            Event::Boot(node) => match self.may_boot(node as usize) {
                true => self.boot(node as usize),
                false => Ok(()),
            },
            Event::Fault(number) => self.fault(number),
            Event::FaultEnd(number) => {
                self.fault_end(number);
                Ok(())
            }
            Event::Flap { fault, cut } => {
                self.flap(fault, cut);
                Ok(())
            }
        }
    }

    /// Whose process takes the event, and in which life, if it is bound to one.
    fn node_of(&self, event: Event) -> Option<(usize, Option<u32>)> {
        match event {
            Event::Arrive(place) => Some((self.network.receiver(place), None)),
            Event::Timer { node, life, .. }
            | Event::Synced { node, life }
            | Event::Work { node, life }
            | Event::Worked { node, life } => Some((node as usize, Some(life))),
            Event::Command(place) => {
                let (_, to, _) = self.commands.get(place).expect("an event owns its command");
                self.index(*to).map(|index| (index, None))
            }
            Event::Link { from, .. } => Some((from as usize, None)),
            _ => None,
        }
    }

    /// After the heal only survivors come back.
    fn may_boot(&self, index: usize) -> bool {
        self.phase == Phase::Safety || self.survivors.contains(&self.nodes[index].id)
    }

    fn phase_over(&mut self) -> Result<(), Violation> {
        if self.phase == Phase::Safety && self.plan.heal > Duration::ZERO {
            return self.heal();
        }
        if self.phase == Phase::Heal && !self.progressed() {
            let survivors: Vec<String> = self.survivors.iter().map(ToString::to_string).collect();
            let sentence = format!(
                "no progress within {:?} after all faults ended, although {} are up and connected",
                self.plan.heal,
                survivors.join(", ")
            );
            return Err(Violation::new("liveness", self.survivors.clone(), sentence));
        }
        self.finish()
    }

    /// All faults end; a majority comes back, the others may stay dead.
    fn heal(&mut self) -> Result<(), Violation> {
        self.phase = Phase::Heal;
        self.heal_ends = self.now.plus(crate::stream::nanos(self.plan.heal));
        let mut sound: Vec<usize> =
            (0..self.nodes.len()).filter(|i| !self.nodes[*i].lost && !self.nodes[*i].rotten).collect();
        let majority = self.nodes.len() / 2 + 1;
        if sound.len() < majority {
            // Only a script by hand gets here: there is nothing to demand.
            self.tally.add("heal.no majority left", 1);
            return self.finish();
        }
        self.heal_draw.shuffle(&mut sound);
        let dead = (self.plan.leave_dead as usize).min(sound.len() - majority);
        let mut survivors = sound.split_off(dead);
        survivors.sort_unstable();
        self.survivors = survivors.iter().map(|index| self.nodes[*index].id).collect();
        self.tracer.world(self.now.mono(), "heal", None, || "all faults end".to_owned());
        self.network.calm();
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            node.disk.calm();
            node.crash_at_sync = false;
            if survivors.binary_search(&index).is_err() {
                self.crash(index, Crash::Power, "stays dead")?;
            }
        }
        for index in &survivors {
            self.resume(*index)?;
            self.boot(*index)?;
        }
        self.look_at_all_links();
        self.clients.now = self.now.mono();
        let view = View { nodes: &self.nodes, now: self.now.mono() };
        self.subject.heal(&view, &self.survivors, &mut self.clients)?;
        self.send_clients();
        Ok(())
    }

    fn progressed(&mut self) -> bool {
        let view = View { nodes: &self.nodes, now: self.now.mono() };
        self.subject.progressed(&view, &self.survivors)
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let view = View { nodes: &self.nodes, now: self.now.mono() };
        self.subject.check_end(&view)?;
        self.end();
        Ok(())
    }

    /// Gives every send that has none its fate.
    pub(super) fn end(&mut self) {
        self.ended = true;
        let under_way: Vec<_> = self.network.under_way().collect();
        for (id, from, to, fate) in under_way {
            let (from, to) = (self.nodes[from as usize].id, self.nodes[to as usize].id);
            self.settle(id, from, to, &fate);
        }
        for index in 0..self.nodes.len() {
            let Some(process) = &mut self.nodes[index].process else { continue };
            let held = std::mem::take(&mut process.held);
            let from = self.nodes[index].id;
            for (_, held) in held {
                if let Held::Send { id, to, .. } = held {
                    self.settle(id, from, to, &Fate::InFlight);
                }
            }
        }
        if let Some(Found { violation, time, .. }) = &self.found {
            let (time, sentence): (Mono, String) = (*time, violation.to_string());
            self.tracer.world(time, "violation", None, || sentence);
        }
        self.tracer.end(self.records, self.fingerprint());
    }
}
