//! Histories as people write them: `a x 1` appends, `r x 1 2` reads a list, `w x 1` writes, `g x 1` gets.

use std::time::Duration;

use synod_check::transactions::{Builder, Header, History, Key, Operation, Status, Value};

/// A history from lines `session [begin-end] [abort|unknown]: operation, operation`. Times are milliseconds.
pub fn history(text: &str) -> History {
    let mut builder = Builder::new();
    for (number, letter) in ('a'..='z').enumerate() {
        builder.name_key(Key(number as u64), letter);
    }
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, operations) = line.split_once(':').expect("a colon after the session");
        let operations: Vec<Operation> = operations.split(',').map(|text| operation(text.trim())).collect();
        builder.push(header(head), &operations).expect("a good transaction");
    }
    builder.finish()
}

fn header(text: &str) -> Header {
    let mut words = text.split_whitespace();
    let mut header = Header::committed(words.next().expect("a session").parse().expect("a session's number"));
    for word in words {
        match (word, word.split_once('-')) {
            ("abort", _) => header.status = Status::Aborted,
            ("unknown", _) => header.status = Status::Unknown,
            (_, Some((begin, end))) => {
                let at = |text: &str| Duration::from_millis(text.parse().expect("milliseconds"));
                header.invoked = Some(at(begin));
                header.completed = (!end.is_empty()).then(|| at(end));
            }
            _ => panic!("expected abort, unknown or times, found {word}"),
        }
    }
    header
}

fn operation(text: &str) -> Operation {
    let mut words = text.split_whitespace();
    let verb = words.next().expect("a verb");
    let letter = words.next().expect("a key").bytes().next().expect("a letter");
    let key = Key(u64::from(letter - b'a'));
    let values: Vec<Value> = words.map(|word| Value(word.parse().expect("a value"))).collect();
    match verb {
        "a" => Operation::Append(key, values[0]),
        "r" => Operation::ReadList(key, values),
        "w" => Operation::Write(key, values[0]),
        "g" => Operation::Read(key, values.first().copied()),
        "u" => Operation::Unseen(key),
        other => panic!("expected a, r, w, g or u, found {other}"),
    }
}
