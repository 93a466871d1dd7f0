//! Histories in files: each notation read, its faults named, nothing trusted.

use std::time::Duration;

use proptest::prelude::*;
use synod_check::format::objects::keying;
use synod_check::format::{Datum, Ending, Format, Log, Object, lines, read};
use synod_check::judge::{Models, Question, Worst, describe, judge};
use synod_check::linearizability::Effort;
use synod_check::model::Model;

fn log(text: &str) -> Log {
    read(text.as_bytes(), |_| {}).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

fn fault(text: &str) -> String {
    read(text.as_bytes(), |_| {}).expect_err("expected a fault").to_string()
}

fn worst(log: &Log) -> Worst {
    let models = Models::These(vec![Model::Linearizable]);
    let question = Question { models, object: None, effort: Effort::default(), wants_order: false };
    judge(log, &question).unwrap_or_else(|error| panic!("{error}")).worst()
}

fn described(log: &Log) -> Vec<String> {
    let keying = keying(log);
    log.operations
        .iter()
        .map(|operation| format!("{} {}", operation.client.0, describe(operation, keying)))
        .collect()
}

const LINES: &str = r#"{"synod_history":1,"spec":"cas-register","source":"a test"}
{"t":0,"client":1,"type":"invoke","f":"write","value":5}
{"t":10,"type":"fault","id":1,"what":"partition n1 | n2 n3"}
{"t":20,"client":2,"type":"invoke","f":"cas","value":[5,6],"more":{"is":"skipped"}}
{"t":30,"client":1,"type":"ok"}
{"t":40,"client":2,"type":"info","error":"timeout"}

{"t":50,"client":1,"type":"invoke","f":"read"}
{"t":60,"type":"fault end","id":1}
{"t":70,"client":1,"type":"ok","value":6}
"#;

#[test]
fn our_lines_are_read() {
    let log = log(LINES);
    assert_eq!((log.format, log.header.object), (Format::Lines, Some(Object::CasRegister)));
    assert_eq!(log.header.source.as_deref(), Some("a test"));
    assert_eq!(described(&log), ["1 write 5", "2 cas [5 6] → ?", "1 read → 6"]);
    assert!(log.is_timed);
    assert_eq!(log.operations[1].invoked, Duration::from_nanos(20));
    assert_eq!(log.faults.len(), 1);
    assert_eq!(log.faults[0].what, "partition n1 | n2 n3");
    assert_eq!(log.faults[0].to, Some(Duration::from_nanos(60)));
    assert_eq!(worst(&log), Worst::Kept);
}

#[test]
fn what_is_written_in_our_lines_is_read_back() {
    let first = log(LINES);
    let written = lines::write(&first, Vec::new()).unwrap();
    let second = log(std::str::from_utf8(&written).unwrap());
    assert_eq!(described(&first), described(&second));
    assert_eq!((&first.faults, &first.header), (&second.faults, &second.header));
    assert_eq!(first.ends().collect::<Vec<_>>(), second.ends().collect::<Vec<_>>());
}

const EDN: &str = "; A comment
[{:process 0, :type :invoke, :f :write, :value 1, :time 3, :index 0}
 {:process :nemesis, :type :info, :f :start, :value nil}
 {:process :nemesis, :type :info, :f :start, :value \"cut off n1\"}
 {:type :ok, :f :write, :value 1, :process 0}
 #_{:process 9 :type :nonsense}
 {:process 1 :type :invoke :f :cas :value [1 2]} {:process 1 :type :info :f :cas :value [1 2] :error :timeout}
 #jepsen.history.Op{:process 0 :type :invoke :f :read :value nil}
 {:process 0 :type :ok :f :read :value 2}
 {:process :nemesis, :type :info, :f :stop, :value nil}
 {:process :nemesis, :type :info, :f :stop, :value :healed}
 {:process 0 :type :invoke :f :cas :value [7 8]}
 {:process 0 :type :fail :f :cas :value [7 8] :error [:no-conns \"text\"]}]
";

#[test]
fn jepsens_maps_are_read() {
    let vector = log(EDN);
    assert_eq!(vector.format, Format::Edn);
    assert_eq!(described(&vector), ["0 write 1", "1 cas [1 2] → ?", "0 read → 2", "0 cas [7 8] → failed"]);
    assert_eq!(vector.faults.len(), 1);
    assert_eq!(vector.faults[0].what, "start cut off n1");
    assert!(vector.faults[0].to.is_some());
    assert_eq!(worst(&vector), Worst::Kept);
    // The same as a list, and one after the other.
    for (begin, end) in [("(", ")"), ("", "")] {
        let text = EDN.replacen('[', begin, 1);
        let last = text.rfind(']').unwrap();
        let other = log(&format!("{}{end}{}", &text[..last], &text[last + 1..]));
        assert_eq!(described(&other), described(&vector));
    }
}

#[test]
fn a_failed_operation_did_not_happen() {
    let text = "{:process 0 :type :invoke :f :write :value 1}
        {:process 0 :type :fail :f :write :value 1}
        {:process 0 :type :invoke :f :read :value nil}
        {:process 0 :type :ok :f :read :value ";
    assert_eq!(worst(&log(&format!("{text} nil}}"))), Worst::Kept);
    assert_eq!(worst(&log(&format!("{text} 1}}"))), Worst::Broken);
    // The same with an unknown end: both may be.
    let unknown = text
        .replace(":fail", ":info")
        .replace("{:process 0 :type :invoke :f :read", "{:process 1 :type :invoke :f :read");
    let unknown = unknown.replace("{:process 0 :type :ok", "{:process 1 :type :ok");
    assert_eq!(worst(&log(&format!("{unknown} nil}}"))), Worst::Kept);
    assert_eq!(worst(&log(&format!("{unknown} 1}}"))), Worst::Kept);
}

#[test]
fn independent_keys_are_told_apart() {
    let text = "{:process 0 :type :invoke :f :write :value [1 5]}
        {:process 0 :type :ok :f :write :value [1 5]}
        {:process 0 :type :invoke :f :read :value [2 nil]}
        {:process 0 :type :ok :f :read :value [2 nil]}
        {:process 0 :type :invoke :f :cas :value [1 [5 6]]}
        {:process 0 :type :ok :f :cas :value [1 [5 6]]}
        {:process 0 :type :invoke :f :read :value [1 nil]}
        {:process 0 :type :ok :f :read :value [1 6]}";
    assert_eq!(worst(&log(text)), Worst::Kept);
    assert_eq!(worst(&log(&text.replace("[1 6]}", "[1 5]}"))), Worst::Broken);
    // Newer tests write the version of the key besides.
    let versioned = "{:process 0 :type :invoke :f :write :value [1 [nil 5]]}
        {:process 0 :type :ok :f :write :value [1 [3 5]]}
        {:process 0 :type :invoke :f :read :value [1 [nil nil]]}
        {:process 0 :type :ok :f :read :value [1 [3 5]]}";
    assert_eq!(worst(&log(versioned)), Worst::Kept);
    assert_eq!(
        worst(&log(&versioned.replace("[1 [3 5]]}", "[1 [3 4]]}").replacen("[3 4]", "[3 5]", 1))),
        Worst::Broken
    );
}

const LOG: &str = "INFO  jepsen.core - Running the test
INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.util - 1   :invoke :read   nil
INFO  jepsen.util - 0\t:ok\t:write\t3
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO  jepsen.util - 1   :fail   :read   :timed-out
INFO  jepsen.util - 2\t:invoke\t:cas\t[3 4]
INFO  jepsen.util - 2\t:info\t:cas\t:timed-out
2014-05-01 12:00:00 INFO [worker 3] jepsen.util - 3\t:invoke\t:cas\t[0 1]
2014-05-01 12:00:00 INFO [worker 3] jepsen.util - 3\t:fail\t:cas\t[0 1]
java.net.SocketTimeoutException: Read timed out
INFO  jepsen.util - 3\t:invoke\t:read\tnil
INFO  jepsen.util - 3\t:ok\t:read\t4
";

#[test]
fn logs_of_jepsen_are_read() {
    let read = log(LOG);
    assert_eq!((read.format, read.is_timed), (Format::JepsenLog, false));
    let expected = ["0 write 3", "1 read → failed", "2 cas [3 4] → ?", "3 cas [0 1] → failed", "3 read → 4"];
    assert_eq!(described(&read), expected);
    assert_eq!(worst(&read), Worst::Kept);
    // A swap that failed saw another value: with 3 in the register it would have succeeded.
    let other = LOG.replace("[0 1]", "[4 1]").replace("[3 4]", "[3 3]").replace(":read\t4", ":read\t3");
    assert_eq!(worst(&log(&other)), Worst::Kept);
    assert_eq!(worst(&log(&other.replace("[4 1]", "[3 1]"))), Worst::Broken);
    // The same without a logger in front, as in `history.txt`.
    let bare: String =
        LOG.lines().filter_map(|line| Some(format!("{}\n", line.split_once(".util - ")?.1))).collect();
    assert_eq!(described(&log(&bare)), expected);
}

#[test]
fn key_value_logs_are_read() {
    let text = r#"{:process 0, :type :invoke, :f :append, :key "7", :value "x 0 0 y"}
{:process 1, :type :invoke, :f :get, :key "7", :value nil}
{:process 1, :type :ok, :f :get, :key "7", :value ""}
{:process 0, :type :ok, :f :append, :key "7", :value "x 0 0 y"}
{:process 1, :type :invoke, :f :put, :key "7", :value "z"}
{:process 1, :type :ok, :f :put, :key "7", :value "z"}
{:process 0, :type :invoke, :f :get, :key "7", :value nil}
{:process 0, :type :ok, :f :get, :key "7", :value "z"}
"#;
    let read = log(text);
    assert_eq!(Object::guess(&read), Ok(Object::KeyValue));
    assert_eq!(worst(&read), Worst::Kept);
    let other = text.replacen("\"z\"", "\"w\"", 2);
    assert_eq!(worst(&log(&other)), Worst::Broken);
}

#[test]
fn operations_without_invocations_claim_no_order_in_time() {
    let text = "{:process 0, :type :ok, :f :write :value 1}
        {:process 1, :type :ok, :f :write :value 2}
        {:process 2, :type :ok, :f :read :value 1}
        {:process 2, :type :ok, :f :read :value 2}";
    assert_eq!(worst(&log(text)), Worst::Kept);
    let reversed = text.replace("0, :type :ok, :f :write :value 1", "0, :type :ok, :f :write :value 9");
    assert_eq!(worst(&log(&reversed)), Worst::Broken);
}

#[test]
fn other_objects_are_guessed() {
    let of = |function: &str, value: &str, other: &str| {
        let text = format!(
            "{{:process 0 :type :invoke :f :{function} :value {value}}} {{:process 0 :type :ok :f :{function} :value {value}}}
             {{:process 0 :type :invoke :f :{other} :value nil}}"
        );
        Object::guess(&log(&text))
    };
    assert_eq!(of("enqueue", "1", "dequeue"), Ok(Object::Queue));
    assert_eq!(of("acquire", "nil", "release"), Ok(Object::Mutex));
    assert_eq!(of("acquire", "3", "release"), Ok(Object::Lock));
    assert_eq!(of("add", "1", "read"), Ok(Object::Counter));
    assert_eq!(of("add", "1", "contains"), Ok(Object::Set));
    assert_eq!(of("write", "1", "read"), Ok(Object::Register));
    assert_eq!(of("txn", "[[:append 1 2]]", "txn"), Ok(Object::ListAppend));
    assert_eq!(of("txn", "[[:w 1 2] [:r 1 nil]]", "txn"), Ok(Object::ReadWrite));
    let unknown = of("juggle", "1", "read").unwrap_err();
    assert!(
        unknown.starts_with("no object is known that is asked juggle (line 1), read (line 2)"),
        "{unknown}"
    );
}

#[test]
fn a_bad_line_is_named() {
    let cases = [
        (
            "",
            "line 1, column 1: expected a history: JSON lines with a header, Jepsen's EDN or JSON, or a log of Jepsen's, found an empty file",
        ),
        (
            "hello\nworld\n",
            "line 1, column 1: expected a history: JSON lines with a header, Jepsen's EDN or JSON, or a log of Jepsen's, found `hello`",
        ),
        (
            "{\"a\":1}\n",
            "line 1, column 1: expected a header, {\"synod_history\":1}, on the first line of JSON, found another object",
        ),
        ("{\"synod_history\":2}\n", "line 1, column 1: expected version 1 of the notation, found version 2"),
        (
            "{\"synod_history\":1,\"spec\":\"stack\"}\n",
            "line 1, column 1: expected one of register, cas-register, kv, etcd, queue, set, counter, lock, mutex, list-append, rw-register, found \"spec\" \"stack\"",
        ),
        (
            "{\"synod_history\":1}\n{\"t\":0,\"client\":1,\"type\":\"invoke\"}\n",
            "line 2, column 1: expected what is asked, in \"f\", found none",
        ),
        (
            "{\"synod_history\":1}\n{\"t\":-1}\n",
            "line 2, column 1: expected a time \"t\" in nanoseconds, found `-1`",
        ),
        (
            "{\"synod_history\":1}\n\n{\"t\":0 \"client\":1}\n",
            "line 3, column 8: expected `,` or `}` after a member, found `\"client\":1}`",
        ),
        (
            "{\"synod_history\":1} {}\n",
            "line 1, column 21: expected the end of the line after the object, found `{}`",
        ),
        (
            "[{:process 0 :type :invoke :f :read}\n 7]",
            "line 2, column 2: expected an operation, `{:process … :type …}`, found `7`",
        ),
        (
            "[{:process 0 :f :read}]",
            "line 1, column 2: expected an operation with a `:type` (the operations of a test are in its history.edn or history.txt), \
             found a map of :process, :f",
        ),
        (
            "[{:process 0 :type :maybe}]",
            "line 1, column 2: expected `:type` to be :invoke, :ok, :fail or :info, found `:maybe`",
        ),
        (
            "[{:process 0 :type}]",
            "line 1, column 2: expected a map of keys and values, an even number, found 3 of them",
        ),
        (
            "[{:type :invoke :f :read}",
            "line 1, column 26: expected an operation or the end of the sequence, found the end of the file",
        ),
        ("[{:type :invoke :f \"read}]", "line 1, column 20: expected a string with an end, found none"),
        (
            "{:process 0 :type :invoke :f :read}\n{:process 0 :type :invoke :f :write}",
            "line 2, column 1: expected one operation of a process at a time, found another invocation of process 0, whose read of line 1 has not ended",
        ),
        (
            "{:process 0 :type :invoke :f :read}\n{:process 1 :type :ok :f :read}",
            "line 2, column 1: expected the end of an operation in flight, found the end of one that process 1 never began",
        ),
        (
            "{:process 0 :type :invoke :f :read}\n{:process 0 :type :ok :f :write}",
            "line 2, column 1: expected the end of the read of line 1, found the end of a write",
        ),
        (
            "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.util - 0\tok\t:read\t3\n",
            "line 2, column 21: expected an operation: a process, then :invoke, :ok, :fail or :info, then what is asked, found `0ok:read3`",
        ),
        (
            "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 \n",
            "line 1, column 39: expected a value, or `]` for what begins at line 1, column 36, found the end of the file",
        ),
        (
            "[{:process 0 :type :invoke :f :read :value [0 1}]",
            "line 1, column 48: expected a value, or `]` for what begins at line 1, column 44, found `}]`",
        ),
        (
            "[{:process 0 :type 7 :f :read}]",
            "line 1, column 2: expected `:type` to be :invoke, :ok, :fail or :info, found `7`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(fault(text).replace("\\t", ""), expected, "{text}");
    }
    let deep = format!("[{}", "[".repeat(100));
    assert!(fault(&deep).contains("expected at most 64 levels of values"), "{}", fault(&deep));
}

#[test]
fn an_operation_that_does_not_fit_is_named() {
    let log = log(
        "{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :ok :f :write :value 1}\n  {:process 0 :type :invoke :f :cas :value 3}",
    );
    let question =
        Question { models: Models::Usual, object: None, effort: Effort::default(), wants_order: false };
    let error = judge(&log, &question).unwrap_err().to_string();
    assert_eq!(
        error,
        "this is no history of a cas-register: line 3, column 3: expected a compare-and-swap of `[expected new]`, found `3`"
    );
    let error = judge(&log, &Question { object: Some(Object::Queue), ..question }).unwrap_err().to_string();
    assert_eq!(
        error,
        "this is no history of a queue: line 1, column 1: expected enqueue or dequeue, which a queue is asked, found `write`"
    );
}

#[test]
fn the_last_end_of_a_history_that_was_cut_is_unknown() {
    let log = log("{:process 0 :type :invoke :f :write :value 1}");
    assert!(matches!(log.operations[0].ending, Ending::Unknown { at: None, error: None }));
    assert_eq!(log.operations[0].argument, Datum::Integer(1));
}

/// Pieces of all notations, so that random texts come close to being histories.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\\",
    "#_",
    "#",
    ";",
    "\n",
    " ",
    "\t",
    ",",
    ":",
    "nil",
    "null",
    "-1",
    "3",
    "1e9",
    "{\"synod_history\":1}\n",
    "{\"t\":1,\"client\":1,\"type\":\"invoke\",\"f\":\"read\"}\n",
    "\"value\":",
    "\\u12",
    "\\ud800\\u0041",
    "{:process 0 :type :invoke :f :read}\n",
    "{:process 0 :type :ok :f :read :value ",
    "INFO  jepsen.util - ",
    "0\t:invoke\t:cas\t[0 1]\n",
    "0\t:ok\t:read\t",
    ":nemesis\t:info\t:start\tnil\n",
    "é",
    "\u{feff}",
    "\u{0}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_in_a_file_is_trusted(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes[..], |_| {});
    }

    #[test]
    fn nothing_that_looks_like_a_history_is_trusted(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        let text = pieces.concat();
        if let Ok(log) = read(text.as_bytes(), |_| {}) {
            for operation in &log.operations {
                describe(operation, keying(&log));
            }
            let models = Models::These(vec![Model::Linearizable]);
            let _ = judge(&log, &Question { models, object: None, effort: Effort::default(), wants_order: true });
        }
    }

    #[test]
    fn values_survive_our_notation(text in "\\PC{0,20}", number in any::<i64>()) {
        let value = Datum::list([Datum::text(&text), Datum::Integer(number), Datum::Nil, Datum::Bool(true)]);
        let mut writer = lines::Writer::new(Vec::new(), &lines::Header::default()).unwrap();
        let at = Duration::from_nanos(7);
        writer.event(at, 3, synod_check::format::Kind::Invoke, "write", Some(&Datum::text(&text)), &value).unwrap();
        let written = writer.finish().unwrap();
        let log = read(&written[..], |_| {}).unwrap();
        prop_assert_eq!(&log.operations[0].argument, &value);
        prop_assert_eq!(&log.operations[0].key, &Some(Datum::text(&text)));
    }
}
