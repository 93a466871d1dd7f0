//! What this crate says of a history.

use std::num::NonZeroUsize;

use synod_check::linearizability::{Effort, check, check_with};
use synod_check::model::Judgement;
use synod_check::read_write::{self, Trace};
use synod_check::specification::{CasRegister, Entry, Keyed};
use synod_check::transactions;
use synod_check::verdict::Verdict;

use super::rows::Generated;

/// A register as all checkers are told of it.
pub const REGISTER: CasRegister<u64> = CasRegister { initial: 0 };

/// A store as all checkers are told of it: where nothing was written there is an empty text.
pub fn store() -> Keyed<Entry, u64> {
    Keyed::new(Entry { initial: Some("".into()) })
}

/// Whether the history keeps its model, or nothing if that was not found out: with one thread, or with all cores where it
/// has independent parts.
pub fn judge(history: &Generated) -> Option<bool> {
    match history {
        Generated::Register(history) => decided(&check(&REGISTER, history)),
        Generated::KeyValue(history) => {
            let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            decided(&check_with(&store(), history, Effort { threads, ..Effort::default() }))
        }
        Generated::Replicated(history, model) => {
            let trace = Trace::of_keyed(history, &0).expect("reads return values");
            judged(&read_write::check(*model, &trace, Effort::default()))
        }
        Generated::Transactions(history, model) => {
            let effort = transactions::Effort { steps_max: u64::MAX, time: None };
            judged(&transactions::check(history, *model, effort))
        }
    }
}

fn decided(verdict: &Verdict) -> Option<bool> {
    (verdict.is_linearizable() || verdict.is_violation()).then(|| verdict.is_linearizable())
}

fn judged(judgement: &Judgement) -> Option<bool> {
    (judgement.is_kept() || judgement.is_broken()).then(|| judgement.is_kept())
}
