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

/// Nobody in particular: no order in time, and no session, is claimed of transactions without either.
#[test]
fn transactions_may_be_all_that_an_example_says() {
    let maps = "{:type :ok, :value [[:append :x 1] [:r :y nil]]} {:type :ok, :value [[:r :x [1]]]}
                {:type :ok, :value [[:r :x nil]]}";
    let bare = "[[:append :x 1] [:r :y nil]]\n[[:r :x [1]]]\n[[:r :x nil]]\n";
    let json = r#"[[["append","x",1],["r","y",[]]],[["r","x",[1]]],[["r","x",null]]]"#;
    for text in [
        maps,
        &format!("[{maps}]"),
        bare,
        &format!("[{bare}]"),
        &format!("(\n{bare})"),
        json,
        &json[1..json.len() - 1].replace("],[[", "]\n[["),
    ] {
        let log = log(text);
        assert_eq!((log.operations.len(), Object::guess(&log)), (3, Ok(Object::ListAppend)), "{text}");
        assert_eq!(log.client_name(log.operations[1].client), "?");
        assert_eq!(asked(&log, Models::Usual).worst(), Worst::Kept, "{text}");
    }
    assert_eq!(worst(&bare.replace("[[:r :x nil]]", "[[:r :x nil] [:r :y nil] [:r :x [1]]]")), Worst::Broken);
    let registers = "[[:w :x 1] [:w :y 1]]\n[[:r :x 1] [:r :y nil]]\n";
    assert_eq!(Object::guess(&log(registers)), Ok(Object::ReadWrite));
    let answer = asked(&log(registers), Models::Usual);
    assert_eq!(answer.anomalies[0].name.to_string(), "G-single (fractured read)");
    // With processes there are sessions.
    let sessions = maps.replace("{:type", "{:process 7 :type");
    assert_eq!(worst(&sessions), Worst::Broken);
}

#[test]
fn maps_may_have_texts_for_keys() {
    let text = EDN
        .replace(":process ", "\"process\" ")
        .replace(":type ", "\"type\" ")
        .replace(":value", "\"value\"");
    let text = text.replace(":f ", "\"f\" ").replace(":invoke", "\"invoke\"").replace(":ok", "\"ok\"");
    let log = log(&text);
    assert_eq!((log.format, log.operations.len()), (Format::Edn, 3));
    assert_eq!(asked(&log, Models::Usual).worst(), Worst::Kept);
}

/// The same five operations, as they are found in the wild.
#[test]
fn a_history_is_read_however_its_lines_end_and_whatever_tags_it_has() {
    let plain = "{:index 0, :time 12, :type :invoke, :process 0, :f :write, :value [7 3]}
{:index 1, :time 15, :type :ok, :process 0, :f :write, :value [7 3]}
{:index 2, :time 16, :type :info, :process :nemesis, :f :start-partition, :value [:isolated {\"n1\" #{\"n2\"}}]}
{:index 3, :time 17, :type :invoke, :process 1, :f :cas, :value [7 [3 4]]}
{:index 4, :time 18, :type :info, :process 1, :f :cas, :value [7 [3 4]], :error [:indeterminate \"no answer\"]}
{:index 5, :time 19, :type :info, :process :nemesis, :f :bump-clock, :value {\"n1\" 12.5}, :clock-offsets {\"n1\" 0.5}}
{:index 6, :time 20, :type :invoke, :process 2, :f :read, :value [7 nil]}
{:index 7, :time 21, :type :fail, :process 2, :f :read, :value [7 nil], :error :no-leader}
{:index 8, :time 22, :type :invoke, :process 2, :f :read, :value [7 nil]}
{:index 9, :time 23, :type :ok, :process 2, :f :read, :value [7 4]}
{:index 10, :time 24, :type :invoke, :process 2, :f :read, :value [8 nil]}
{:index 11, :time 25, :type :ok, :process 2, :f :read, :value [8 nil]}";
    let tagged = plain.replace("{:index", "#jepsen.history.Op{:index");
    let tuples =
        plain.replace("[7 ", "#jepsen.independent.Tuple [7 ").replace("[8 ", "#clojure.lang.MapEntry[8 ");
    for text in [
        plain.to_owned(),
        format!("{plain}\n\n"),
        format!("[{plain}]\n"),
        format!("[{tagged}]"),
        tuples,
        format!("\u{feff}{}", plain.replace('\n', "\r\n")),
        plain.replace(", ", ",\t").replace(" :", "\t:"),
    ] {
        for (text, expected) in [(text.clone(), Worst::Kept), (text.replace("4]}", "5]}"), Worst::Broken)] {
            let log = log(&text);
            assert_eq!((log.format, log.operations.len(), log.faults.len()), (Format::Edn, 5, 2), "{text}");
            let answer = asked(&log, Models::Usual);
            assert_eq!((answer.object, answer.worst()), (Object::CasRegister, expected), "{text}");
        }
    }
}

#[test]
fn operations_are_found_in_a_log_whatever_stands_before_them() {
    let operations = [
        "0 :invoke :write 3",
        "0 :ok :write 3",
        "3 :invoke :cas [3 1]",
        "3 :info :cas [3 1] :timed-out",
        ":nemesis :info :start-partition [:isolated {\"n1\" #{\"n2\"}}]",
        "4 :invoke :read nil",
        "4 :ok :read 1",
        ":nemesis :info :stop-partition :network-healed",
        "5 :invoke :read nil",
        "5 :fail :read [:unavailable \"no leader\"]",
    ];
    for before in [
        "INFO  jepsen.util - ",
        "INFO [2016-05-01 11:12:13,044] jepsen worker 3 - jepsen.util ",
        "2023-01-05 10:11:12,345{GMT}\tINFO\t[jepsen worker 0] jepsen.util: ",
        "[2014-04-19T02:11:49.132Z] [INFO] [jepsen worker 0] jepsen.util - ",
    ] {
        for (blank, end) in [(" ", "\n"), ("\t", "\r\n")] {
            let lines = operations.map(|line| format!("{before}{}{end}", line.replacen(' ', blank, 3)));
            let other =
                format!("WARN  jepsen.core - Process 8 crashed{end}\tat java.net.Socket.read(Native){end}");
            let text = format!("{other}{}{other}{}", lines[..3].concat(), lines[3..].concat());
            let log = log(&text);
            assert_eq!(
                (log.format, log.operations.len(), log.faults.len()),
                (Format::JepsenLog, 4, 1),
                "{text}"
            );
            assert_eq!(asked(&log, Models::Usual).worst(), Worst::Kept, "{text}");
            assert_eq!(
                worst(&text.replace(":ok :read 1", ":ok :read 7").replace(":ok\t:read\t1", ":ok\t:read\t7")),
                Worst::Broken
            );
        }
    }
}

/// The keys and texts of Porcupine's logs.
#[test]
fn texts_keep_their_quotes_and_blanks() {
    let text = |read: &str| {
        format!(
            r#"{{:process 0, :type :invoke, :f :get, :key "0", :value nil}}
{{:process 0, :type :ok, :f :get, :key "0", :value ""}}
{{:process 1, :type :invoke, :f :append, :key "0", :value "x 1 \"0\" y\n"}}
{{:process 1, :type :ok, :f :append, :key "0", :value "x 1 \"0\" y\n"}}
{{:process 0, :type :invoke, :f :put, :key "1", :value ""}}
{{:process 0, :type :ok, :f :put, :key "1", :value ""}}
{{:process 0, :type :invoke, :f :get, :key "0", :value nil}}
{{:process 0, :type :ok, :f :get, :key "0", :value "{read}"}}
"#
        )
    };
    assert_eq!(Object::guess(&log(&text(""))), Ok(Object::KeyValue));
    assert_eq!(worst(&text(r#"x 1 \"0\" y\n"#)), Worst::Kept);
    assert_eq!(worst(&text(r#"x 1 "0" y"#.replace('"', "").as_str())), Worst::Broken);
    assert_eq!(worst(&text("")), Worst::Broken);
}

#[test]
fn a_history_without_operations_says_what_was_expected() {
    for (text, expected) in [
        ("{\"synod_history\":1}\n", "`{\"t\":0,\"client\":1,\"type\":\"invoke\",\"f\":\"read\"}`"),
        ("[]", "`{:process 0, :type :invoke, :f :read, :value nil}`"),
        ("2022 INFO jepsen.core - hello\n", "`jepsen.util - 0 :invoke :read nil`"),
    ] {
        let error = Object::guess(&log(text)).unwrap_err();
        assert!(error.starts_with("line 1: expected operations, ") && error.contains(expected), "{error}");
    }
}
