//! `synod check` as its users see it: verdicts, exit codes, and what is written where.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A register: the last read returns what was overwritten before it began. The read of line 5 does not matter.
const STALE: &str = "\
{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :write, :value 2}
{:process 1, :type :ok, :f :write, :value 2}
{:process 2, :type :invoke, :f :read, :value nil}
{:process 2, :type :ok, :f :read, :value 2}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value 1}
";

/// Lists: two transactions that each saw the other's work.
const CIRCLE: &str = "\
[{:process 0, :type :ok, :value [[:append :x 1] [:r :y [7]]]}
 {:process 1, :type :ok, :value [[:append :y 7] [:r :x [1]]]}]
";

/// A queue that keeps its order.
const QUEUE: &str = "\
{\"synod_history\":1,\"spec\":\"queue\"}
{\"t\":1,\"client\":1,\"type\":\"invoke\",\"f\":\"enqueue\",\"value\":5}
{\"t\":2,\"client\":1,\"type\":\"ok\"}
{\"t\":3,\"client\":2,\"type\":\"invoke\",\"f\":\"dequeue\"}
{\"t\":4,\"client\":2,\"type\":\"ok\",\"value\":5}
";

fn check(history: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_synod"))
        .args(["check", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Who has a wrong command line ends without reading.
    let _ = child.stdin.take().expect("it is piped").write_all(history.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_is_kept_is_0() {
    let output = check(QUEUE, &[]);
    assert_eq!(text(&output.stdout), "Kept: linearizability.\n");
    assert_eq!(output.status.code(), Some(0));
    let note = text(&output.stderr);
    assert!(note.starts_with("(queue, 2 operations of 2 processes, JSON lines; "), "{note}");
}

#[test]
fn what_is_broken_is_1_and_explained() {
    let output = check(STALE, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "\
Broken: linearizability. `read → 1` of process 0 (lines 7-8) cannot have taken
effect at any moment between its invocation and its return.

These 3 operations are impossible already, whether the other one took effect at
any time after its invocation or never:
  lines 1-2  process 0  write 1
  lines 3-4  process 1  write 2
  lines 7-8  process 0  read → 1  <- cannot be placed

What it ran into, in every state that was possible when it returned:
- Where the state was 2, it would have read 2.

Everything before it can be explained, for example in this order: write 1 (line
1), write 2 (line 3), read → 2 (line 5).
"
    );
}

#[test]
fn what_nobody_can_tell_is_2() {
    let output = check(QUEUE, &["--model", "serializable"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stdout).starts_with("Unknown: serializability, because "),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn what_is_no_history_is_64() {
    for (history, arguments, expected) in [
        (STALE, &["--model", "strong"][..], "no consistency model is called \"strong\""),
        (STALE, &["--spec", "stack"], "invalid value 'stack'"),
        (STALE, &["--spec", "queue"], "line 1, column 1: expected enqueue or dequeue"),
        ("{:process 0, :type :begin}", &[], "line 1, column 1: expected `:type` to be :invoke"),
        ("once upon a time", &[], "expected a history"),
        ("", &[], "an empty file"),
    ] {
        let output = check(history, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(expected) && output.stdout.is_empty(), "{arguments:?}: {said}");
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_synod")).args(["check", "no-such-file.edn"]).output();
    let missing = missing.expect("the program starts");
    assert_eq!(missing.status.code(), Some(64));
    assert!(
        text(&missing.stderr).contains("no-such-file.edn: it cannot be read"),
        "{}",
        text(&missing.stderr)
    );
}

#[test]
fn all_models_are_summed_up() {
    let output = check(STALE, &["--model", "all"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.starts_with("Strongest kept: sequential consistency.\nWeakest broken: linearizability.\n"),
        "{said}"
    );
    assert!(said.contains("PRAM (FIFO) consistency  kept\n"), "{said}");
    assert!(said.contains("<- cannot be placed"), "{said}");
}

#[test]
fn anomalies_of_transactions_have_names_and_witnesses() {
    let output = check(CIRCLE, &["--model", "all"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for expected in [
        "Weakest broken: read committed.",
        "Broken: read committed. G1c: information flowed in a circle (T0, T1).",
        "T0  line 1  process 0  append x 1, r y [7]",
        "So T0 would come before itself.",
    ] {
        assert!(said.contains(expected), "expected {expected:?} in:\n{said}");
    }
}

#[test]
fn reports_fit_into_80_columns() {
    for (history, arguments) in
        [(STALE, &[][..]), (STALE, &["--model", "all"]), (CIRCLE, &[]), (CIRCLE, &["--model", "all"])]
    {
        for line in text(&check(history, arguments).stdout).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn json_is_one_document() {
    let output = check(STALE, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(document["schema"], "synod-check/1");
    assert_eq!(document["verdict"], "broken");
    assert_eq!(document["spec"], "register");
    assert_eq!(document["operations"], 4);
    let found = &document["models"][0];
    assert_eq!((&found["model"], &found["verdict"]), (&"linearizable".into(), &"broken".into()));
    assert_eq!(found["core"]["operations"][2]["operation"], "read → 1");
    assert_eq!(found["core"]["operations"][2]["line"], 7);
}

#[test]
fn pages_and_pictures_need_nothing_else() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (page, picture) = (folder.join("check.html"), folder.join("check.svg"));
    let arguments =
        ["--html", page.to_str().expect("a plain path"), "--svg", picture.to_str().expect("a plain path")];
    let output = check(STALE, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(page).expect("the page was written");
    let picture = std::fs::read_to_string(picture).expect("the picture was written");
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("{{"), "{page}");
    assert!(page.contains("cannot be placed") && picture.contains("class=\"bar problem core\""));
    assert_eq!(picture.matches("http").count(), 1, "the name of SVG and no other address");
    let unwritable = check(STALE, &["--html", "no/such/folder/x.html"]);
    assert_eq!(unwritable.status.code(), Some(70));
    assert!(text(&unwritable.stderr).contains("no/such/folder/x.html: it cannot be written"));
}

#[test]
fn the_shell_knows_the_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_synod")).args(["completions", "bash"]).output();
    let script = text(&output.expect("the program starts").stdout);
    assert!(script.contains("synod__subcmd__check") && script.contains("causal-memory"), "no word of check");
}
