//! Was what the clients saw in one window possible, and was every promise kept.
//!
//! At the end of a window the cluster is whole, every client has stopped, and one last write was acknowledged at revision R.
//! What each member then tells as the history from the window's base to R is taken for the truth, once it has been shown to
//! be in order and the same on all members; everything that clients saw is held against it. The state at R, replayed, is
//! the base of the next window: so a write of an earlier window that is lost later is missed too.
//!
//! # Operations without an answer
//! They may still take effect in a later window, so they are carried over. The history settles most of them: every value is
//! put once only, so an operation whose value does not appear has not taken effect, and one whose value does needs no
//! carrying any more. Of deletions and expiries, those stay in question that fit a deletion that nobody was
//! answered to have made. What has not taken effect for [`CARRIED_MAX`] is not carried further: a member gives a request up after seconds, so a
//! change that comes later is one that nobody asked for, and is found as such. (An expiry comes when its lease ends, and is carried until then.)
//!
//! # Why windows end in peace
//! A window of the simulator ends in the middle of the load (`synod_check::etcd::Windows`), since there one sees when each change is decided. Of real members
//! that cannot be seen: of an operation without an answer only what the members tell later says whether it took effect. So the load stops, all members catch up,
//! and the history that they tell is whole: a quiet point, at which nothing is open but what is carried. What a run holds does not grow with its length.

use std::collections::BTreeSet;
use std::time::Duration;

use synod_check::etcd::{
    AcknowledgedWrite, Change, LeaseRun, StoreHistory, acknowledged_writes, acknowledged_writes_survive,
    leased_keys_go_at_once, leases_never_expire_early, revisions_are_dense, watch_misses_nothing,
};
use synod_check::history::{History, Operation};
use synod_check::linearizability::{Limits, check_within};
use synod_check::specification::KeyValue;
use synod_check::specification::key_value::{Answer, Blob, Request};

use super::journal::Window;
use super::leasing::lease_of;
use super::replay::{Replay, wrong_old_read, wrong_previous};
use super::watching::Seen;

/// An operation that was asked of the keys.
pub type Asked = Operation<Request, Answer>;

/// By how much the clocks of the members may run fast over the life of a lease. All of them are this machine's.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(5);

/// So long an operation without an answer is carried at least: a member gives up after seconds, and may have been paused for a window meanwhile.
pub const CARRIED_MAX: Duration = Duration::from_secs(120);

/// Everything that is known about a window.
#[derive(Debug)]
pub struct Testimony {
    /// The state that the window began with.
    pub base: Replay,
    /// The revision that it ended with.
    pub until: u64,
    /// What the clients recorded.
    pub window: Window,
    /// Operations of earlier windows that were never answered.
    pub carried: Vec<Asked>,
    /// When the window ended, since the beginning of the run.
    pub ended: Duration,
    /// The changes from the base to the end, as each member tells them, with its name.
    pub histories: Vec<(String, Vec<Change>)>,
    /// What the watchers saw.
    pub watchers: Vec<Seen>,
    /// The leases that ended.
    pub leases: Vec<LeaseRun>,
}

/// What came out.
#[derive(Debug)]
pub struct Judgement {
    /// Every promise that was broken, in sentences.
    pub violations: Vec<String>,
    /// The state at the end.
    pub state: Replay,
    /// What may still take effect.
    pub carried: Vec<Asked>,
    /// How many operations were checked.
    pub checked: usize,
}

/// Judges a window.
pub fn judge(testimony: Testimony) -> Judgement {
    let Testimony { base, until, mut window, carried, ended, mut histories, watchers, leases } = testimony;
    let mut violations = std::mem::take(&mut window.findings);
    violations.extend(different_histories(&histories));
    let changes = histories.swap_remove(0).1;
    let history = StoreHistory { base_revision: base.revision, changes };
    violations.extend(revisions_are_dense(&history).err().map(|violation| violation.to_string()));

    let mut asked = carried;
    asked.append(&mut window.operations);
    let all = History::from_operations(asked).expect("what one observer saw is a history");
    let acknowledged = acknowledged_writes(&all);
    let survive = acknowledged_writes_survive(&history, &acknowledged);
    violations.extend(survive.err().map(|violation| violation.to_string()));

    let (in_question, mut carried) = settle(&all, &history, &acknowledged);
    carried.retain(|asked| may_come(asked, ended));
    let checked = in_question.len();
    violations.extend(not_linearizable(&base, in_question, &history));
    for Seen { mut run, mut previous } in watchers {
        cut(&mut run.responses, until);
        run.complete_until = until;
        violations.extend(watch_misses_nothing(&history, &run).err().map(|violation| violation.to_string()));
        previous.retain(|(revision, ..)| *revision <= until);
        let wrong = wrong_previous(&base, &history.changes, &previous);
        violations.extend(wrong.map(|sentence| format!("Watch {}: {sentence}", run.name)));
    }
    let early = leases_never_expire_early(&leases, CLOCK_TOLERANCE);
    violations.extend(early.err().map(|violation| violation.to_string()));
    let at_once = leased_keys_go_at_once(&history, &leases);
    violations.extend(at_once.err().map(|violation| violation.to_string()));
    violations.extend(wrong_old_read(&base, &history.changes, &mut window.old_reads));

    let mut state = base;
    history.changes.iter().for_each(|change| state.apply(change));
    Judgement { violations, state, carried, checked }
}

/// Where the members' histories part, in a sentence.
fn different_histories(histories: &[(String, Vec<Change>)]) -> Option<String> {
    let ((first, expected), others) = histories.split_first()?;
    others.iter().find_map(|(name, found)| {
        let at = (0..expected.len().max(found.len())).find(|&at| expected.get(at) != found.get(at))?;
        let say = |change: Option<&Change>| change.map_or("nothing more".to_owned(), ToString::to_string);
        Some(format!(
            "The members tell different histories: where {first} has {}, {name} has {}.",
            say(expected.get(at)),
            say(found.get(at))
        ))
    })
}

/// The operations that may have taken effect in this window, and those that may still take effect later.
fn settle(
    all: &History<Request, Answer>,
    history: &StoreHistory,
    acknowledged: &[AcknowledgedWrite],
) -> (Vec<Asked>, Vec<Asked>) {
    let values: BTreeSet<&Blob> = history.changes.iter().filter_map(|change| change.value.as_ref()).collect();
    let owned: BTreeSet<u64> = acknowledged.iter().map(|write| write.revision).collect();
    let unowned: Vec<&Change> = history
        .changes
        .iter()
        .filter(|change| change.value.is_none() && !owned.contains(&change.revision))
        .collect();
    let (mut in_question, mut carried) = (Vec::new(), Vec::new());
    for operation in all.operations() {
        if operation.output().is_some() {
            in_question.push(operation.clone());
            continue;
        }
        if !operation.input.may_change() {
            continue;
        }
        let fate = fate(&operation.input, &values, &unowned);
        if fate != Fate::NotYet {
            in_question.push(operation.clone());
        }
        if fate != Fate::Done {
            carried.push(operation.clone());
        }
    }
    (in_question, carried)
}

/// Whether an operation without an answer may still take effect after a window that ended then.
fn may_come(asked: &Asked, ended: Duration) -> bool {
    asked.invoked + CARRIED_MAX > ended || matches!(asked.input, Request::Revoke { .. })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It has taken effect, and can do so only once.
    Done,
    /// It may have.
    Possible,
    /// It has not taken effect in this window.
    NotYet,
}

fn fate(request: &Request, values: &BTreeSet<&Blob>, unowned_deletions: &[&Change]) -> Fate {
    match request {
        Request::Put { value, .. } if values.contains(value) => Fate::Done,
        Request::Txn { success, failure, .. } => {
            let done = |request| fate(request, values, &[]) == Fate::Done;
            if success.iter().chain(failure).any(done) { Fate::Done } else { Fate::NotYet }
        }
        Request::Delete { span, .. } if unowned_deletions.iter().any(|change| span.contains(&change.key)) => {
            Fate::Possible
        }
        Request::Revoke { lease } => {
            // A lease ends once, and with it all its keys.
            let gone = unowned_deletions.iter().any(|change| lease_of(&change.key) == Some(*lease));
            if gone { Fate::Done } else { Fate::NotYet }
        }
        Request::Put { .. } | Request::Delete { .. } | Request::Range { .. } => Fate::NotYet,
    }
}

fn not_linearizable(base: &Replay, asked: Vec<Asked>, history: &StoreHistory) -> Option<String> {
    let asked = History::from_operations(asked).expect("a part of a history is one");
    let mut specification = KeyValue::for_history(&asked);
    specification.initial = base.to_store();
    history.add_to(&mut specification.evidence);
    let verdict = check_within(&specification, &asked, Limits::default());
    (!verdict.is_linearizable()).then(|| verdict.to_string())
}

/// Leaves out what arrived from after the end.
fn cut(responses: &mut Vec<synod_check::etcd::WatchResponse>, until: u64) {
    responses.retain_mut(|response| {
        let was_progress = response.events.is_empty();
        response.events.retain(|event| event.revision <= until);
        if was_progress {
            // What was sent up to a later revision was sent up to this one.
            response.revision = response.revision.min(until);
        }
        was_progress || !response.events.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use synod_check::etcd::WatchResponse;
    use synod_check::history::Client;
    use synod_check::specification::key_value::{Reply, Span};

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn put(client: u64, at: u64, key: &str, value: &str, revision: u64) -> Asked {
        let answer = Answer { revision, reply: Reply::Put { previous: None } };
        Operation::returned(Client(client), ms(at), ms(at + 1), Request::put(key, value), answer)
    }

    fn testimony(operations: Vec<Asked>, changes: &[Change]) -> Testimony {
        let until = changes.last().map_or(1, |change| change.revision);
        Testimony {
            base: Replay::default(),
            until,
            window: Window { operations, ..Window::default() },
            carried: Vec::new(),
            ended: ms(1_000),
            histories: vec![("m1".to_owned(), changes.to_vec()), ("m2".to_owned(), changes.to_vec())],
            watchers: Vec::new(),
            leases: Vec::new(),
        }
    }

    #[test]
    fn a_window_without_fault_is_acquitted_and_hands_on_its_state() {
        let operations = vec![put(1, 0, "a", "1", 2), put(1, 2, "b", "2", 3)];
        let judgement = judge(testimony(operations, &[Change::put(2, "a", "1"), Change::put(3, "b", "2")]));
        assert_eq!(judgement.violations, Vec::<String>::new());
        assert_eq!((judgement.state.revision, judgement.checked), (3, 2));
        assert_eq!(judgement.state.get(b"b").unwrap().mod_revision, 3);
    }

    #[test]
    fn a_lost_write_and_parted_members_are_found() {
        let operations = vec![put(1, 0, "a", "1", 2), put(1, 2, "b", "2", 3)];
        let mut lost = testimony(operations, &[Change::put(2, "a", "1")]);
        lost.histories[1].1.push(Change::put(3, "b", "other"));
        let violations = judge(lost).violations.join("\n");
        assert!(violations.contains("acknowledged writes are never lost"), "{violations}");
        assert!(
            violations.contains("where m1 has nothing more, m2 has the put of b = other"),
            "{violations}"
        );
    }

    #[test]
    fn a_stale_read_is_found() {
        let stale = Answer { revision: 2, reply: Reply::Range { pairs: Vec::new(), count: 0 } };
        let read = Operation::returned(Client(2), ms(5), ms(6), Request::get("b"), stale);
        let operations = vec![put(1, 0, "a", "1", 2), put(1, 2, "b", "2", 3), read];
        let changes = [Change::put(2, "a", "1"), Change::put(3, "b", "2")];
        let violations = judge(testimony(operations, &changes)).violations.join("\n");
        assert!(violations.contains("not linearizable"), "{violations}");
    }

    #[test]
    fn an_unanswered_write_is_carried_until_it_shows() {
        let open = Operation::open(Client(1), ms(0), Request::put("a", "1"));
        let first = judge(testimony(vec![open], &[]));
        assert_eq!((first.violations.len(), first.carried.len(), first.checked), (0, 1, 0));

        let mut second = testimony(Vec::new(), &[Change::put(2, "a", "1")]);
        second.carried = first.carried;
        let second = judge(second);
        assert_eq!((second.violations.len(), second.carried.len(), second.checked), (0, 0, 1));
        assert_eq!(second.state.revision, 2);
    }

    #[test]
    fn an_unanswered_write_that_comes_minutes_later_is_found() {
        let open = Operation::open(Client(1), ms(0), Request::put("a", "1"));
        let mut long = testimony(vec![open], &[]);
        long.ended = CARRIED_MAX;
        let first = judge(long);
        assert_eq!((first.violations.len(), first.carried.len()), (0, 0));

        let seen = Answer { revision: 2, reply: Reply::Range { pairs: Vec::new(), count: 0 } };
        let read = Operation::returned(Client(2), ms(5), ms(6), Request::get("b"), seen);
        let second = judge(testimony(vec![read], &[Change::put(2, "a", "1")]));
        assert_eq!(second.violations.len(), 1, "{:?}", second.violations);
    }

    #[test]
    fn an_unanswered_deletion_stays_in_question_only_where_a_deletion_has_no_owner() {
        let delete = Operation::open(Client(1), ms(4), Request::delete("a"));
        let operations = vec![put(1, 0, "a", "1", 2), delete.clone()];
        let still = judge(testimony(operations.clone(), &[Change::put(2, "a", "1")]));
        assert_eq!((still.checked, still.carried.len()), (1, 1));
        let gone = judge(testimony(operations, &[Change::put(2, "a", "1"), Change::delete(3, "a")]));
        assert_eq!((gone.checked, gone.carried.len()), (2, 1));
        assert_eq!(gone.violations, Vec::<String>::new());
    }

    #[test]
    fn a_change_that_nobody_asked_for_is_found_by_the_next_read() {
        let seen = Answer { revision: 3, reply: Reply::Range { pairs: Vec::new(), count: 0 } };
        let read = Operation::returned(Client(2), ms(5), ms(6), Request::get("a"), seen);
        let operations = vec![put(1, 0, "a", "1", 2), read];
        let violations =
            judge(testimony(operations, &[Change::put(2, "a", "1"), Change::delete(3, "a")])).violations;
        assert_eq!(violations.len(), 1, "{violations:?}");
    }

    #[test]
    fn a_watcher_that_misses_an_event_is_found_and_later_events_are_no_matter() {
        let changes = [Change::put(2, "a", "1"), Change::put(3, "a", "2")];
        let operations = || vec![put(1, 0, "a", "1", 2), put(1, 2, "a", "2", 3)];
        let seen = |events: &[Change]| Seen {
            run: synod_check::etcd::WatchRun {
                name: "w".to_owned(),
                span: Span::everything(),
                start_revision: 2,
                fragmented: false,
                responses: events
                    .iter()
                    .map(|event| WatchResponse { revision: event.revision, events: vec![event.clone()] })
                    .collect(),
                complete_until: 0,
            },
            previous: Vec::new(),
        };
        let mut whole = testimony(operations(), &changes);
        whole.watchers.push(seen(&[changes[0].clone(), changes[1].clone(), Change::put(4, "a", "3")]));
        assert_eq!(judge(whole).violations, Vec::<String>::new());
        let mut gap = testimony(operations(), &changes);
        gap.watchers.push(seen(&changes[1..]));
        assert!(judge(gap).violations[0].contains("watchers see every event once"));
    }
}
