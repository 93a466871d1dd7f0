//! What can happen in a state of a small world.

use super::super::{End, Footprint, fingerprint};
use super::{Budgets, Explorable, Remembers, SmallWorld, State};

/// Something that can happen. Places count in the order of the state it was listed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// The node that it happens to, by its place.
    pub node: usize,
    /// What.
    pub what: What,
}

/// What can happen to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The message at that place arrives. At a node that is down it is lost.
    Deliver(usize),
    /// The message at that place is lost.
    Drop(usize),
    /// A copy of the message at that place arrives; the message is still under way.
    Duplicate(usize),
    /// The armed timer at that place fires.
    Fire(usize),
    /// The oldest writes, so many, become durable.
    Sync(usize),
    /// The node loses its memory, and of the writes that were not durable all but the oldest, so many.
    Crash(usize),
    /// The node loses its memory and its disk.
    Wipe,
    /// The node starts again.
    Restart,
    /// The next of its clients' commands reaches it.
    Command,
}

// Bits of footprints; those of nodes come first.
const LOSSES: u32 = 16;
const DUPLICATES: u32 = 17;
const TIMEOUTS: u32 = 18;
const CRASHES: u32 = 19;
const WIPES: u32 = 20;
/// The memory of observations, in which their order may show.
pub(super) const MEMORY: u32 = 21;

impl<M: Explorable, H: Remembers> SmallWorld<M, H> {
    pub(super) fn list(&self, state: &State<M, H>, actions: &mut Vec<Action>) {
        if state.panic.is_some() || !self.inside(state) {
            return;
        }
        self.list_messages(state, actions);
        for node in 0..self.nodes.len() {
            self.list_node(state, node, actions);
        }
        if state.left.timeouts > 0 && (!self.timers_wait || self.quiet(state)) {
            for (node, of) in state.nodes.iter().enumerate() {
                actions.extend((0..of.timers.len()).map(|place| Action { node, what: What::Fire(place) }));
            }
        }
    }

    /// Whether nothing more needs to happen. A run may end without the crashes, losses and duplicates that it could still have seen.
    pub(super) fn ended(&self, state: &State<M, H>, actions: &[Action]) -> End {
        let needed = |action: &Action| match action.what {
            What::Deliver(_) => state.nodes[action.node].up(),
            What::Fire(_) | What::Sync(_) | What::Restart | What::Command => true,
            What::Drop(_) | What::Duplicate(_) | What::Crash(_) | What::Wipe => false,
        };
        if !self.inside(state) {
            return End::Cut;
        }
        if actions.iter().any(needed) {
            return End::Open;
        }
        // With a budget from the beginning that is used up now, a timer would still fire in a longer run.
        let armed = state.nodes.iter().any(|node| !node.timers.is_empty());
        if armed && self.budgets.timeouts > 0 && state.left.timeouts == 0 { End::Cut } else { End::Over }
    }

    fn inside(&self, state: &State<M, H>) -> bool {
        self.within.as_ref().is_none_or(|within| within(&self.view(state)))
    }

    fn list_messages(&self, state: &State<M, H>, actions: &mut Vec<Action>) {
        for (place, envelope) in state.network.iter().enumerate() {
            if let Some(before) = place.checked_sub(1).map(|before| &state.network[before]) {
                let same_link = (before.from, before.to) == (envelope.from, envelope.to);
                // In a queue only the first can move; of equal messages it does not matter which one does.
                if same_link && (self.fifo || before.hash == envelope.hash) {
                    continue;
                }
            }
            let node = self.index(envelope.to).expect("what goes to no node is not put under way");
            actions.push(Action { node, what: What::Deliver(place) });
            let up = state.nodes[node].up();
            if up && state.left.duplicates > 0 {
                actions.push(Action { node, what: What::Duplicate(place) });
            }
            if up && state.left.losses > 0 {
                actions.push(Action { node, what: What::Drop(place) });
            }
        }
    }

    fn list_node(&self, state: &State<M, H>, node: usize, actions: &mut Vec<Action>) {
        let (of, left) = (&state.nodes[node], &state.left);
        let mut add = |what| actions.push(Action { node, what });
        if !of.up() {
            if left.restarts > 0 {
                add(What::Restart);
            }
            return;
        }
        if self.commands[node].get(of.asked).is_some_and(|next| of.answered || !next.waits) {
            add(What::Command);
        }
        (1..=of.unsynced.len()).for_each(|count| add(What::Sync(count)));
        if left.crashes > 0 {
            // What survives does not matter to a node that never comes back.
            let most = if left.restarts > 0 { of.unsynced.len() } else { 0 };
            (0..=most).for_each(|kept| add(What::Crash(kept)));
        }
        if left.wipes > 0 {
            add(What::Wipe);
        }
    }

    /// What an action touches: its node, and what it uses up. Two nodes meet only in messages, of which the order of sends does not matter to what is under way.
    pub(super) fn footprint_of(&self, state: &State<M, H>, action: Action) -> Footprint {
        let Action { node, what } = action;
        let left = &state.left;
        let budget = |left: u32, bit: u32| if left == Budgets::UNLIMITED { 0 } else { 1 << bit };
        let message = |place: usize| state.network[place].hash;
        let timer = |place: usize| fingerprint(&state.nodes[node].timers[place]);
        let (kind, key, uses) = match what {
            What::Deliver(place) => (0u8, message(place), 0),
            What::Drop(place) => (1, message(place), budget(left.losses, LOSSES)),
            What::Duplicate(place) => (2, message(place), budget(left.duplicates, DUPLICATES)),
            // Whether a timer that waits can fire depends on everything.
            What::Fire(place) if self.timers_wait => (3, timer(place), Footprint::EVERYTHING),
            What::Fire(place) => (3, timer(place), budget(left.timeouts, TIMEOUTS)),
            What::Sync(count) => (4, count as u64, 0),
            What::Crash(kept) => (5, kept as u64, budget(left.crashes, CRASHES)),
            What::Wipe => (6, 0, budget(left.wipes, WIPES)),
            // Without restarts left, messages to nodes that are down are gone, and crashes leave nothing.
            What::Restart => (7, 0, Footprint::EVERYTHING),
            What::Command => (8, 0, 0),
        };
        Footprint { identity: fingerprint(&(node, kind, key)), touches: uses | 1 << node }
    }

    /// Whether nothing is under way that a timeout would have to be longer than.
    fn quiet(&self, state: &State<M, H>) -> bool {
        let arrives = state
            .network
            .iter()
            .any(|envelope| self.index(envelope.to).is_some_and(|place| state.nodes[place].up()));
        !arrives && state.nodes.iter().all(|node| node.unsynced.is_empty())
    }
}
