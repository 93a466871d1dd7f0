//! The program as its users see it: exit codes, streams, and what it says when nothing is there to talk to.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn synod(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synod"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("ETCD") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    synod(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_and_version_are_data() {
    for arguments in [
        &["--help"][..],
        &["get", "--help"],
        &["serve", "--help"],
        &["check", "--help"],
        &["--version"],
        &["version"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
    assert!(text(&run(&["--help"]).stdout).contains("synod dev"));
}

#[test]
fn a_wrong_command_line_is_64() {
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["get"],
        &["get", "a", "--sort-by", "COLOUR"],
        &["get", "a", "--count-only"],
        &["get", "a", "-w", "yaml"],
        &["put", "a", "b", "--lease", "xyz"],
        &["get", "a", "--endpoints", "nowhere"],
        &["get", "a", "-w", "table"],
        &["txn"],
        &["check"],
        &["bench", "list", "--history", "h.jsonl"],
        &["check", "-", "--time-limit", "soon"],
        &["dev", "--nodes", "0"],
        &["serve", "--discovery=http://x"],
        &["serve", "--listen-client-url=http://x"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn nobody_there_is_69() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("--endpoints={}", listener.local_addr().expect("an address"));
    drop(listener);
    for arguments in [
        &["get", "a"][..],
        &["put", "a", "b"],
        &["watch", "a"],
        &["status"],
        &["member", "list"],
        &["endpoint", "status"],
        &["lease", "keep-alive", "1f"],
    ] {
        let output = run(&[&[endpoint.as_str()], arguments].concat());
        assert_eq!(output.status.code(), Some(69), "{arguments:?}: {}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains("Connection refused"),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn variables_are_read() {
    let output =
        synod(&["get", "a"]).env("ETCDCTL_ENDPOINTS", "nowhere").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(64));
    let output = synod(&["serve"]).env("ETCD_NAME", "a,b").output().expect("the program starts");
    assert_eq!(
        text(&output.stderr),
        "Error: ETCD_NAME \"a,b\": expected a name without commas, = and control characters\n"
    );
}

#[test]
fn a_taken_port_is_named_before_anything_starts() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let data = tempfile::tempdir().expect("a temporary directory");
    let directory = data.path().to_str().expect("text");
    let output = run(&["dev", "--nodes=1", "--data", directory, "--listen", &address]);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        text(&output.stderr).contains(&format!("cannot listen on {address}")),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_reader_that_leaves_is_no_panic() {
    let mut process = synod(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(process.stdout.take());
    let mut errors = String::new();
    process.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    assert_eq!((process.wait().expect("it ends").code(), errors.as_str()), (Some(0), ""));
}
