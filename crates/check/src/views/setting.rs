//! A history as the searches of this module see it: sessions, updates, and which answers prove who came before.

use std::collections::BTreeMap;

use super::gathering::{Gathering, Member};
use crate::history::{Event, History, OperationId};
use crate::model::{Breach, Model};
use crate::specification::{Effect, Specification};
use crate::verdict::OperationSummary;

/// A history, taken apart.
pub(super) struct Setting<'a, S: Specification> {
    pub spec: &'a S,
    pub history: &'a History<S::Input, S::Output>,
    /// The answered operations of each session, in its order.
    pub sessions: Vec<Vec<usize>>,
    /// Updates that were never answered.
    pub unanswered: Vec<usize>,
    /// By operation: its session.
    pub session_of: Vec<usize>,
    /// By operation: how many answered operations of its session come before.
    pub position: Vec<usize>,
    /// By operation: how many operations were invoked before.
    pub turn: Vec<usize>,
    /// By operation: whether it may change the state, whatever it is answered.
    pub is_update: Vec<bool>,
    /// By operation: the only update that can have made its answer right.
    pub source: Vec<Option<usize>>,
    /// An operation whose answer no update can have made right.
    pub without_source: Option<usize>,
    /// By operation: the part of the object that it concerns; one for all if some operation concerns several.
    pub part: Vec<usize>,
    /// All answered operations, in the order of their invocations.
    pub answered: Vec<usize>,
}

/// Histories with more pairs of an answer and an update than this are judged without the proofs that sources are.
const PAIRS_MAX: usize = 100_000_000;

impl<'a, S: Specification> Setting<'a, S> {
    pub fn new(spec: &'a S, history: &'a History<S::Input, S::Output>) -> Self {
        let operations = history.operations();
        let mut numbers = BTreeMap::new();
        let mut setting = Self {
            spec,
            history,
            sessions: Vec::new(),
            unanswered: Vec::new(),
            session_of: vec![0; operations.len()],
            position: vec![0; operations.len()],
            turn: vec![0; operations.len()],
            is_update: operations
                .iter()
                .map(|each| spec.effect(&each.input, None) != Effect::ReadOnly)
                .collect(),
            source: vec![None; operations.len()],
            without_source: None,
            part: parts(spec, history),
            answered: Vec::new(),
        };
        let invoked = history.events().iter().filter_map(|event| match *event {
            Event::Invoked(index) => Some(index),
            Event::Returned(_) => None,
        });
        for (turn, index) in invoked.enumerate() {
            setting.turn[index] = turn;
            let session = *numbers.entry(operations[index].client).or_insert_with(|| {
                setting.sessions.push(Vec::new());
                setting.sessions.len() - 1
            });
            setting.session_of[index] = session;
            setting.position[index] = setting.sessions[session].len();
            if operations[index].output().is_some() {
                setting.sessions[session].push(index);
                setting.answered.push(index);
            } else if setting.is_update[index] {
                setting.unanswered.push(index);
            }
        }
        setting.find_sources();
        setting
    }

    fn find_sources(&mut self) {
        let operations = self.history.operations();
        let updates: Vec<usize> = (0..operations.len()).filter(|&index| self.is_update[index]).collect();
        if self.answered.len().saturating_mul(updates.len()) > PAIRS_MAX {
            return;
        }
        for &index in &self.answered {
            let operation = &operations[index];
            let Some(output) = operation.output() else { continue };
            let is_source =
                |other: usize| self.spec.is_source(&operations[other].input, &operation.input, output);
            let Some(_) = is_source(index) else { continue };
            let mut candidates =
                updates.iter().copied().filter(|&other| other != index && is_source(other) == Some(true));
            match (candidates.next(), candidates.next()) {
                (None, _) => self.without_source = self.without_source.or(Some(index)),
                (only, None) => self.source[index] = only,
                _ => {}
            }
        }
    }

    /// The updates of all sessions as a question. `before` says for each update which others it needs; those of other
    /// parts than `part`, if one is given, are left out.
    pub fn updates(&self, part: Option<usize>, is_taken_in: impl Fn(usize) -> bool) -> Updates {
        let mut gathering = Gathering::default();
        let mut member_of = BTreeMap::new();
        let mut counts = Vec::new();
        let fits = |index: usize| {
            self.is_update[index] && part.is_none_or(|part| self.part[index] == part) && is_taken_in(index)
        };
        for session in &self.sessions {
            let mut chain = Vec::new();
            let mut count = Vec::with_capacity(session.len() + 1);
            for &index in session {
                count.push(chain.len());
                if fits(index) {
                    member_of.insert(index, gathering.members.len());
                    chain.push(gathering.members.len());
                    gathering.members.push(Member::hidden(index));
                }
            }
            count.push(chain.len());
            counts.push(count);
            gathering.chains.push(chain);
        }
        for &index in &self.unanswered {
            if fits(index) {
                let session = self.session_of[index];
                member_of.insert(index, gathering.members.len());
                gathering.loose.push((
                    gathering.members.len(),
                    session,
                    counts[session][self.position[index]],
                ));
                gathering.members.push(Member::hidden(index));
            }
        }
        Updates { gathering, member_of }
    }

    /// All operations that count, in the order of their invocations.
    pub fn in_turn(&self) -> impl Iterator<Item = usize> + use<S> {
        let mut order: Vec<usize> = self.answered.iter().chain(&self.unanswered).copied().collect();
        order.sort_by_key(|&index| self.turn[index]);
        order.into_iter()
    }

    /// The part of the object that alone makes a difference to an answer, where a model asks about sets that need not be
    /// closed.
    pub fn part_for(&self, model: Model, index: usize) -> Option<usize> {
        matches!(model, Model::ReadYourWrites | Model::MonotonicReads).then(|| self.part[index])
    }

    /// The answered operations of an operation's session before it.
    pub fn session_before(&self, index: usize) -> &[usize] {
        &self.sessions[self.session_of[index]][..self.position[index]]
    }

    /// The answered updates of an operation's session before it.
    pub fn own_before(&self, index: usize) -> impl Iterator<Item = usize> {
        self.session_before(index).iter().copied().filter(|&other| self.is_update[other])
    }

    pub fn describe(&self, index: usize) -> OperationSummary {
        let operation = &self.history.operations()[index];
        let id = OperationId(index as u64);
        let what = self.spec.describe_operation(&operation.input, operation.output());
        OperationSummary { id, text: format!("{id} {what} of {}", operation.client) }
    }

    /// A breach with these operations as its witness.
    pub fn breach(&self, sentence: String, witness: impl IntoIterator<Item = usize>) -> Breach {
        let mut indices: Vec<usize> = witness.into_iter().collect();
        indices.sort_unstable();
        indices.dedup();
        let witness = indices.into_iter().map(|index| self.describe(index)).collect();
        Breach { anomaly: None, sentence, witness, steps: Vec::new() }
    }
}

/// Updates as members of a question, and where each stands.
pub(super) struct Updates {
    pub gathering: Gathering,
    pub member_of: BTreeMap<usize, usize>,
}

impl Updates {
    /// Asks for these operations, as far as they are members.
    pub fn require(&mut self, indices: impl IntoIterator<Item = usize>) {
        for index in indices {
            if let Some(&member) = self.member_of.get(&index) {
                self.gathering.members[member].is_required = true;
            }
        }
    }

    /// Says what has to come before what, by operation; what is no member is taken for granted.
    pub fn set_before(&mut self, before: &[Vec<usize>]) {
        for member in &mut self.gathering.members {
            let members = before[member.index].iter().filter_map(|other| self.member_of.get(other).copied());
            member.before = members.collect();
        }
    }

    /// The operations that are asked for.
    pub fn required(&self) -> impl Iterator<Item = usize> {
        let required = |member: &&Member| member.is_required && !member.is_visible;
        self.gathering.members.iter().filter(required).map(|member| member.index)
    }

    /// Adds an operation whose answer has to be right where everything that is required has been taken.
    pub fn aim(&mut self, target: usize) {
        let required = |member: &usize| self.gathering.members[*member].is_required;
        let before = (0..self.gathering.members.len()).filter(required).collect();
        let member = Member { index: target, is_visible: true, is_required: true, before };
        self.gathering.chains.push(vec![self.gathering.members.len()]);
        self.gathering.members.push(member);
    }
}

impl Member {
    fn hidden(index: usize) -> Self {
        Self { index, is_visible: false, is_required: false, before: Vec::new() }
    }
}

/// By operation: the number of the part of the object that it concerns; one for all if some operation concerns several.
fn parts<S: Specification>(spec: &S, history: &History<S::Input, S::Output>) -> Vec<usize> {
    let mut numbers = BTreeMap::new();
    let mut parts = Vec::with_capacity(history.len());
    for operation in history.operations() {
        let Some(part) = spec.partition(&operation.input) else { return vec![0; history.len()] };
        let count = numbers.len();
        parts.push(*numbers.entry(part).or_insert(count));
    }
    parts
}
