//! From files to verdicts: every model by its name, anomalies by theirs, and reasons in the terms of the file.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use synod_check::format::read;
use synod_check::generate::{self, Shape};
use synod_check::history::{Client, Event, History, Recorder};
use synod_check::judge::{Answer, Models, Question, Worst, judge, report};
use synod_check::linearizability::{Effort, TimeLimit, check};
use synod_check::model::{Finding, Model, Summary};
use synod_check::page::Picture;
use synod_check::specification::{At, Entry, EntryInput, EntryOutput, Keyed, Texts};
use synod_check::specification::{CasInput, CasOutput, CasRegister, RegisterInput, RegisterOutput};

fn answer(text: &str, models: Models) -> (Answer, String) {
    let log = read(text.as_bytes(), |_| {}).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let question = Question { models, object: None, effort: Effort::default(), wants_order: false };
    let answer = judge(&log, &question).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let report = report(&log, &answer, 80);
    (answer, report)
}

fn summary(answer: &Answer) -> Summary {
    let summary = Summary::new(answer.findings.iter().map(|explained| explained.judgement.clone()).collect());
    assert_eq!(summary.contradiction(), None);
    summary
}

/// Operations that follow one another, of one process each: `0 w 1` writes, `1 r 1` reads.
fn register(operations: &str) -> String {
    let mut text = String::new();
    for operation in operations.split(", ") {
        let [process, function, value] = operation.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{operation}")
        };
        let (function, asked) = if function == "w" { ("write", value) } else { ("read", "nil") };
        text += &format!("{{:process {process}, :type :invoke, :f :{function}, :value {asked}}}\n");
        text += &format!("{{:process {process}, :type :ok, :f :{function}, :value {value}}}\n");
    }
    text
}

#[test]
fn the_lattice_says_where_a_history_stands() {
    let cases = [
        ("0 w 1, 1 r 1", "linearizable", ""),
        // A stale read, by another client.
        ("0 w 1, 0 w 2, 1 r 1", "sequential", "linearizable"),
        // Two readers see two writers in different orders.
        ("0 w 1, 1 w 2, 2 r 1, 2 r 2, 3 r 2, 3 r 1", "causal-memory", "causal-convergence"),
        // What was read is gone again.
        (
            "0 w 1, 0 w 2, 1 r 2, 1 r 1",
            "read-your-writes, monotonic-writes, writes-follow-reads",
            "monotonic-reads",
        ),
    ];
    for (operations, kept, broken) in cases {
        let (answer, report) = answer(&register(operations), Models::All);
        let summary = summary(&answer);
        let names = |models: &[Model]| models.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        assert_eq!(names(&summary.strongest_kept), kept, "{operations}\n{report}");
        assert_eq!(names(&summary.weakest_broken), broken, "{operations}\n{report}");
    }
}

#[test]
fn the_order_that_worked_agrees_with_later_answers() {
    // Either write of 2 explains line 5. But the last read needs the one of process 1 after line 10, so it was the other.
    let text = "\
        {:process 0, :type :invoke, :f :write, :value 0}\n\
        {:process 0, :type :ok, :f :write, :value 0}\n\
        {:process 1, :type :invoke, :f :write, :value 2}\n\
        {:process 2, :type :invoke, :f :write, :value 2}\n\
        {:process 0, :type :invoke, :f :read, :value nil}\n\
        {:process 0, :type :ok, :f :read, :value 2}\n\
        {:process 0, :type :invoke, :f :read, :value nil}\n\
        {:process 0, :type :ok, :f :read, :value 9}\n\
        {:process 2, :type :ok, :f :write, :value 2}\n\
        {:process 0, :type :invoke, :f :write, :value 5}\n\
        {:process 0, :type :ok, :f :write, :value 5}\n\
        {:process 0, :type :invoke, :f :read, :value nil}\n\
        {:process 0, :type :ok, :f :read, :value 5}\n\
        {:process 0, :type :invoke, :f :read, :value nil}\n\
        {:process 0, :type :ok, :f :read, :value 2}\n";
    let broken = |text: &str| {
        let (answer, report) = answer(text, Models::Usual);
        assert!(summary(&answer).weakest_broken == [Model::Linearizable], "{report}");
        answer.orders
    };
    assert_eq!(broken(text), [vec![0, 2, 3]]);
    // Where nothing explains what comes later either, the prefix is explained by itself.
    let wrong_later = text.replace("read, :value 5", "read, :value 8");
    assert_eq!(broken(&wrong_later), [vec![0, 1, 3]]);
}

#[test]
fn a_page_names_an_anomaly_as_the_verdict_does() {
    let text = "\
        {:process 0, :type :ok, :f :txn, :value [[:append :x 1] [:r :y [1]]]}\n\
        {:process 1, :type :ok, :f :txn, :value [[:append :y 1] [:r :x [1]]]}\n";
    let (answer, report) = answer(text, Models::All);
    let log = read(text.as_bytes(), |_| {}).expect("it was read before");
    let problems = Picture::new(&log, &answer, "two transactions", &report).problems;
    assert!(report.contains("G1c: "), "{report}");
    assert!(problems.iter().any(|problem| problem.why.contains(" is broken: G1c: ")), "{problems:?}");
}

#[test]
fn a_reason_speaks_of_the_operations_of_the_file() {
    // The failed write is no part of what is judged, and yet it counts.
    let failed =
        "{:process 7, :type :invoke, :f :write, :value 9}\n{:process 7, :type :fail, :f :write, :value 9}\n";
    let text = failed.to_owned() + &register("0 w 1, 0 w 2, 1 r 2, 1 r 1");
    let (_, report) = answer(&text, Models::These(vec![Model::MonotonicReads]));
    assert!(report.contains("#4  lines 9-10  process 1  read → 1"), "{report}");
    assert!(report.contains("- #1 is before #2 in the session of client 0."), "{report}");
}

#[test]
fn objects_that_read_and_write_at_once_are_searched() {
    // Sequential, since the second process may lag behind; not linearizable.
    let text = "\
{:process 0, :type :invoke, :f :enqueue, :value 1}\n{:process 0, :type :ok, :f :enqueue, :value 1}
{:process 1, :type :invoke, :f :dequeue, :value nil}\n{:process 1, :type :ok, :f :dequeue, :value nil}\n";
    let (answer, report) = answer(text, Models::All);
    let summary = summary(&answer);
    assert_eq!(summary.strongest_kept, [Model::Sequential], "{report}");
    assert_eq!(summary.weakest_broken, [Model::Linearizable], "{report}");
    assert_eq!(summary.unknown, [], "what sequential consistency implies is kept");
}

#[test]
fn weaker_models_of_objects_are_judged_and_argued_for() {
    // One element of a queue, which two sessions took: in no one order, but each did for itself.
    let line = |process: u32, function: &str, asked: &str, value: &str| {
        format!(
            "{{:process {process}, :type :invoke, :f :{function}, :value {asked}}}\n\
             {{:process {process}, :type :ok, :f :{function}, :value {value}}}\n"
        )
    };
    let put = |process, value| line(process, "enqueue", value, value);
    let take = |process, value| line(process, "dequeue", "nil", value);
    let (answer, report) = answer(&(put(0, "1") + &take(0, "1") + &take(1, "1")), Models::All);
    let found = summary(&answer);
    assert_eq!(found.strongest_kept, [Model::CausalMemory], "{report}");
    assert_eq!(found.weakest_broken, [Model::Sequential], "{report}");
    assert_eq!(found.unknown, [Model::CausalConvergence], "{report}");
    // What one session put in second was taken first by another.
    let text = put(0, "1") + &put(0, "2") + &take(1, "2");
    let (answer, report) = self::answer(&text, Models::These(vec![Model::Pram, Model::MonotonicWrites]));
    assert_eq!(answer.worst(), Worst::Broken, "{report}");
    assert!(report.contains("it would have taken 1"), "{report}");
}

#[test]
fn models_of_the_other_family_are_unknown() {
    let both = || Models::These(vec![Model::Serializable, Model::Linearizable]);
    for text in [register("0 w 1"), "{:process 0, :type :ok, :value [[:append :x 1]]}".to_owned()] {
        let (answer, report) = answer(&text, both());
        let unknown = answer
            .findings
            .iter()
            .filter(|explained| matches!(explained.judgement.finding, Finding::Unknown { .. }));
        assert_eq!(unknown.count(), 1, "{report}");
        assert_eq!(answer.worst(), Worst::Unknown);
    }
}

/// Transactions that ended one after the other, each `process outcome parts`.
fn transactions(lines: &[&str]) -> String {
    let line = |line: &&str| {
        let (process, rest) = line.split_once(' ').expect("a process");
        let (outcome, parts) = rest.split_once(' ').expect("an outcome");
        format!("{{:process {process}, :type :{outcome}, :f :txn, :value [{parts}]}}\n")
    };
    lines.iter().map(line).collect()
}

#[test]
fn anomalies_of_lists_have_their_names() {
    for (expected, breaks, lines) in [
        (
            "G0",
            "read-committed",
            &[
                "0 ok [:append :x 1] [:append :y 1]",
                "1 ok [:append :x 2] [:append :y 2]",
                "2 ok [:r :x [1 2]] [:r :y [2 1]]",
            ][..],
        ),
        ("G1a", "read-committed", &["0 fail [:append :x 1]", "1 ok [:r :x [1]]"]),
        (
            "G-single (fractured read)",
            "read-atomic",
            &["0 ok [:append :x 1] [:append :y 1]", "1 ok [:r :x [1]] [:r :y nil]"],
        ),
        ("G1b", "read-committed", &["0 ok [:append :x 1] [:append :x 2]", "1 ok [:r :x [1]]"]),
        ("G1c", "read-committed", &["0 ok [:append :x 1] [:r :y [1]]", "1 ok [:append :y 1] [:r :x [1]]"]),
        ("internal", "read-atomic", &["0 ok [:append :x 1] [:r :x nil]"]),
        (
            "G-single (lost update)",
            "snapshot-isolation",
            &["0 ok [:append :x 0]", "1 ok [:r :x [0]] [:append :x 1]", "2 ok [:r :x [0]] [:append :x 2]"],
        ),
        (
            "G2-item (write skew)",
            "serializable",
            &["0 ok [:r :x nil] [:append :y 1]", "1 ok [:r :y nil] [:append :x 1]"],
        ),
        (
            "G-nonadjacent (long fork)",
            "snapshot-isolation",
            &[
                "0 ok [:append :x 1]",
                "1 ok [:append :y 1]",
                "2 ok [:r :x [1]] [:r :y nil]",
                "3 ok [:r :y [1]] [:r :x nil]",
            ],
        ),
        (
            "dirty update",
            "read-committed",
            &["0 fail [:append :x 1]", "1 ok [:append :x 2]", "2 ok [:r :x [1 2]]"],
        ),
        ("duplicate elements", "read-committed", &["0 ok [:append :x 1]", "1 ok [:r :x [1 1]]"]),
        (
            "incompatible order",
            "read-committed",
            &["0 ok [:append :x 1]", "1 ok [:append :x 2]", "2 ok [:r :x [1 2]]", "3 ok [:r :x [2 1]]"],
        ),
    ] {
        let (answer, report) = answer(&transactions(lines), Models::All);
        let found: Vec<String> =
            answer.anomalies.iter().map(|anomalous| anomalous.name.to_string()).collect();
        assert!(found.iter().any(|name| name == expected), "expected {expected}, found {found:?}\n{report}");
        assert_eq!(summary(&answer).weakest_broken[0].to_string(), breaks, "{report}");
    }
}

#[test]
fn anomalies_of_registers_have_their_names() {
    for (expected, lines) in [
        ("G1a", &["0 fail [:w :x 1]", "1 ok [:r :x 1]"][..]),
        ("G1b", &["0 ok [:w :x 1] [:w :x 2]", "1 ok [:r :x 1]"]),
        ("G1c", &["0 ok [:w :x 1] [:r :y 1]", "1 ok [:w :y 1] [:r :x 1]"]),
        (
            "G-single (lost update)",
            &["0 ok [:w :x 0]", "1 ok [:r :x 0] [:w :x 1]", "2 ok [:r :x 0] [:w :x 2]"],
        ),
        ("garbage read", &["0 ok [:r :x 5]"]),
    ] {
        let (answer, report) = answer(&transactions(lines), Models::All);
        let found: Vec<String> =
            answer.anomalies.iter().map(|anomalous| anomalous.name.to_string()).collect();
        assert!(found.iter().any(|name| name == expected), "expected {expected}, found {found:?}\n{report}");
    }
}

#[test]
fn keys_and_values_that_are_no_numbers_keep_their_names() {
    let text = transactions(&["0 fail [:append \"one key\" :red]", "1 ok [:r \"one key\" [:red]]"]);
    let (_, report) = answer(&text, Models::Usual);
    assert!(report.contains("G1a: T1 read :red in one key, which"), "{report}");
}

#[test]
fn only_what_has_times_is_told_with_times() {
    let circle = |times: [u32; 4]| {
        let [a, b, c, d] = times;
        format!(
            "{{:process 0, :type :invoke, :f :txn, :value [[:append :x 1]], :time {a}}}
{{:process 0, :type :ok, :f :txn, :value [[:append :x 1]], :time {b}}}
{{:process 1, :type :invoke, :f :txn, :value [[:r :x nil]], :time {c}}}
{{:process 1, :type :ok, :f :txn, :value [[:r :x nil]], :time {d}}}"
        )
    };
    let (timed, report) = answer(&circle([5, 6, 7, 8]), Models::Usual);
    assert!(report.contains("T0 completed at 6ns before T1 was invoked at 7ns"), "{report}");
    // Without useful times the order of the file counts all the same.
    let (untimed, report) = answer(&circle([0, 0, 0, 0]), Models::Usual);
    assert!(report.contains("T0 completed before T1 was invoked"), "{report}");
    assert_eq!((timed.worst(), untimed.worst()), (Worst::Broken, Worst::Broken));
}

/// Appends and gets of one key that is only appended to.
const APPENDS: &str = r#"
{:process 0, :type :invoke, :f :append, :key "k", :value "a"}
{:process 1, :type :invoke, :f :append, :key "k", :value "b"}
{:process 0, :type :ok, :f :append, :key "k", :value "a"}
{:process 1, :type :ok, :f :append, :key "k", :value "b"}
{:process 2, :type :invoke, :f :get, :key "k", :value nil}
{:process 2, :type :ok, :f :get, :key "k", :value "ab"}
{:process 2, :type :invoke, :f :get, :key "k", :value nil}
{:process 2, :type :ok, :f :get, :key "k", :value "ba"}
{:process 0, :type :invoke, :f :append, :key "k", :value "c"}
{:process 0, :type :ok, :f :append, :key "k", :value "c"}
{:process 2, :type :invoke, :f :get, :key "k", :value nil}
{:process 2, :type :ok, :f :get, :key "k", :value "bac"}
"#;

#[test]
fn what_a_later_answer_proves_does_not_move_the_blame() {
    let (answer, report) = answer(APPENDS, Models::Usual);
    let problem = answer.problem().expect("there is no order");
    assert_eq!(problem, 3, "the get of lines 8-9 is the first that cannot be: {report}");
    assert!(report.contains("Everything before it can be explained"), "{report}");
}

/// A history of one key, mostly of appends: each choice lets a client go on. Some gets return two of their letters exchanged.
fn appended(choices: &[(u8, u8)]) -> History<At<u8, EntryInput>, EntryOutput> {
    struct Flight {
        id: synod_check::history::OperationId,
        input: EntryInput,
        output: Option<EntryOutput>,
    }
    let mut recorder = Recorder::new();
    let mut flights: [Option<Flight>; 4] = [const { None }; 4];
    let mut text = String::new();
    for (number, &(client, what)) in choices.iter().enumerate() {
        let at = Duration::from_nanos(number as u64);
        let client = usize::from(client % 4);
        match flights[client].take() {
            None => {
                let letter = char::from(b'a' + (number % 26) as u8);
                let input = if what % 3 == 0 {
                    EntryInput::Get
                } else {
                    EntryInput::Append(letter.to_string().into())
                };
                let asked = At { key: 0, input: input.clone() };
                let id = recorder.invoke(Client(client as u64), at, asked).expect("the client is idle");
                flights[client] = Some(Flight { id, input, output: None });
            }
            Some(Flight { id, input, output: None }) => {
                let output = match &input {
                    EntryInput::Append(more) => {
                        text += more;
                        EntryOutput::Done
                    }
                    EntryInput::Put(new) => {
                        text = new.to_string();
                        EntryOutput::Done
                    }
                    EntryInput::Delete => {
                        text.clear();
                        EntryOutput::Done
                    }
                    EntryInput::CompareAndSwap { expected, new } => {
                        let swaps = expected.as_deref() == (!text.is_empty()).then_some(text.as_str());
                        if swaps {
                            text = new.to_string();
                        }
                        EntryOutput::Swapped(swaps)
                    }
                    EntryInput::Get => {
                        EntryOutput::Value((!text.is_empty()).then(|| exchanged(&text, what).into()))
                    }
                };
                flights[client] = Some(Flight { id, input, output: Some(output) });
            }
            Some(Flight { id, output: Some(output), .. }) => {
                recorder.complete(id, at, output).expect("it is in flight");
            }
        }
    }
    for flight in flights.into_iter().flatten() {
        recorder.abandon(flight.id).expect("it is in flight");
    }
    recorder.finish()
}

fn exchanged(text: &str, what: u8) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if what % 8 == 7 && letters.len() > 1 {
        let last = letters.len() - 1;
        letters.swap(last, usize::from(what) % last);
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn foresight_changes_no_verdict(choices in prop::collection::vec(any::<(u8, u8)>(), 1..40)) {
        let history = appended(&choices);
        let plain = check(&Keyed::new(Entry::default()), &history);
        let foreseeing = check(&Texts::for_history(Entry::default(), &history), &history);
        prop_assert_eq!(plain.is_linearizable(), foreseeing.is_linearizable());
        prop_assert_eq!(plain.is_violation(), foreseeing.is_violation());
    }
}

#[test]
fn where_too_many_orders_are_possible_the_values_that_were_are_told_all_the_same() {
    // Forty writes at once, none of them read: a search would keep each set of those that have taken effect.
    let mut text = String::from("{\"synod_history\":1,\"spec\":\"register\"}\n");
    let mut at = 0;
    let mut event = |client: u64, rest: &str| {
        at += 1_000;
        text.push_str(&format!("{{\"t\":{at},\"client\":{client},{rest}}}\n"));
    };
    event(99, "\"type\":\"invoke\",\"f\":\"write\",\"value\":7");
    event(99, "\"type\":\"ok\"");
    for client in 0..40 {
        event(client, &format!("\"type\":\"invoke\",\"f\":\"write\",\"value\":{}", 100 + client));
    }
    for client in 0..40 {
        event(client, "\"type\":\"ok\"");
    }
    event(98, "\"type\":\"invoke\",\"f\":\"read\"");
    event(98, "\"type\":\"ok\",\"value\":7");
    let (answer, _) = answer(&text, Models::Usual);
    let breach = answer.findings[0].judgement.breach().expect("7 was overwritten");
    assert!(breach.steps.len() >= 8, "{breach:?}");
    assert!(breach.steps.iter().all(|step| step.text.contains("it would have read 1")), "{breach:?}");
}

/// A history of a register, as Jepsen would have written it.
fn as_edn(history: &History<CasInput<u64>, CasOutput<u64>>) -> String {
    let mut text = String::new();
    for event in history.events() {
        let (Event::Invoked(index) | Event::Returned(index)) = *event;
        let operation = &history.operations()[index];
        let (function, asked) = match operation.input {
            CasInput::Read => ("read", "nil".to_owned()),
            CasInput::Write(value) => ("write", value.to_string()),
            CasInput::CompareAndSwap { expected, new } => ("cas", format!("[{expected} {new}]")),
        };
        let (ending, value) = match (event, operation.output()) {
            (Event::Invoked(_), _) => ("invoke", asked),
            (Event::Returned(_), Some(CasOutput::Value(value))) => ("ok", value.to_string()),
            (Event::Returned(_), Some(CasOutput::Swapped(false))) => ("fail", asked),
            (Event::Returned(_), _) => ("ok", asked),
        };
        let process = operation.client.0;
        text += &format!("{{:process {process}, :type :{ending}, :f :{function}, :value {value}}}\n");
    }
    text
}

/// The same history with a read that is stale, of a value that was there often, behind nine tenths of it.
fn with_stale_read(
    history: &History<CasInput<u64>, CasOutput<u64>>,
    values: impl Fn(usize) -> Vec<u64>,
) -> History<CasInput<u64>, CasOutput<u64>> {
    let reads = (history.len() * 9 / 10..history.len())
        .filter(|&index| matches!(history.operations()[index].output(), Some(CasOutput::Value(_))));
    let stale = reads.flat_map(|read| values(read).into_iter().map(move |value| (read, value)));
    stale
        .map(|(read, value)| generate::with_output(history, read, CasOutput::Value(value)))
        .find(|changed| check(&CasRegister { initial: 0 }, changed).is_violation())
        .expect("some read is stale with some value")
}

/// The read that cannot be placed, what it should have seen, and that what it saw was over: no more of a hundred thousand.
#[test]
fn the_core_of_a_stale_read_in_a_long_history_is_a_handful() {
    let shape = Shape { seed: 1, clients: 10, operations: 100_000, lost_per_mille: 0 };
    let few_values = |_| vec![1, 2, 3, 4, 5];
    let plain = as_swaps(&generate::register(shape, 5));
    let unique = as_swaps(&generate::register(shape, 0));
    let written = |index: usize| match unique.operations()[index].input {
        CasInput::Write(value) => Some(value),
        _ => None,
    };
    let swaps = generate::cas_register(shape, 5);
    for (history, lines_max) in [
        (with_stale_read(&plain, few_values), 4),
        (with_stale_read(&swaps, few_values), 16),
        (with_stale_read(&unique, |read| (0..read - 40).rev().find_map(written).into_iter().collect()), 4),
    ] {
        let (answer, report) = answer(&as_edn(&history), Models::Usual);
        let core = answer.findings[0].core.as_ref().expect("a core");
        assert!(core.is_minimal && core.before == 0, "{report}");
        assert!((2..=lines_max).contains(&core.operations.len()), "{report}");
        let named = core.operations.len() + core.alike.iter().map(|(_, before)| before).sum::<usize>();
        assert!(named + core.others > 60_000, "{report}");
        assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
        assert!(report.contains("<- cannot be placed"), "{report}");
        assert_eq!(core.alike.is_empty(), !report.contains(" such before it"), "{report}");
    }
}

fn as_swaps(
    history: &History<RegisterInput<u64>, RegisterOutput<u64>>,
) -> History<CasInput<u64>, CasOutput<u64>> {
    let input = |input: &RegisterInput<u64>| match input {
        RegisterInput::Read => CasInput::Read,
        RegisterInput::Write(value) => CasInput::Write(*value),
    };
    let output = |output: &RegisterOutput<u64>| match output {
        RegisterOutput::Value(value) => CasOutput::Value(*value),
        RegisterOutput::Written => CasOutput::Written,
    };
    history.map(input, output)
}

/// A clock that goes on by a millisecond each time that it is read.
#[test]
fn an_explanation_ends_with_the_time_and_says_that_it_was_cut_short() {
    let shape = Shape { seed: 1, clients: 5, operations: 400, lost_per_mille: 0 };
    let history = with_stale_read(&generate::cas_register(shape, 5), |_| vec![1, 2, 3, 4, 5]);
    let log = read(as_edn(&history).as_bytes(), |_| {}).expect("a history");
    let mut reports = Vec::new();
    for time_max in [2, 1_000_000] {
        let ticks = AtomicU64::new(0);
        let elapsed = || Duration::from_millis(ticks.fetch_add(1, Ordering::Relaxed));
        let time = Some(TimeLimit { time_max: Duration::from_millis(time_max), elapsed: &elapsed });
        let effort = Effort { time, ..Effort::default() };
        let question = Question { models: Models::Usual, object: None, effort, wants_order: false };
        let answer = judge(&log, &question).expect("a history of a register");
        assert_eq!(answer.worst(), Worst::Broken, "the verdict itself was in time");
        reports.push((report(&log, &answer, 80), ticks.into_inner()));
    }
    let [(hasty, ticks), (patient, _)] = &reports[..] else { panic!("two reports") };
    let hasty = hasty.replace('\n', " ");
    assert!(hasty.contains("(fewer may be; the search was cut short)"), "{hasty}");
    assert!(*ticks < 40, "the clock was read {ticks} times, and the time had long been over");
    assert!(!patient.contains("fewer may be"), "{patient}");
}
