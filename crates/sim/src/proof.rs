//! Why a run violates what it violates: the sentence, and the events that prove it.
//!
//! A violation's sentence names its events as `e12`; those are told, each with what caused it. Where it names none, the last steps of the nodes that show
//! the violation are.

use std::collections::BTreeMap;

use crate::{Film, Shot, Shown, Violation};
use synod_machine::{NodeId, SendId};

/// Events that are told at most.
const EVENTS_MAX: usize = 8;

impl Film {
    /// The events that prove a violation, a line each, in their order.
    pub fn proof(&self, violation: &Violation) -> Vec<String> {
        proof(self, violation)
    }
}

fn proof(film: &Film, violation: &Violation) -> Vec<String> {
    let mut numbers = named(&violation.sentence);
    if numbers.is_empty() {
        numbers = violation.nodes.iter().filter_map(|node| last_of(film, *node)).collect();
    }
    let senders = senders(film);
    let mut told: BTreeMap<u64, String> = BTreeMap::new();
    for number in numbers.into_iter().take(EVENTS_MAX) {
        let Some(shot) = find(film, number) else { continue };
        if let Shown::Step { cause: Some(cause), .. } = &shot.shown
            && let Some(sender) = senders.get(cause)
            && let Some(sent) = find(film, *sender)
        {
            told.insert(*sender, line(sent));
        }
        told.insert(number, line(shot));
    }
    told.into_values().collect()
}

fn line(shot: &Shot) -> String {
    let millis = shot.time.since_start().as_secs_f64() * 1e3;
    let effects = match &shot.shown {
        Shown::Step { effects, .. } if !effects.is_empty() => format!(" ⇒ {}", effects.join("; ")),
        _ => String::new(),
    };
    format!("{millis:.3} ms {}{effects}", shot.words())
}

/// The numbers of the events that a sentence names.
fn named(sentence: &str) -> Vec<u64> {
    let words = sentence.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('e')?.parse().ok()).collect()
}

fn last_of(film: &Film, at: NodeId) -> Option<u64> {
    film.shots.iter().rev().find_map(|shot| match &shot.shown {
        Shown::Step { number, node, .. } if *node == at => Some(*number),
        _ => None,
    })
}

fn find(film: &Film, wanted: u64) -> Option<&Shot> {
    film.shots.iter().find(|shot| matches!(&shot.shown, Shown::Step { number, .. } if *number == wanted))
}

fn senders(film: &Film) -> BTreeMap<SendId, u64> {
    let steps = film.shots.iter().filter_map(|shot| match &shot.shown {
        Shown::Step { number, sends, .. } => Some(sends.iter().map(|sent| (sent.id, *number))),
        _ => None,
    });
    steps.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_a_sentence() {
        assert_eq!(named("two leaders in term 3: n1 (e12) and n4 (e17)"), [12, 17]);
        assert_eq!(named("the end e, eve and 3"), Vec::<u64>::new());
    }
}
