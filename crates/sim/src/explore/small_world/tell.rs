//! Paths of a small world in words and as a diagram.

use std::time::Duration;

use synod_machine::{Fate, Machine, Mono, NodeId, Record, SendId};

use super::perform::{Silent, Watch};
use super::script::Script;
use super::{Action, Explorable, Remembers, SmallWorld, State, What};
use crate::explore::path::Way;
use crate::explore::{Model, Path};
use crate::{Diagram, Moment, words};

/// Keeps what happens as moments. Time is the number of the step.
struct Witness<'a, M: Machine> {
    role: &'a dyn Fn(&M) -> char,
    step: u64,
    records: u64,
    moments: Vec<Moment<M>>,
}

impl<M: Machine> Witness<'_, M> {
    fn now(&self) -> Mono {
        Mono::from_start(Duration::from_millis(self.step))
    }
}

impl<M: Machine> Watch<M> for Witness<'_, M> {
    const LOOKS: bool = true;

    fn record(&mut self, mut record: Record<M>, machine: &M) {
        self.records += 1;
        record.time = self.now();
        let kinds = record.sends().map(|_| "").collect();
        let mut state = synod_machine::View::default();
        machine.inspect(&mut state);
        self.moments.push(Moment::Record { record, role: (self.role)(machine), kinds, state });
    }

    fn fate(&mut self, id: SendId, from: NodeId, to: NodeId, fate: Fate) {
        self.moments.push(Moment::Fate { time: self.now(), id, from, to, fate });
    }

    fn world(&mut self, node: NodeId, kind: &'static str, what: String) {
        self.moments.push(Moment::World { time: self.now(), node: Some(node), kind, what });
    }

    fn next_record(&self) -> u64 {
        self.records
    }

    fn action(&mut self, number: u64) {
        self.step = number;
    }
}

impl<M: Explorable, H: Remembers> SmallWorld<M, H> {
    /// All that happens along a path, with the fates of all messages.
    pub fn moments(&self, path: &Path) -> Result<Vec<Moment<M>>, String> {
        let role = &*self.role;
        let mut witness = Witness { role, step: 0, records: 0, moments: Vec::new() };
        let mut last = None;
        self.go(path, &mut witness, |_, _, state| last = Some(state.clone()))?;
        let last: State<M, H> = last.ok_or("an empty path does not say where it begins")?;
        for envelope in &last.network {
            witness.fate(envelope.id, envelope.from, envelope.to, Fate::InFlight);
        }
        Ok(witness.moments)
    }

    /// A path as a space-time diagram; [`Diagram::steps`] says that time is counted in steps. The error says where the world has no such path.
    pub fn drawn(&self, path: &Path, diagram: &Diagram) -> Result<String, String> {
        Ok(diagram.draw(self.moments(path)?.iter(), None))
    }

    /// A path in words, a line an action.
    pub(super) fn told(&self, path: &Path) -> Result<Vec<String>, String> {
        let mut lines: Vec<String> = Vec::new();
        self.go(path, &mut Silent, |before, taken, _| {
            let Some((action, options)) = taken else { return };
            let mut line = before.map_or(String::new(), |before| self.line(before, *action));
            let options: Vec<String> = options.iter().map(u32::to_string).collect();
            if !options.is_empty() {
                line += &format!(", choosing {}", options.join(" "));
            }
            lines.push(format!("{:>3}  {line}", lines.len() + 1));
        })?;
        Ok(lines)
    }

    /// Goes along a path: `each` gets the state before, the action with the options chosen, and the state after.
    fn go<W: Watch<M>>(
        &self,
        path: &Path,
        watch: &mut W,
        mut each: impl FnMut(Option<&State<M, H>>, Option<(&Action, Vec<u32>)>, &State<M, H>),
    ) -> Result<(), String> {
        let lost = |step: usize| format!("the path leads nowhere at step {step}");
        let mut script = Script::default();
        for _ in 0..path.first() {
            self.start(&mut script, &mut Silent);
            if !script.advance() {
                return Err(lost(0));
            }
        }
        let mut state = self.start(&mut script, watch);
        each(None, None, &state);
        for (step, way) in (1..).zip(path.ways()) {
            watch.action(step as u64);
            let (action, mut script) = self.way(&state, way).ok_or_else(|| lost(step))?;
            let next = self.perform(&state, action, &mut script, watch);
            each(Some(&state), Some((&action, script.options().collect())), &next);
            state = next;
        }
        Ok(())
    }

    /// An action, and the choices that lead to one of its outcomes.
    fn way(&self, state: &State<M, H>, way: Way) -> Option<(Action, Script)> {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        let action = *actions.get(way.action)?;
        let mut script = Script::default();
        for _ in 0..way.outcome {
            self.perform(state, action, &mut script, &mut Silent);
            if !script.advance() {
                return None;
            }
        }
        Some((action, script))
    }

    fn line(&self, state: &State<M, H>, action: Action) -> String {
        let (id, node) = (self.nodes[action.node], &state.nodes[action.node]);
        let message = |place: usize| {
            let envelope = &state.network[place];
            format!("{}→{} {}", envelope.from, envelope.to, words::short(&envelope.message))
        };
        match action.what {
            What::Deliver(place) if node.up() => format!("{} arrives", message(place)),
            What::Deliver(place) => format!("{} is LOST: {id} is down", message(place)),
            What::Drop(place) => format!("{} is LOST", message(place)),
            What::Duplicate(place) => format!("{} arrives, and is still under way", message(place)),
            What::Fire(place) => format!("{id} timer {}", words::short(&node.timers[place])),
            What::Sync(count) if count == node.unsynced.len() => {
                format!("{id} everything written is durable")
            }
            What::Sync(count) => format!("{id} {count} of {} writes are durable", node.unsynced.len()),
            What::Crash(kept) => match node.unsynced.len() - kept.min(node.unsynced.len()) {
                0 => format!("{id} CRASHES"),
                lost => format!("{id} CRASHES and loses {lost} of {} unsynced writes", node.unsynced.len()),
            },
            What::Wipe => format!("{id} CRASHES and its disk is lost"),
            What::Restart => format!("{id} restarts with {} writes", node.durable.len()),
            What::Command => {
                let asked = &self.commands[action.node][node.asked];
                format!("{id} command {} {}", asked.id.0, words::short(&asked.command))
            }
        }
    }
}
