//! Answers of an etcd that contradict each other: found without a search, never where a history is right, and always impossible by
//! themselves, as the search says that is asked about them alone.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_check::format::{Log, read};
use synod_check::generate::{self, Random, Shape};
use synod_check::history::{Client, Event, Recorder};
use synod_check::judge::{Answer as Found, Models, Question, judge, report};
use synod_check::linearizability::{Effort, check};
use synod_check::specification::key_value::{Answer, KeyValue, KeyValueHistory, Pair, Reply, Request};
use synod_check::specification::{Contradiction, Specification};

fn contradiction(history: &KeyValueHistory, last: usize) -> Option<Contradiction> {
    KeyValue::for_history(history).contradiction(history, last)
}

/// The history in words.
fn told(history: &KeyValueHistory) -> String {
    let operations = history.operations().iter().enumerate().map(|(index, each)| {
        format!("#{index} {}\n", KeyValue::default().describe_operation(&each.input, each.output()))
    });
    operations.chain([format!("{:?}", history.events())]).collect()
}

fn is_impossible(history: &KeyValueHistory) -> bool {
    check(&KeyValue::for_history(history), history).is_violation()
}

/// What is left of a history if nothing is said of any but some operations: they were never answered, or all at the end.
fn alone(
    history: &KeyValueHistory,
    Contradiction { operations, needs_answers }: &Contradiction,
) -> KeyValueHistory {
    let is_other: Vec<bool> = (0..history.len()).map(|index| !operations.contains(&index)).collect();
    if !needs_answers {
        return history.without_answers(&is_other);
    }
    let mut recorder = Recorder::new();
    let operations = history.operations();
    let is_late = |event: &&Event| matches!(event, Event::Returned(index) if is_other[*index]);
    let (late, early): (Vec<&Event>, Vec<&Event>) = history.events().iter().partition(is_late);
    let mut ids = BTreeMap::new();
    for (at, event) in early.into_iter().chain(late).enumerate() {
        let at = Duration::from_millis(at as u64);
        match *event {
            // Each is a client of its own: it may have gone on meanwhile.
            Event::Invoked(index) => {
                let id = recorder.invoke(Client(index as u64), at, operations[index].input.clone());
                ids.insert(index, id.expect("time goes on"));
            }
            Event::Returned(index) => {
                let answer = operations[index].output().expect("it returned").clone();
                recorder.complete(ids[&index], at, answer).expect("it was invoked");
            }
        }
    }
    recorder.finish()
}

fn pairs(reply: &mut Reply) -> Vec<&mut Pair> {
    match reply {
        Reply::Range { pairs, .. } | Reply::Delete { previous: pairs, .. } => pairs.iter_mut().collect(),
        Reply::Put { previous } => previous.iter_mut().collect(),
        Reply::Txn { replies, .. } => replies.iter_mut().flat_map(pairs).collect(),
        Reply::Revoke => Vec::new(),
    }
}

/// Another answer than the right one.
fn spoiled(random: &mut Random, history: &KeyValueHistory, index: usize) -> Option<Answer> {
    let mut answer = history.operations()[index].output()?.clone();
    let below = |random: &mut Random, number: usize| random.below(number as u64) as usize;
    match random.below(5) {
        0 => answer.revision = answer.revision.saturating_sub(1 + random.below(3)).max(1),
        1 => answer.revision += 1 + random.below(3),
        2 => {
            // What another one was answered.
            let other = &history.operations()[below(random, history.len())];
            let alike = std::mem::discriminant(&other.input)
                == std::mem::discriminant(&history.operations()[index].input);
            answer = other.output().filter(|_| alike)?.clone();
        }
        3 => match &mut answer.reply {
            Reply::Range { pairs, count } if !pairs.is_empty() => {
                pairs.remove(below(random, pairs.len()));
                *count -= 1;
            }
            _ => return None,
        },
        _ => {
            let mut pairs = pairs(&mut answer.reply);
            let chosen = below(random, pairs.len().max(1));
            let pair = pairs.get_mut(chosen)?;
            match random.below(3) {
                0 => pair.value = b"never".as_slice().into(),
                1 => pair.mod_revision = pair.mod_revision.saturating_sub(1).max(1),
                _ => pair.create_revision += 1,
            }
        }
    }
    Some(answer)
}

fn small(seed: u64) -> KeyValueHistory {
    generate::key_value(Shape { seed, clients: 3, operations: 14, lost_per_mille: 60 }, 3)
}

#[test]
fn what_is_right_has_no_contradiction() {
    for seed in 0..400 {
        let history = small(seed);
        for last in 0..history.len() {
            assert_eq!(contradiction(&history, last), None, "seed {seed}, #{last}:\n{}", told(&history));
        }
    }
    let long = generate::key_value(Shape { seed: 7, clients: 8, operations: 600, lost_per_mille: 20 }, 5);
    assert!((0..long.len()).all(|last| contradiction(&long, last).is_none()));
}

#[test]
fn what_contradicts_itself_is_impossible_alone() {
    let (mut broken, mut explained, mut by_answers) = (0, 0, 0);
    let (mut reasons, mut larger) = (0, 0);
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let history = small(seed);
        let index = random.below(history.len() as u64) as usize;
        let Some(answer) = spoiled(&mut random, &history, index) else { continue };
        let history = generate::with_output(&history, index, answer);
        broken += usize::from(is_impossible(&history));
        let mut is_explained = false;
        for last in 0..history.len() {
            let Some(reason) = contradiction(&history, last) else { continue };
            is_explained = true;
            by_answers += usize::from(reason.needs_answers);
            assert!(
                is_impossible(&alone(&history, &reason)),
                "seed {seed}: {reason:?} of\n{}",
                told(&history)
            );
            // What came before was possible without it, so it is enough to try without what came before.
            let less = Contradiction { operations: vec![last], needs_answers: false };
            let could_be_less = reason.operations.len() > 1 && is_impossible(&alone(&history, &less));
            (reasons, larger) = (reasons + 1, larger + usize::from(could_be_less));
        }
        explained += usize::from(is_explained);
    }
    assert!(broken > 300 && by_answers > 10, "{broken} broken, {by_answers} by the answers of all");
    // Of one that stands alone for a deep reason a shallow one may name two.
    assert!(larger * 8 < reasons, "{larger} of {reasons} could be less");
    println!(
        "{explained} of {broken} explained, {larger} of {reasons} could be less, {by_answers} by all answers"
    );
    assert!(explained * 10 > broken * 8, "of {broken} histories {explained} are explained");
}

/// Operations one after the other, of one client.
fn in_a_row(operations: Vec<(Request, Answer)>) -> KeyValueHistory {
    let mut recorder = Recorder::new();
    for (at, (request, answer)) in operations.into_iter().enumerate() {
        let at = Duration::from_millis(10 * at as u64);
        let id = recorder.invoke(Client(1), at, request).expect("time goes on");
        recorder.complete(id, at + Duration::from_millis(5), answer).expect("it was invoked");
    }
    recorder.finish()
}

fn pair(key: &str, value: &str, created: u64, changed: u64) -> Pair {
    Pair {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        create_revision: created,
        mod_revision: changed,
        version: 1,
        lease: 0,
    }
}

fn put(key: &str, value: &str, revision: u64) -> (Request, Answer) {
    (Request::put(key, value), Answer { revision, reply: Reply::Put { previous: None } })
}

fn get(key: &str, found: Option<Pair>, revision: u64) -> (Request, Answer) {
    let pairs = Vec::from_iter(found);
    let count = pairs.len() as u64;
    (Request::get(key), Answer { revision, reply: Reply::Range { pairs, count } })
}

#[test]
fn each_rule_names_its_operations() {
    let others = || vec![put("a", "1", 2), put("b", "1", 3), put("c", "1", 4)];
    for (last, expected) in [
        // A read of the past, and a change at a revision that was over.
        (get("b", None, 2), &[1, 3][..]),
        (put("d", "1", 4), &[2, 3]),
        // The change at that revision was another one, or newer.
        (get("b", Some(pair("b", "2", 3, 3)), 4), &[3]),
        (get("b", Some(pair("b", "1", 2, 2)), 4), &[0, 3]),
        (get("c", None, 4), &[2, 3]),
        // Nothing deleted it.
        (get("a", None, 4), &[0, 3]),
        // More changes than were asked for.
        (put("d", "1", 9), &[3]),
    ] {
        let history = in_a_row(others().into_iter().chain([last.clone()]).collect());
        let found = contradiction(&history, 3).unwrap_or_else(|| panic!("nothing is found of {last:?}"));
        assert_eq!(found.operations, expected, "{last:?}");
        assert!(is_impossible(&alone(&history, &found)), "{last:?}");
    }
    assert_eq!(contradiction(&in_a_row(others()), 2), None);
}

fn judged(text: &str) -> (Log, Found) {
    let log = read(text.as_bytes(), |_| {}).unwrap_or_else(|error| panic!("{error}"));
    let question =
        Question { models: Models::Usual, object: None, effort: Effort::default(), wants_order: false };
    let found = judge(&log, &question).unwrap_or_else(|error| panic!("{error}"));
    (log, found)
}

/// Twenty thousand puts, and a get that does not see one of them.
#[test]
fn a_lost_put_in_a_long_history_is_told_by_two_operations() {
    let mut text = String::from("{\"synod_history\":1,\"spec\":\"etcd\"}\n");
    let mut event = |at: usize, client: usize, rest: &str| {
        text.push_str(&format!("{{\"t\":{at},\"client\":{client},{rest}}}\n"));
    };
    const PUTS: usize = 20_000;
    for number in 0..PUTS {
        let key = number % 5_000;
        let asked = format!(
            "\"type\":\"invoke\",\"f\":\"put\",\"value\":{{\"key\":\"k{key}\",\"value\":\"{number}\"}}"
        );
        event(10 * number, number % 10, &asked);
        event(
            10 * number + 5,
            number % 10,
            &format!("\"type\":\"ok\",\"value\":{{\"revision\":{}}}", number + 2),
        );
    }
    event(10 * PUTS, 0, "\"type\":\"invoke\",\"f\":\"range\",\"value\":{\"key\":\"k17\"}");
    event(10 * PUTS + 5, 0, &format!("\"type\":\"ok\",\"value\":{{\"revision\":{},\"kvs\":[]}}", PUTS + 1));
    let (log, found) = judged(&text);
    let core = found.findings[0].core.as_ref().expect("it is broken");
    assert_eq!((core.operations.len(), core.is_minimal), (2, true), "{}", report(&log, &found, 80));
}
