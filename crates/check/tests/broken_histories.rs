//! The shipped histories, each broken at every byte in one of nine ways: all are read all the same, or refused with the place and what was
//! expected there.
//!
//! That a history is judged differently then is right: another answer is another history.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use synod_check::format::{Log, read};
use synod_check::judge::{Models, Question, judge};
use synod_check::linearizability::Effort;
use synod_check::model::Model;

/// What a byte is replaced with, beside being left out, or the end.
const INSTEAD: &[u8] = b"}]\" x7\n\xff";

/// Each of the shipped histories, by name.
fn shipped() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/histories");
    let files = fs::read_dir(folder).expect("the histories are beside the sources");
    let mut histories: Vec<_> = files
        .map(|file| {
            let path = file.expect("a readable folder").path();
            (path.display().to_string(), fs::read(&path).expect("a readable file"))
        })
        .collect();
    histories.sort();
    histories
}

/// The history without the byte at a place, or cut before it, or with another one there; a neighbour is broken in another way.
fn broken_at(whole: &[u8], place: usize) -> Vec<u8> {
    let way = place % (INSTEAD.len() + 2);
    match INSTEAD.get(way) {
        Some(&byte) => [&whole[..place], &[byte], &whole[place + 1..]].concat(),
        None if way == INSTEAD.len() => [&whole[..place], &whole[place + 1..]].concat(),
        None => whole[..place].to_vec(),
    }
}

/// A refusal says where, and what was expected or what to do.
fn is_helpful(refusal: &str) -> bool {
    refusal.contains("line ") && (refusal.contains("expected") || refusal.contains("say with --spec"))
}

fn judged(log: &Log) -> Option<String> {
    let models = Models::These(vec![Model::Linearizable]);
    let question = Question { models, object: None, effort: Effort::default(), wants_order: false };
    judge(log, &question).err().map(|refusal| refusal.to_string())
}

#[test]
fn a_history_broken_anywhere_is_read_or_refused_with_its_place() {
    let (mut read_all_the_same, mut refused) = (0, 0);
    let (mut unhelpful, mut seen) = (Vec::new(), BTreeSet::new());
    let histories = shipped();
    for (name, whole) in &histories {
        let before = refused;
        for place in 0..whole.len() {
            let bytes = broken_at(whole, place);
            let refusal = match read(&bytes[..], |_| {}) {
                Ok(log) => judged(&log),
                Err(error) => Some(error.to_string()),
            };
            let Some(refusal) = refusal else {
                read_all_the_same += 1;
                continue;
            };
            refused += 1;
            if !is_helpful(&refusal) && seen.insert(refusal.clone()) {
                let text = String::from_utf8_lossy(&bytes);
                unhelpful.push(format!("{name}, byte {place}: {refusal}\n{text}"));
            }
        }
        assert!(refused - before >= 20, "{name}: only {} ways to break it are noticed", refused - before);
    }
    assert!(unhelpful.is_empty(), "{}", unhelpful.join("\n"));
    println!("{} histories: {refused} refused, {read_all_the_same} read all the same", histories.len());
}
