//! The search against all orders of the writers of each key, without anything inferred before it.

use super::super::edges;
use super::super::facts::Facts;
use super::super::graph::{Kinds, Points, components};
use super::super::history::{Builder, History};
use super::super::operation::{Header, Key, Operation, Value};
use super::super::schedule;
use super::*;
use crate::generate::Random;

/// Transactions of one or two sessions each, that read what any other wrote.
fn random_history(random: &mut Random) -> History {
    let (transactions, keys) = (3 + random.below(5), 1 + random.below(3));
    let mut written = vec![0i64; keys as usize];
    let mut plan: Vec<Vec<(u64, Option<i64>)>> = Vec::new();
    for _ in 0..transactions {
        let operations = (0..1 + random.below(3)).map(|_| {
            let key = random.below(keys);
            let is_write = random.below(5) < 2 && written[key as usize] < 4;
            written[key as usize] += i64::from(is_write);
            (key, is_write.then_some(written[key as usize]))
        });
        plan.push(operations.collect());
    }
    let mut builder = Builder::new();
    for operations in plan {
        let mut seen = vec![None; keys as usize];
        let operations: Vec<Operation> = operations
            .into_iter()
            .map(|(key, value)| match value {
                Some(value) => {
                    seen[key as usize] = Some(Some(value));
                    Operation::Write(Key(key), Value(value))
                }
                None => {
                    let any = random.below(written[key as usize] as u64 + 1) as i64;
                    let value = seen[key as usize].get_or_insert((any > 0).then_some(any));
                    Operation::Read(Key(key), value.map(Value))
                }
            })
            .collect();
        builder.push(Header::committed(random.below(6)), &operations).expect("a good transaction");
    }
    builder.finish()
}

/// Whether some order of the writers, key by key from `key` on, makes no circle with those chosen before.
fn is_possible(question: &Question<'_>, chosen: &mut Vec<Vec<u32>>) -> bool {
    let loose = &question.facts.loose;
    if chosen.len() == loose.len() {
        return question.is_explained_by(chosen);
    }
    let mut writers = loose.get(chosen.len()).to_vec();
    chosen.push(Vec::new());
    let found = permutations(&mut writers, 0, &mut |order| {
        *chosen.last_mut().expect("one was just pushed") = order.to_vec();
        question.is_explained_by(chosen) && is_possible(question, chosen)
    });
    chosen.pop();
    found
}

fn permutations(items: &mut [u32], from: usize, is_good: &mut dyn FnMut(&[u32]) -> bool) -> bool {
    if from == items.len() {
        return is_good(items);
    }
    (from..items.len()).any(|other| {
        items.swap(from, other);
        let found = permutations(items, from + 1, is_good);
        items.swap(from, other);
        found
    })
}

/// A bad order to begin with: one that all edges follow, with the latest transactions first.
fn latest_first(view: &View<'_>) -> Vec<u32> {
    let mut incoming = vec![0u32; view.len()];
    let each = |point: u32, with: &mut dyn FnMut(u32)| {
        let mut cursor = 0;
        while let Some((to, _, next)) = view.next(point, cursor) {
            cursor = next;
            with(to);
        }
    };
    (0..view.len() as u32).for_each(|point| each(point, &mut |to| incoming[to as usize] += 1));
    let mut ready: Vec<u32> = (0..view.len() as u32).filter(|point| incoming[*point as usize] == 0).collect();
    let mut order = Vec::new();
    while let Some(point) = ready.pop() {
        order.push(point);
        each(point, &mut |to| {
            incoming[to as usize] -= 1;
            if incoming[to as usize] == 0 {
                ready.push(to);
            }
        });
    }
    order
}

#[test]
fn a_search_agrees_with_trying_everything() {
    let mut random = Random::new(11);
    let (mut found, mut refuted) = (0, 0);
    for _ in 0..3_000 {
        let history = random_history(&mut random);
        let facts = Facts::new(&history);
        let sessions = if random.below(2) == 0 { Kinds::NO_ORDER } else { Kinds::PROCESS };
        for points in [Points::One, Points::Two] {
            let kinds = Kinds::DATA.and(sessions);
            let question = Question { history: &history, facts: &facts, kinds, points };
            let graph = edges::graph(&history, &facts);
            let view = View { graph: &graph, kinds, points };
            if !components(&view).is_empty() {
                continue;
            }
            let is_possible = is_possible(&question, &mut Vec::new());
            let readers = Readers::new(&facts);
            for order in [schedule::guess(&question, &graph).points, latest_first(&view)] {
                let outcome = search(&question, &readers, &view, &order, &Effort::default());
                match outcome {
                    Outcome::Found => found += 1,
                    Outcome::Impossible => refuted += 1,
                    Outcome::GivenUp(reason) => panic!("expected an answer, found {reason}"),
                }
                assert_eq!(matches!(outcome, Outcome::Found), is_possible, "{history:?} with {points:?}");
            }
        }
    }
    assert!(found > 1_000 && refuted > 300, "expected both often: {found} found, {refuted} refuted");
}

#[test]
fn a_limit_is_no_answer() {
    let mut builder = Builder::new();
    // The ranking has a write between another and its reader: to find out what comes first takes more than no step.
    for (session, operations) in [
        vec![Operation::Write(Key(0), Value(1))],
        vec![Operation::Write(Key(0), Value(2))],
        vec![Operation::Read(Key(0), Some(Value(2)))],
    ]
    .into_iter()
    .enumerate()
    {
        builder.push(Header::committed(session as u64), &operations).expect("a good transaction");
    }
    let history = builder.finish();
    let facts = Facts::new(&history);
    let question = Question { history: &history, facts: &facts, kinds: Kinds::DATA, points: Points::One };
    let graph = edges::graph(&history, &facts);
    let view = View { graph: &graph, kinds: Kinds::DATA, points: Points::One };
    let effort = Effort { steps_max: 0, time: None };
    let mut order = latest_first(&view);
    order.retain(|point| *point != 0);
    let reader = order.iter().position(|point| *point == 2).expect("the reader is a point");
    order.insert(reader, 0);
    let outcome = search(&question, &Readers::new(&facts), &view, &order, &effort);
    assert!(matches!(outcome, Outcome::GivenUp(_)));
}

#[test]
fn restarts_come_in_lubys_sequence() {
    let sequence: Vec<u64> = (1..=15).map(luby).collect();
    assert_eq!(sequence, [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]);
}
