//! Nodes that are interchangeable: states of a small world that differ in their names alone are one.
//!
//! Acceptors that are asked alike, participants with the same work: whatever can happen to the second after the first crashed can happen to the first after the second did. To rename such nodes, in
//! machines, messages, timers, writes and the memory, is an automorphism of the world, and of all states that it makes of one the explorer looks at one (Ip and Dill 1996). The state
//! that is looked at is the one that was found, so that paths are real runs; what stands for it in the set is the least of the fingerprints of all that it can be
//! renamed to, which is the same for each of them. How many those are is counted, so that a report says how many states there would have been.
//!
//! It is sound where nothing tells the nodes apart:
//! - they are asked nothing by clients, and the commands of others name all of them alike (checked);
//! - the world begins the same under other names (checked);
//! - they draw no entropy, which is different at each node (checked);
//! - a machine does not compare names but for equality, and does not let their order show in anything but the order of its sends on different links, of its events, and of the options of a
//!   choice; and properties say the same of states that differ in names (not checked while exploring: [`SmallWorld::check_symmetry`] holds renamed steps against steps of renamed states, and
//!   what properties say of both).
//!
//! What it costs: nodes, messages and the memory are hashed under all names when they change. What it saves is at most the number of permutations.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};

use synod_machine::{Machine, NodeId, Rename, SendId};

use super::super::{FastHasher, Model, Orbit, fingerprint};
use super::state::{Envelope, Held, Memory, Node, State};
use super::{Explorable, Remembers, SmallWorld};
use crate::stream::mix;

/// More ways to rename than that cost more than they save.
const PERMUTATIONS_MAX: usize = 120;

/// New names for all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permutation {
    /// By the node's place: the place of the node whose name it gets.
    to: Vec<usize>,
}

impl Permutation {
    fn name(&self, node: NodeId) -> NodeId {
        let place = usize::try_from(node.0.wrapping_sub(1)).ok().and_then(|place| self.to.get(place));
        place.map_or(node, |place| NodeId(*place as u64 + 1))
    }
}

type Renamed<T> = fn(&T, &dyn Fn(NodeId) -> NodeId) -> T;

/// How a world's nodes can be renamed.
pub(super) struct Symmetry<M: Machine, H> {
    groups: Vec<Vec<NodeId>>,
    /// The identity first.
    pub(super) permutations: Vec<Permutation>,
    node: Renamed<Node<M>>,
    message: Renamed<M::Message>,
    command: Renamed<M::Command>,
    memory: Renamed<H>,
}

impl<M: Explorable, H: Remembers> SmallWorld<M, H> {
    /// These nodes are interchangeable, beside those of other calls; see `crates/sim/src/explore/small_world/symmetry.rs` for what that asks of the machine and of the properties.
    /// The world's initial states are checked when it is explored.
    ///
    /// # Panics
    /// When one of them is no node of the world or in another group, or when there are more than 120 ways to rename.
    pub fn interchangeable(mut self, nodes: impl IntoIterator<Item = NodeId>) -> Self
    where
        M: Rename,
        H: Rename,
        M::Message: Rename,
        M::Timer: Rename,
        M::Command: Rename,
        M::Reply: Rename,
        M::Write: Rename,
    {
        let group: Vec<NodeId> = nodes.into_iter().collect();
        let mut symmetry = self.symmetry.take().unwrap_or_else(|| Symmetry {
            groups: Vec::new(),
            permutations: vec![Permutation { to: (0..self.nodes.len()).collect() }],
            node: Node::renamed,
            message: renamed,
            command: renamed,
            memory: renamed,
        });
        let places: Vec<usize> = group.iter().filter_map(|node| self.index(*node)).collect();
        assert_eq!(places.len(), group.len(), "expected nodes of the world, found {group:?}");
        assert!(
            symmetry.groups.iter().flatten().all(|node| !group.contains(node)),
            "expected groups without a common node, found {group:?} beside {:?}",
            symmetry.groups
        );
        symmetry.permute(&places);
        symmetry.groups.push(group);
        self.symmetry = Some(symmetry);
        self
    }

    /// Holds up to `states_max` states of this world, as they are found without the reduction, against what they are renamed to: a renamed state must lead where the
    /// state leads, renamed, and properties must say the same of both. The error says what differs, and where.
    ///
    /// # Errors
    /// When the nodes are not interchangeable.
    pub fn check_symmetry(&self, states_max: usize) -> Result<(), String> {
        let Some(symmetry) = &self.symmetry else { return Ok(()) };
        self.check_beginning(symmetry)?;
        let mut known = BTreeSet::new();
        let mut waiting: VecDeque<State<M, H>> = Model::initial(self).into();
        while let Some(state) = waiting.pop_front() {
            if !known.insert(state.fingerprint()) {
                continue;
            }
            let next = self.successors(&state);
            for number in 1..symmetry.permutations.len() {
                self.check_state(symmetry, number, &state, &next)?;
            }
            if known.len() >= states_max {
                return Ok(());
            }
            waiting.extend(next);
        }
        Ok(())
    }

    fn check_state(
        &self,
        symmetry: &Symmetry<M, H>,
        number: usize,
        state: &State<M, H>,
        next: &[State<M, H>],
    ) -> Result<(), String> {
        let names = &symmetry.permutations[number].to;
        let renamed = symmetry.state(self, state, number);
        let mut after: Vec<u64> = next.iter().map(|next| symmetry.hash(self, next, number)).collect();
        let mut before: Vec<u64> =
            self.successors(&renamed).iter().map(|next| symmetry.hash(self, next, 0)).collect();
        after.sort_unstable();
        before.sort_unstable();
        if after != before {
            let (after, before) = (after.len(), before.len());
            return Err(format!(
                "renamed by {names:?}, the {after} successors of a state are not the {before} of the renamed one"
            ));
        }
        for property in &self.properties {
            if property.says(self, state) != property.says(self, &renamed) {
                let name = property.name();
                return Err(format!(
                    "{name} holds of a state and not of the same renamed by {names:?}, or the reverse"
                ));
            }
        }
        Ok(())
    }

    fn successors(&self, state: &State<M, H>) -> Vec<State<M, H>> {
        let (mut actions, mut next) = (Vec::new(), Vec::new());
        Model::actions(self, state, &mut actions);
        actions.iter().for_each(|action| Model::apply(self, state, action, &mut next));
        next
    }

    /// Commands and initial states must be the same under all names.
    fn check_beginning(&self, symmetry: &Symmetry<M, H>) -> Result<(), String> {
        for (node, commands) in self.nodes.iter().zip(&self.commands) {
            if symmetry.renames(*node) && !commands.is_empty() {
                return Err(format!("{node} is asked something, so that it is not interchangeable"));
            }
            for asked in commands {
                let plain = fingerprint(&asked.command);
                let changed = symmetry.permutations.iter().any(|names| {
                    fingerprint(&(symmetry.command)(&asked.command, &|node| names.name(node))) != plain
                });
                if changed {
                    let command = &asked.command;
                    return Err(format!(
                        "{node} is asked {command:?}, which tells nodes apart that are interchangeable"
                    ));
                }
            }
        }
        let initial = Model::initial(self);
        let plain: Vec<u64> = initial.iter().map(|state| symmetry.hash(self, state, 0)).collect();
        for number in 0..symmetry.permutations.len() {
            let names = &symmetry.permutations[number].to;
            if initial.iter().any(|state| !plain.contains(&symmetry.hash(self, state, number))) {
                return Err(format!("the world does not begin the same with its nodes renamed by {names:?}"));
            }
        }
        Ok(())
    }

    /// # Panics
    /// When nodes that were said to be interchangeable are told apart from the beginning.
    pub(super) fn assert_begins_symmetric(&self) {
        if let Some(symmetry) = &self.symmetry
            && let Err(why) = self.check_beginning(symmetry)
        {
            panic!("expected a world in which {} are interchangeable, found: {why}", symmetry.said());
        }
    }

    /// A message under way, hashed under all names.
    pub(super) fn envelope(&self, id: SendId, from: NodeId, to: NodeId, message: M::Message) -> Envelope<M> {
        let mut envelope = Envelope::new(id, from, to, message);
        if let Some(symmetry) = &self.symmetry {
            envelope.renamed = symmetry.message_hashes(&envelope);
        }
        envelope
    }

    pub(super) fn orbit_of(&self, state: &State<M, H>) -> Orbit {
        let Some(symmetry) = &self.symmetry else {
            return Orbit { fingerprint: state.fingerprint(), states: 1 };
        };
        let all = symmetry.permutations.len();
        let (mut least, mut same) = (u64::MAX, 0);
        for number in 0..all {
            let hash = symmetry.hash(self, state, number);
            match hash.cmp(&least) {
                Ordering::Less => (least, same) = (hash, 1),
                Ordering::Equal => same += 1,
                Ordering::Greater => {}
            }
        }
        // As many permutations lead to each state of the orbit as leave this one as it is.
        Orbit { fingerprint: least, states: (all / same) as u32 }
    }
}

impl<M: Explorable, H: Remembers> Symmetry<M, H> {
    /// Every permutation so far, followed by every one of these places.
    fn permute(&mut self, places: &[usize]) {
        let mut all = self.permutations.clone();
        for (place, here) in places.iter().enumerate() {
            // All that take one of the places from here on to this one.
            for other in &places[place + 1..] {
                let turned = all.clone().into_iter().map(|mut names| {
                    names.to.swap(*here, *other);
                    names
                });
                let turned: Vec<Permutation> = turned.collect();
                self.permutations.extend(turned);
            }
            all.clone_from(&self.permutations);
        }
        assert!(
            self.permutations.len() <= PERMUTATIONS_MAX,
            "{} ways to rename nodes are more than {PERMUTATIONS_MAX}",
            self.permutations.len()
        );
    }

    /// In words.
    pub(super) fn said(&self) -> String {
        let group = |group: &Vec<NodeId>| {
            let names: Vec<String> = group.iter().map(NodeId::to_string).collect();
            names.join(" ")
        };
        let groups: Vec<String> = self.groups.iter().map(group).collect();
        groups.join("; ")
    }

    /// Whether that node is interchangeable with others.
    pub(super) fn renames(&self, node: NodeId) -> bool {
        self.groups.iter().flatten().any(|other| *other == node)
    }

    /// A node under each of the names.
    pub(super) fn node_hashes(&self, node: &Node<M>) -> Box<[u64]> {
        self.each(|names| (self.node)(node, names).hash)
    }

    pub(super) fn message_hashes(&self, envelope: &Envelope<M>) -> Box<[u64]> {
        let Envelope { from, to, message, .. } = envelope;
        self.each(|names| fingerprint(&(names(*from), names(*to), (self.message)(message, names))))
    }

    pub(super) fn memory_hashes(&self, memory: &H) -> Box<[u64]> {
        self.each(|names| fingerprint(&(self.memory)(memory, names)))
    }

    fn each(&self, hash: impl Fn(&dyn Fn(NodeId) -> NodeId) -> u64) -> Box<[u64]> {
        self.permutations.iter().map(|permutation| hash(&|node| permutation.name(node))).collect()
    }

    /// The hash of a state under the names of that number, from those of its parts.
    fn hash(&self, world: &SmallWorld<M, H>, state: &State<M, H>, number: usize) -> u64 {
        let permutation = &self.permutations[number];
        let mut nodes = [0; super::NODES_MAX];
        for (node, to) in state.nodes.iter().zip(&permutation.to) {
            nodes[*to] = node.renamed[number];
        }
        let mut hasher = FastHasher::default();
        nodes[..state.nodes.len()].iter().for_each(|node| hasher.write_u64(*node));
        // Links are added up in whatever order they come under these names; along a link the order counts if it is kept.
        let mut network = 0u64;
        for link in state.network.chunk_by(|a, b| (a.from, a.to) == (b.from, b.to)) {
            let mut chain = 0;
            for envelope in link {
                chain = if world.fifo {
                    mix(chain ^ envelope.renamed[number])
                } else {
                    mix(envelope.renamed[number])
                };
                if !world.fifo {
                    network = network.wrapping_add(chain);
                }
            }
            if world.fifo {
                network = network.wrapping_add(mix(chain));
            }
        }
        hasher.write_u64(state.network.len() as u64);
        hasher.write_u64(network);
        state.left.hash(&mut hasher);
        hasher.write_u64(state.memory.renamed[number]);
        hasher.write_u8(u8::from(state.panic.is_some()));
        hasher.finish()
    }

    /// The state itself under the names of that number.
    fn state(&self, world: &SmallWorld<M, H>, state: &State<M, H>, number: usize) -> State<M, H> {
        let permutation = &self.permutations[number];
        let names = |node: NodeId| permutation.name(node);
        let mut renamed = state.clone();
        for (node, to) in state.nodes.iter().zip(&permutation.to) {
            let mut node = (self.node)(node, &names);
            node.renamed = self.node_hashes(&node);
            renamed.nodes[*to] = node.into();
        }
        renamed.network.clear();
        for envelope in &state.network {
            let message = (self.message)(&envelope.message, &names);
            let (from, to) = (names(envelope.from), names(envelope.to));
            renamed.send(world.envelope(envelope.id, from, to, message), world.fifo);
        }
        renamed.memory = Memory::new((self.memory)(&state.memory.value, &names), Some(self)).into();
        renamed
    }
}

fn renamed<T: Clone + Rename>(value: &T, names: &dyn Fn(NodeId) -> NodeId) -> T {
    let mut value = value.clone();
    value.rename(names);
    value
}

impl<M: Machine> Rename for Held<M>
where
    M::Message: Rename,
    M::Reply: Rename,
{
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        match self {
            Held::Send { id: _, to, message } => {
                to.rename(names);
                message.rename(names);
            }
            Held::Reply { id: _, reply } => reply.rename(names),
        }
    }
}

impl<M: Explorable + Rename> Node<M>
where
    M::Message: Rename,
    M::Timer: Rename,
    M::Reply: Rename,
    M::Write: Rename,
{
    /// The node under other names; not yet hashed under all.
    fn renamed(&self, names: &dyn Fn(NodeId) -> NodeId) -> Self {
        let mut node = self.clone();
        node.machine.rename(names);
        node.timers.rename(names);
        node.timers.sort_unstable();
        node.durable.rename(names);
        node.unsynced.rename(names);
        node.held.rename(names);
        // Sends on different links that leave together leave in no order.
        node.held.sort_by_key(|(ticket, held)| match held {
            Held::Send { to, .. } => (*ticket, Some(*to)),
            Held::Reply { .. } => (*ticket, None),
        });
        node.seal();
        node
    }
}
