//! PRAM, causal memory and causal consistency of any object.

use super::certain::Certain;
use super::gathering::{Budget, Found, Member};
use super::setting::{Setting, Updates};
use crate::history::{Event, OperationId};
use crate::linearizability::Effort;
use crate::model::{Breach, Finding, Model, Step};
use crate::specification::Specification;

/// Decides PRAM: for each session one order of its operations and the others' updates.
pub(super) fn pram<S: Specification>(setting: &Setting<'_, S>, effort: Effort<'_>) -> Finding {
    match each_session(
        setting,
        effort,
        &vec![Vec::new(); setting.history.len()],
        "keeps the order of each session",
    ) {
        Ok(()) => Finding::Kept,
        Err(finding) => finding,
    }
}

/// Decides causal memory.
pub(super) fn causal_memory<S: Specification>(setting: &Setting<'_, S>, effort: Effort<'_>) -> Finding {
    let Err(reason) = Replay::new(setting, effort, true).run() else { return Finding::Kept };
    let mut certain = Certain::new(setting, Model::CausalMemory, effort);
    match certain.breach() {
        Ok(None) => {}
        Ok(Some(breach)) => return Finding::Broken(Box::new(breach)),
        Err(reason) => return Finding::Unknown { reason },
    }
    let proof =
        each_session(setting, effort, &certain.causes, "keeps the order of each session and of causes");
    match proof {
        Err(broken @ Finding::Broken(_)) => broken,
        _ => Finding::Unknown { reason },
    }
}

/// Decides causal consistency: each answer is right in some order of its causal past.
pub(super) fn causal<S: Specification>(setting: &Setting<'_, S>, effort: Effort<'_>) -> Finding {
    let Err(reason) = Replay::new(setting, effort, false).run() else { return Finding::Kept };
    match Certain::new(setting, Model::Causal, effort).breach() {
        Ok(None) => Finding::Unknown { reason },
        Ok(Some(breach)) => Finding::Broken(Box::new(breach)),
        Err(reason) => Finding::Unknown { reason },
    }
}

/// Looks for an order for each session; `causes` says which updates come before which besides their sessions'.
fn each_session<S: Specification>(
    setting: &Setting<'_, S>,
    effort: Effort<'_>,
    causes: &[Vec<usize>],
    what: &str,
) -> Result<(), Finding> {
    let mut budget = Budget::new(effort);
    let mut limit = None;
    for session in 0..setting.sessions.len() {
        let updates = view(setting, session, setting.sessions[session].as_slice(), |_| true, causes);
        match updates.gathering.search(setting.spec, setting.history, setting.spec.initial(), &mut budget) {
            Found::Order(..) => {}
            Found::Nothing { stuck, state } => {
                return Err(Finding::Broken(Box::new(unseen(setting, session, &stuck, &state, what))));
            }
            Found::Limit(reason) => limit = Some(reason),
        }
    }
    limit.map_or(Ok(()), |reason| Err(Finding::Unknown { reason }))
}

/// The question how a session saw the updates: its own operations `own`, whose answers have to be right, and of the others'
/// updates any.
fn view<S: Specification>(
    setting: &Setting<'_, S>,
    session: usize,
    own: &[usize],
    is_taken_in: impl Fn(usize) -> bool,
    causes: &[Vec<usize>],
) -> Updates {
    let operations = setting.history.operations();
    let is_own = |index: usize| setting.session_of[index] == session && operations[index].output().is_some();
    let mut updates = setting.updates(None, |index| !is_own(index) && is_taken_in(index));
    let gathering = &mut updates.gathering;
    for &index in own {
        updates.member_of.insert(index, gathering.members.len());
        gathering.chains[session].push(gathering.members.len());
        gathering.members.push(Member { index, is_visible: true, is_required: true, before: Vec::new() });
    }
    for (member, of, before) in &mut gathering.loose {
        if *of == session {
            let index = gathering.members[*member].index;
            *before = setting.position[index].min(own.len());
        }
    }
    updates.set_before(causes);
    // Only an order in which the only source came before can be right.
    for &index in own {
        let source = setting.source[index].and_then(|source| updates.member_of.get(&source).copied());
        let member = updates.member_of[&index];
        updates.gathering.members[member].before.extend(source);
    }
    updates
}

/// Operations that a witness names at most.
const WITNESS_MAX: usize = 12;

/// That no order explains what a session saw.
fn unseen<S: Specification>(
    setting: &Setting<'_, S>,
    session: usize,
    stuck: &[usize],
    state: &S::State,
    what: &str,
) -> Breach {
    let own = &setting.sessions[session];
    let client = setting.history.operations()[own[0]].client;
    let first = stuck.iter().copied().find(|index| own.contains(index)).unwrap_or(own[0]);
    let until = own.iter().position(|&index| index == first).map_or(0, |at| at + 1);
    let sentence = format!(
        "what {client} was answered up to {} fits no order of its operations and the others' updates that {what}",
        OperationId(first as u64)
    );
    let mut breach = setting.breach(sentence, own[until.saturating_sub(WITNESS_MAX)..until].iter().copied());
    let operation = &setting.history.operations()[first];
    if let Some(output) = operation.output() {
        let id = OperationId(first as u64);
        let text = match setting.spec.step(state, &operation.input, Some(output)) {
            Some(_) => format!("{id} can only come before something that has to come before it."),
            None => format!(
                "{id} cannot come where the furthest of them ends: where the state is {}, {}.",
                setting.spec.describe_state(state),
                setting.spec.objection(state, &operation.input, output)
            ),
        };
        breach.steps.push(Step { text, operations: vec![id] });
    }
    breach
}

/// A run of replicas that could have given the answers: each session has one, and takes in updates of the others, with all
/// that these had seen, only where its next answer asks for it.
struct Replay<'a, 'b, S: Specification> {
    setting: &'a Setting<'a, S>,
    budget: Budget<'b>,
    effort: Effort<'b>,
    /// Whether all answers of a session have to be right in each of its orders, or only the last.
    is_memory: bool,
    /// By session: by operation, whether it has been seen.
    seen: Vec<Vec<bool>>,
    /// By session: the state after what it has seen, in the order last found.
    states: Vec<S::State>,
    /// Operations that have taken effect, or may at any time.
    is_done: Vec<bool>,
    /// By update: what its session had seen, the last of each session.
    causes: Vec<Vec<usize>>,
}

impl<'a, 'b, S: Specification> Replay<'a, 'b, S> {
    fn new(setting: &'a Setting<'a, S>, effort: Effort<'b>, is_memory: bool) -> Self {
        let count = setting.history.len();
        Self {
            setting,
            budget: Budget::new(effort),
            effort,
            is_memory,
            seen: vec![vec![false; count]; setting.sessions.len()],
            states: vec![setting.spec.initial(); setting.sessions.len()],
            is_done: vec![false; count],
            causes: vec![Vec::new(); count],
        }
    }

    /// Whether the run goes through; if not, why.
    fn run(&mut self) -> Result<(), String> {
        let setting = self.setting;
        let mut is_waiting = vec![false; setting.history.len()];
        for event in setting.history.events() {
            let (Event::Invoked(index) | Event::Returned(index)) = *event;
            let session = setting.session_of[index];
            let operation = &setting.history.operations()[index];
            let is_answered = operation.output().is_some();
            match event {
                // What fits at once takes effect at once. What does not waits for others as long as it may.
                Event::Invoked(_) if is_answered => {
                    let state = &self.states[session];
                    let after = setting.spec.step(state, &operation.input, operation.output());
                    is_waiting[index] = after.is_none();
                    let Some(after) = after else { continue };
                    self.states[session] = after;
                }
                Event::Returned(_) if is_waiting[index] => self.answer(session, index)?,
                Event::Returned(_) => continue,
                Event::Invoked(_) => {}
            }
            if setting.is_update[index] {
                self.causes[index] = self.latest(session);
                self.seen[session][index] |= is_answered;
            }
            self.is_done[index] = true;
        }
        Ok(())
    }

    /// Lets a session give an answer, after it has taken in what it needs for that.
    fn answer(&mut self, session: usize, index: usize) -> Result<(), String> {
        let (spec, history) = (self.setting.spec, self.setting.history);
        let (seen, is_done) = (&self.seen[session], &self.is_done);
        let mut behind = self.setting.updates(None, |other| is_done[other] && !seen[other]);
        behind.set_before(&self.causes);
        behind.require(self.setting.source[index]);
        behind.aim(index);
        let mut little = Budget::new(Effort {
            limits: crate::linearizability::Limits {
                configurations_max: PLACES_BEHIND_MAX,
                ..self.effort.limits
            },
            ..self.effort
        });
        let state = self.states[session].clone();
        let mut found = behind.gathering.search(spec, history, state, &mut little);
        if !matches!(found, Found::Order(..)) {
            let again = match self.is_memory {
                true => self.whole_view(session, index),
                false => self.whole_past(session, index),
            };
            found = again.gathering.search(spec, history, spec.initial(), &mut self.budget);
        }
        match found {
            Found::Order(order, state) => {
                let is_update = |other: &usize| self.setting.is_update[*other] && *other != index;
                order.into_iter().filter(is_update).for_each(|other| self.seen[session][other] = true);
                self.states[session] = state;
                Ok(())
            }
            Found::Nothing { .. } => Err(format!(
                "no run of replicas was found that gives the answer of {}, and no proof that there is none",
                OperationId(index as u64)
            )),
            Found::Limit(limit) => Err(limit),
        }
    }

    /// What a session saw up to one of its operations, in any order.
    fn whole_view(&self, session: usize, index: usize) -> Updates {
        let own = &self.setting.sessions[session];
        let until = own.iter().position(|&other| other == index).map_or(0, |at| at + 1);
        let mut updates =
            view(self.setting, session, &own[..until], |other| self.is_done[other], &self.causes);
        updates.require(self.all_seen(session));
        // Whatever was seen, was seen before the answer.
        let member = updates.member_of[&index];
        let seen =
            self.all_seen(session).into_iter().filter_map(|other| updates.member_of.get(&other).copied());
        updates.gathering.members[member].before = seen.filter(|&other| other != member).collect();
        updates
    }

    /// The causal past of an operation, in any order.
    fn whole_past(&self, session: usize, index: usize) -> Updates {
        let mut updates = self.setting.updates(None, |other| self.is_done[other]);
        updates.set_before(&self.causes);
        updates.require(self.all_seen(session));
        updates.aim(index);
        updates
    }

    fn all_seen(&self, session: usize) -> Vec<usize> {
        (0..self.setting.history.len()).filter(|&index| self.seen[session][index]).collect()
    }

    /// Of what a session has seen, the last update of each session, and all that were never answered.
    fn latest(&self, session: usize) -> Vec<usize> {
        let seen = |index: &&usize| self.seen[session][**index];
        let last = self.setting.sessions.iter().filter_map(|others| others.iter().rev().find(seen).copied());
        let loose = self.setting.unanswered.iter().copied();
        last.chain(loose.filter(|&index| self.seen[session][index])).collect()
    }
}

/// How many places are visited before a session's past is put into another order than the one found last.
const PLACES_BEHIND_MAX: usize = 2_000;
