//! Histories as other people's tests write them: recognized without being told what they are, and judged right.

use synod_check::format::{Datum, Format, Log, Object, read};
use synod_check::judge::{Answer, Models, Question, Worst, judge};
use synod_check::linearizability::Effort;
use synod_check::model::Model;

fn log(text: &str) -> Log {
    read(text.as_bytes(), |_| {}).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

fn asked(log: &Log, models: Models) -> Answer {
    let question = Question { models, object: None, effort: Effort::default(), wants_order: false };
    judge(log, &question).unwrap_or_else(|error| panic!("{error}"))
}

fn worst(text: &str) -> Worst {
    asked(&log(text), Models::Usual).worst()
}

const EDN: &str = "[{:process 0 :type :invoke :f :write :value 1}
 {:process 0 :type :ok :f :write :value 1}
 {:process 1 :type :invoke :f :cas :value [1 2]}
 {:process 1 :type :ok :f :cas :value [1 2]}
 {:process :nemesis :type :info :f :start :value nil}
 {:process 2 :type :invoke :f :read :value nil}
 {:process 2 :type :ok :f :read :value 2}]";

/// The same as objects, one a line.
const JSON_LINES: &str = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":1,"type":"invoke","f":"cas","value":[1,2]}
{"process":1,"type":"ok","f":"cas","value":[1,2]}
{"process":"nemesis","type":"info","f":"start","value":null}
{"process":2,"type":"invoke","f":"read","value":null}
{"process":2,"type":"ok","f":"read","value":2}
"#;

#[test]
fn jepsens_json_says_what_its_edn_says() {
    let edn = log(EDN);
    let array = format!("[\n  {}\n]\n", JSON_LINES.trim().replace('\n', ",\n  ").replace("\":", "\" :\n   "));
    for text in [JSON_LINES, &array] {
        let json = log(text);
        assert_eq!(json.format, Format::Json);
        assert_eq!(json.operations.len(), edn.operations.len());
        for (one, two) in json.operations.iter().zip(&edn.operations) {
            assert_eq!(
                (one.client, &one.function, &one.argument),
                (two.client, &two.function, &two.argument)
            );
        }
        assert_eq!(json.faults.len(), 1);
        assert_eq!(asked(&json, Models::Usual).worst(), Worst::Kept);
    }
    assert_eq!(worst(&JSON_LINES.replace("\"read\",\"value\":2", "\"read\",\"value\":1")), Worst::Broken);
}

#[test]
fn a_bad_object_of_json_is_named() {
    let cases = [
        (r#"[{"process":0,"type":"juggle"}]"#, "line 1, column 2: expected `:type` to be"),
        ("[{\"process\":0,\n\"type\" 3}]", "line 2, column 8: expected `:` after the name of a member"),
        (r#"[{"process":0,"type":"invoke","f":"read"}"#, "an operation or the end of the sequence"),
        (r#"[{"process":0,"type":"invoke","f":"read"},7]"#, "expected an operation, {\"process\":"),
    ];
    for (text, expected) in cases {
        let error = read(text.as_bytes(), |_| {}).expect_err("expected a fault").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn operations_may_be_vectors() {
    let old = "[0 :invoke :write 1]\n[0 :ok :write 1]\n[1 :invoke :read nil]\n[1 :ok :read 1]\n";
    for text in [old.to_owned(), format!("[{old}]")] {
        let log = log(&text);
        assert_eq!((log.format, log.operations.len()), (Format::Edn, 2), "{text}");
        assert_eq!(asked(&log, Models::Usual).worst(), Worst::Kept);
    }
    assert_eq!(worst(&old.replace(":ok :read 1", ":ok :read 2")), Worst::Broken);
}

/// In the log of a test a swap that failed without a reason found another value. A text of operations claims no more than
/// that it did not happen.
#[test]
fn a_swap_that_failed_is_evidence_only_in_a_log() {
    let text = "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n0\t:invoke\t:cas\t[1 2]\n0\t:fail\t:cas\t[1 2]\n";
    assert_eq!((log(text).format, worst(text)), (Format::JepsenText, Worst::Kept));
    let logged = text.replace("0\t:", "INFO  jepsen.util - 0\t:");
    assert_eq!((log(&logged).format, worst(&logged)), (Format::JepsenLog, Worst::Broken));
}

#[test]
fn a_log_is_one_though_its_operations_come_late() {
    let before = "2022-07-28 07:52:55,480{GMT}\tINFO\t[main] jepsen.cli: Test options:\n".repeat(400);
    let text = format!("{before}2022-07-28 07:53:01 INFO [worker 0] jepsen.util: 0\t:invoke\t:read\tnil\n");
    let log = log(&text);
    assert_eq!((log.format, log.operations.len()), (Format::JepsenLog, 1));
}

#[test]
fn transactions_are_known_by_their_parts_whatever_they_are_called() {
    let text = "{:process 0 :type :invoke :f :write :value [[:w 1 1] [:w 2 1]]}
                {:process 0 :type :ok :f :write :value [[:w 1 1] [:w 2 1]]}
                {:process 1 :type :invoke :f :read :value [[:r 1 nil] [:r 2 nil]]}
                {:process 1 :type :ok :f :read :value [[:r 1 1] [:r 2 nil]]}";
    assert_eq!(Object::guess(&log(text)), Ok(Object::ReadWrite));
    assert_eq!(worst(text), Worst::Broken);
    assert_eq!(worst(&text.replace("[:r 2 nil]]}", "[:r 2 1]]}")), Worst::Kept);
    let lists = "{:process 0 :type :ok :value [[:r 1 [3]]]}";
    assert_eq!(Object::guess(&log(lists)), Ok(Object::ListAppend));
}

#[test]
fn accounts_are_no_register() {
    let text = "{:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value {0 10, 1 90}}";
    let sentence = Object::guess(&log(text)).unwrap_err();
    assert!(sentence.contains("bank accounts"), "{sentence}");
}

#[test]
fn zero_was_there_if_it_was_read_before_anything_wrote_it() {
    let begins = |first: &str, then: &str| {
        format!(
            "{{:process 0 :type :invoke :f :read}} {{:process 0 :type :ok :f :read :value {first}}}
             {{:process 1 :type :invoke :f :write :value 0}} {{:process 1 :type :fail :f :write :value 0}}
             {{:process 0 :type :invoke :f :read}} {{:process 0 :type :ok :f :read :value {then}}}"
        )
    };
    let zero = asked(&log(&begins("0", "0")), Models::Usual);
    assert_eq!(zero.worst(), Worst::Kept);
    assert_eq!(zero.assumptions.len(), 1);
    // Not where it is said, where something else was read, or where it may have been written.
    let mut said = log(&begins("0", "0"));
    said.header.initial = Some(Datum::Nil);
    assert_eq!(asked(&said, Models::Usual).worst(), Worst::Broken);
    assert_eq!(worst(&begins("7", "7")), Worst::Broken);
    assert_eq!(worst(&begins("nil", "nil")), Worst::Kept);
    assert_eq!(worst(&begins("nil", "0")), Worst::Broken);
}

/// Two writes of one value: no graph can tell them apart, but an order can be searched for.
#[test]
fn transactions_that_write_a_value_twice_are_searched() {
    let text = |read: &str| {
        format!(
            "{{:process 0 :type :invoke :f :txn :value [[:w :x 1] [:w :y 1]]}}
             {{:process 0 :type :ok :f :txn :value [[:w :x 1] [:w :y 1]]}}
             {{:process 1 :type :invoke :f :txn :value [[:r :x nil] [:w :x 2]]}}
             {{:process 1 :type :ok :f :txn :value [[:r :x 1] [:w :x 2]]}}
             {{:process 0 :type :invoke :f :txn :value [[:w :y 2] [:w :x 1]]}}
             {{:process 2 :type :invoke :f :txn :value [[:r :x nil] [:r :y nil]]}}
             {{:process 2 :type :ok :f :txn :value {read}}}
             {{:process 0 :type :info :f :txn :value [[:w :y 2] [:w :x 1]]}}"
        )
    };
    for read in ["[[:r :x 2] [:r :y 1]]", "[[:r :x 1] [:r :y 2]]"] {
        let answer = asked(&log(&text(read)), Models::All);
        assert_eq!(answer.worst(), Worst::Kept, "{read}");
        assert!(answer.findings.iter().all(|explained| explained.judgement.is_kept()));
    }
    let answer = asked(&log(&text("[[:r :x 2] [:r :y 2]]")), Models::All);
    assert_eq!(answer.worst(), Worst::Broken);
    let strict = &answer.findings[0].judgement;
    assert_eq!((strict.model, strict.is_broken()), (Model::StrictSerializable, true));
    // An older state: no order that respects real time, but one that respects the sessions.
    let answer = asked(&log(&text("[[:r :x nil] [:r :y nil]]")), Models::All);
    let verdicts: Vec<(Model, bool)> = answer
        .findings
        .iter()
        .map(|explained| (explained.judgement.model, explained.judgement.is_kept()))
        .collect();
    assert_eq!(verdicts[..2], [(Model::StrictSerializable, false), (Model::StrongSessionSerializable, true)]);
}

/// What was there at first, and was written again, is no proof of who was read.
#[test]
fn registers_of_transactions_may_begin_with_zero() {
    let text = |read: &str| {
        format!(
            "{{:process 0 :type :invoke :f :txn :value [[:r :x nil] [:w :x 5]]}}
             {{:process 0 :type :ok :f :txn :value [[:r :x 0] [:w :x 5]]}}
             {{:process 1 :type :invoke :f :txn :value [[:r :x nil]]}}
             {{:process 1 :type :ok :f :txn :value [[:r :x {read}]]}}"
        )
    };
    assert_eq!(worst(&text("5")), Worst::Kept);
    assert_eq!(worst(&text("0")), Worst::Broken);
    let again = " {:process 2 :type :invoke :f :txn :value [[:w :x 0]]} {:process 2 :type :info :f :txn}";
    assert_eq!(
        worst(&format!("{again}{}", text("0")).replace(
            ":process 0 :type :ok :f :txn :value [[:r :x 0]",
            ":process 0 :type :ok :f :txn :value [[:r :x nil]"
        )),
        Worst::Kept
    );
}
