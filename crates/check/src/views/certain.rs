//! Proofs that a history breaks a model: what each answer has certainly seen, and an answer that is impossible after that.
//!
//! An update has certainly been seen by an answer if it is its only possible source, or if no set of updates without it makes
//! the answer right. What an answer has seen binds the session's later answers, and what others that see its updates have
//! seen, as the model says. Nothing is taken for certain that another choice of sets could avoid, so an answer that is
//! right after no set that holds all that is certain breaks the model.

use super::gathering::{Budget, Found};
use super::setting::{Setting, Updates};
use crate::history::OperationId;
use crate::linearizability::{Effort, Limits};
use crate::model::{Breach, Model, Step};
use crate::specification::Specification;

/// What is known for certain.
pub(super) struct Certain<'a, 'b, S: Specification> {
    setting: &'a Setting<'a, S>,
    model: Model,
    effort: Effort<'b>,
    budget: Budget<'b>,
    /// By session: updates that its answers so far have seen.
    seen: Vec<Vec<usize>>,
    /// By update: updates that come before it wherever it is seen, besides its session's.
    pub causes: Vec<Vec<usize>>,
}

/// How many updates of one answer are tried out, and the places that each may cost.
const TRIED_MAX: usize = 16;
const TRIAL_PLACES_MAX: usize = 2_000;
/// Operations that a witness names at most.
const WITNESS_MAX: usize = 12;

impl<'a, 'b, S: Specification> Certain<'a, 'b, S> {
    pub fn new(setting: &'a Setting<'a, S>, model: Model, effort: Effort<'b>) -> Self {
        let mut certain = Self {
            setting,
            model,
            effort,
            budget: Budget::new(effort),
            seen: vec![Vec::new(); setting.sessions.len()],
            causes: vec![Vec::new(); setting.history.len()],
        };
        if certain.has_causes() {
            for update in setting.in_turn().filter(|&index| setting.is_update[index]) {
                let own = (!certain.may_skip()).then_some(update);
                let answers = setting.session_before(update).iter().copied().chain(own);
                certain.causes[update] = answers.filter_map(|each| setting.source[each]).collect();
            }
        }
        certain
    }

    /// An answer that is impossible, if one is found; else nothing, or the limit that was reached.
    pub fn breach(&mut self) -> Result<Option<Breach>, String> {
        let setting = self.setting;
        for index in setting.in_turn() {
            let session = setting.session_of[index];
            let follows = self.seen[session].clone();
            if setting.history.operations()[index].output().is_some() {
                if let Some(breach) = self.look_at(index)? {
                    return Ok(Some(breach));
                }
                self.seen[session].sort_unstable();
                self.seen[session].dedup();
            }
            if setting.is_update[index] && self.has_causes() {
                let seen = if self.may_skip() { &follows } else { &self.seen[session] };
                self.causes[index].extend(seen.iter().filter(|&&other| other != index));
                self.causes[index].sort_unstable();
                self.causes[index].dedup();
            }
        }
        Ok(None)
    }

    /// Whether what the makers of updates had seen counts.
    fn has_causes(&self) -> bool {
        matches!(self.model, Model::WritesFollowReads | Model::Causal | Model::CausalMemory)
    }

    /// Whether the sets may lack what a session did before.
    fn may_skip(&self) -> bool {
        matches!(self.model, Model::ReadYourWrites | Model::MonotonicReads | Model::WritesFollowReads)
    }

    /// What is certain of the set of an answer, before the answer itself is looked at.
    fn bound(&self, index: usize) -> Vec<usize> {
        let setting = self.setting;
        let seen = self.seen[setting.session_of[index]].iter().copied().chain(setting.source[index]);
        match self.model {
            Model::ReadYourWrites => setting.own_before(index).collect(),
            Model::MonotonicReads => seen.collect(),
            Model::MonotonicWrites => seen.flat_map(|update| setting.own_before(update)).collect(),
            Model::WritesFollowReads => seen.flat_map(|update| &self.causes[update]).copied().collect(),
            _ => seen.chain(setting.own_before(index)).collect(),
        }
    }

    fn look_at(&mut self, index: usize) -> Result<Option<Breach>, String> {
        let setting = self.setting;
        let session = setting.session_of[index];
        let bound = self.bound(index);
        let updates = self.question(index, &bound, None);
        let order = match self.search(&updates) {
            Found::Order(order, _) => order,
            Found::Nothing { state, .. } => {
                let past: Vec<usize> = updates.required().collect();
                return Ok(Some(self.unexplained(index, &past, &state)));
            }
            Found::Limit(limit) => return Err(limit),
        };
        self.seen[session].extend(setting.source[index]);
        let open = order.into_iter().filter(|other| *other != index && !bound.contains(other));
        for other in open.take(TRIED_MAX).collect::<Vec<_>>() {
            let without = self.question(index, &bound, Some(other));
            let mut little = Budget::new(Effort {
                limits: Limits { configurations_max: TRIAL_PLACES_MAX, ..self.effort.limits },
                ..self.effort
            });
            let initial = setting.spec.initial();
            let found = without.gathering.search(setting.spec, setting.history, initial, &mut little);
            if let Found::Nothing { .. } = found {
                self.seen[session].push(other);
            }
        }
        Ok(None)
    }

    fn search(&mut self, updates: &Updates) -> Found<S::State> {
        let setting = self.setting;
        updates.gathering.search(setting.spec, setting.history, setting.spec.initial(), &mut self.budget)
    }

    /// The question for a set that holds `bound`, and not `without`, after which an answer is right.
    fn question(&self, index: usize, bound: &[usize], without: Option<usize>) -> Updates {
        let setting = self.setting;
        let is_later = |other: usize, than: usize| {
            setting.session_of[other] == setting.session_of[than]
                && setting.position[other] > setting.position[than]
        };
        let is_left_out = |other: usize| {
            without.is_some_and(|without| other == without || (!self.may_skip() && is_later(other, without)))
        };
        let is_causal = matches!(self.model, Model::Causal | Model::CausalMemory);
        let part = setting.part_for(self.model, index);
        let mut updates = setting.updates(part, |other| {
            other != index && !is_left_out(other) && !(is_causal && is_later(other, index))
        });
        updates.gathering.may_skip = self.may_skip();
        updates.set_before(&self.causes);
        updates.require(bound.iter().copied());
        updates.aim(index);
        updates
    }

    /// That an answer is right after no set of updates that holds these, in no order.
    fn unexplained(&self, index: usize, past: &[usize], state: &S::State) -> Breach {
        let setting = self.setting;
        let id = |index: usize| OperationId(index as u64);
        let shown: Vec<usize> = past.iter().copied().take(WITNESS_MAX).collect();
        let sentence = match past {
            [] => format!("what {} was answered is right after no updates, in no order of them", id(index)),
            _ => format!(
                "what {} was answered is right after no updates among which are {}, in no order of them",
                id(index),
                what(self.model)
            ),
        };
        let mut breach = setting.breach(sentence, shown.iter().copied().chain([index]));
        let operation = &setting.history.operations()[index];
        let Some(output) = operation.output() else { return breach };
        let mut operations: Vec<OperationId> = shown.iter().map(|&each| id(each)).collect();
        let names: Vec<String> = operations.iter().map(ToString::to_string).collect();
        if !past.is_empty() {
            let more = match past.len() - shown.len() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let text = format!("Among them have to be {}{more}.", names.join(", "));
            breach.steps.push(Step { text, operations: operations.clone() });
        }
        operations.push(id(index));
        let objection = setting.spec.objection(state, &operation.input, output);
        let text = format!("Where the state is {}, {objection}.", setting.spec.describe_state(state));
        breach.steps.push(Step { text, operations });
        breach
    }
}

/// The updates that have to be in the set, in words.
fn what(model: Model) -> &'static str {
    match model {
        Model::ReadYourWrites => "those that its session made before",
        Model::MonotonicReads => "those that its session has certainly seen",
        Model::MonotonicWrites => {
            "those made before, by the same sessions, than what its session has certainly seen"
        }
        Model::WritesFollowReads => "those that what its session has certainly seen follows",
        _ => "those of its causal past",
    }
}
