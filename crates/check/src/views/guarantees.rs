//! The four session guarantees for any object.
//!
//! Each answer is right after some set of updates, in an order that keeps the order of each session; what these updates
//! themselves were answered does not count. The guarantees say which updates that set has to hold:
//!
//! - **Read your writes**: those that the session made before.
//! - **Monotonic reads**: those that the session's earlier answers were given after.
//! - **Monotonic writes**: those that the same sessions had made before the updates that it, or an earlier answer of the
//!   session, was given after.
//! - **Writes follow reads**: those that the makers of these updates had been given answers after when they made them; and
//!   what an update follows in that way comes before it.
//!
//! The sets may hold updates that were made later: of when updates were made these guarantees say nothing. That is how the
//! guarantees are defined for reads and writes in [`crate::read_write`] as well, but that there an older write of the *same*
//! key counts for monotonic reads alone.

use super::certain::Certain;
use super::gathering::{Budget, Found};
use super::setting::{Setting, Updates};
use crate::linearizability::Effort;
use crate::model::{Finding, Model};
use crate::specification::Specification;

/// Decides one of the four.
pub(super) fn decide<S: Specification>(
    setting: &Setting<'_, S>,
    model: Model,
    effort: Effort<'_>,
) -> Finding {
    let mut sessions = Sessions {
        setting,
        model,
        budget: Budget::new(effort),
        bound: vec![Vec::new(); setting.sessions.len()],
        seen: vec![Vec::new(); setting.sessions.len()],
        follows: vec![Vec::new(); setting.history.len()],
    };
    let Err(reason) = sessions.witness() else { return Finding::Kept };
    match Certain::new(setting, model, effort).breach() {
        Ok(None) => Finding::Unknown { reason },
        Ok(Some(breach)) => Finding::Broken(Box::new(breach)),
        Err(reason) => Finding::Unknown { reason },
    }
}

/// The sets that are chosen, one answer after the other.
struct Sessions<'a, 'b, S: Specification> {
    setting: &'a Setting<'a, S>,
    model: Model,
    budget: Budget<'b>,
    /// By session: what the set of its next answer has to hold.
    bound: Vec<Vec<usize>>,
    /// By session: all that was in the sets of its answers.
    seen: Vec<Vec<usize>>,
    /// By update: what it follows, by the sets chosen in the round before.
    follows: Vec<Vec<usize>>,
}

impl<S: Specification> Sessions<'_, '_, S> {
    /// Chooses a set for each answer, as small as may be; if that fails, why.
    fn witness(&mut self) -> Result<(), String> {
        if self.model != Model::WritesFollowReads {
            return self.choose_all().map(|_| ());
        }
        // What an update follows is known once its session's earlier sets are chosen, and they may hold updates that were made
        // later. So all is chosen again until it agrees with what it was chosen for.
        for _ in 0..ROUNDS_MAX {
            self.bound.iter_mut().chain(&mut self.seen).for_each(Vec::clear);
            let follows = self.choose_all()?;
            if follows == self.follows {
                return Ok(());
            }
            self.follows = follows;
        }
        Err("no sets of updates were found that agree with each other, and no proof that there are none"
            .to_owned())
    }

    /// Chooses a set for each answer, by what updates follow according to `self.follows`; and what they follow by these sets.
    fn choose_all(&mut self) -> Result<Vec<Vec<usize>>, String> {
        let setting = self.setting;
        let mut follows = vec![Vec::new(); setting.history.len()];
        for index in setting.in_turn() {
            let session = setting.session_of[index];
            if self.model == Model::WritesFollowReads && setting.is_update[index] {
                follows[index] = self.seen[session].clone();
            }
            if setting.history.operations()[index].output().is_none() {
                continue;
            }
            let bound = match self.model {
                Model::ReadYourWrites => setting.own_before(index).collect(),
                _ => self.bound[session].clone(),
            };
            let updates = self.question(index, &bound);
            let initial = setting.spec.initial();
            match updates.gathering.search(setting.spec, setting.history, initial, &mut self.budget) {
                Found::Order(order, _) => self.choose(session, index, &order),
                Found::Nothing { .. } => {
                    return Err(format!(
                        "no sets of updates were found that the answers up to #{index} could have been given after, and no \
                         proof that there are none"
                    ));
                }
                Found::Limit(limit) => return Err(limit),
            }
        }
        Ok(follows)
    }

    /// Keeps what a set binds later ones to.
    fn choose(&mut self, session: usize, index: usize, order: &[usize]) {
        let setting = self.setting;
        let set = order.iter().copied().filter(|&other| other != index);
        match self.model {
            Model::ReadYourWrites => {}
            Model::MonotonicReads => self.bound[session].extend(set),
            Model::MonotonicWrites => {
                let set: Vec<usize> = set.collect();
                self.bound[session].extend(set.iter().flat_map(|&other| setting.own_before(other)));
            }
            _ => {
                let set: Vec<usize> = set.collect();
                self.bound[session].extend(set.iter().flat_map(|&other| &self.follows[other]));
                self.seen[session].extend(&set);
                self.seen[session].sort_unstable();
                self.seen[session].dedup();
            }
        }
        self.bound[session].sort_unstable();
        self.bound[session].dedup();
    }

    /// The question for a set that holds `bound`, after which an answer is right.
    fn question(&self, index: usize, bound: &[usize]) -> Updates {
        let part = self.setting.part_for(self.model, index);
        let mut updates = self.setting.updates(part, |other| other != index);
        updates.gathering.may_skip = self.model != Model::MonotonicWrites;
        if self.model == Model::WritesFollowReads {
            updates.set_before(&self.follows);
        }
        updates.require(bound.iter().copied());
        updates.aim(index);
        updates
    }
}

/// How often sets that depend on each other are chosen again.
const ROUNDS_MAX: usize = 8;
