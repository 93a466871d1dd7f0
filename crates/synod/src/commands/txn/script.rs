//! A transaction's script: its sections and its requests.

use std::io::BufRead;

use clap::{Parser, Subcommand};
use synod_server::proto::etcdserverpb::request_op::Request;
use synod_server::proto::etcdserverpb::{Compare, RequestOp, TxnRequest};

use super::{compare, words};
use crate::commands::{del, get, put};
use crate::failure::Failure;

/// Longest script, in bytes: more than any server accepts by default.
const SCRIPT_BYTES_MAX: u64 = 64 << 20;

/// A script that was read.
#[derive(Debug, Default, PartialEq)]
pub struct Script {
    /// The comparisons.
    pub compares: Vec<Compare>,
    /// The requests if all hold.
    pub success: Vec<RequestOp>,
    /// The requests if one does not.
    pub failure: Vec<RequestOp>,
}

impl Script {
    /// The request that the script means.
    pub fn into_request(self) -> TxnRequest {
        TxnRequest { compare: self.compares, success: self.success, failure: self.failure }
    }
}

/// Reads a script; `begin` is told of each section before it is read. Errors name the line.
pub fn read(input: impl BufRead, mut begin: impl FnMut(&str)) -> Result<Script, String> {
    let mut lines = Lines { input: input.take(SCRIPT_BYTES_MAX), number: 0 };
    begin("compares:");
    let compares = lines.section("the comparisons", compare::parse)?;
    begin("success requests (get, put, del):");
    let success = lines.section("the success requests", parse_request)?;
    begin("failure requests (get, put, del):");
    let failure = lines.section("the failure requests", parse_request)?;
    Ok(Script { compares, success, failure })
}

struct Lines<R> {
    input: std::io::Take<R>,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads lines up to an empty one.
    fn section<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        loop {
            self.number += 1;
            let number = self.number;
            let mut line = String::new();
            self.input.read_line(&mut line).map_err(|error| format!("line {number}: {error}"))?;
            if !line.ends_with('\n') {
                return Err(match self.input.limit() {
                    0 => format!("a script has at most {SCRIPT_BYTES_MAX} bytes"),
                    _ => {
                        format!("line {number}: the script ends early: {name} must be ended by an empty line")
                    }
                });
            }
            match line.trim() {
                "" => return Ok(items),
                line => items.push(parse(line).map_err(|problem| format!("line {number}: {problem}"))?),
            }
        }
    }
}

/// One request, without the program's name.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
struct RequestLine {
    #[command(subcommand)]
    request: RequestCommand,
}

#[derive(Debug, Subcommand)]
#[command(disable_help_flag = true)]
enum RequestCommand {
    Get(get::Arguments),
    Put(put::Arguments),
    Del(del::Arguments),
}

fn parse_request(line: &str) -> Result<RequestOp, String> {
    let malformed = |problem: &str| format!("invalid txn request: {line} ({problem})");
    let words = words::split(line).map_err(|problem| malformed(&problem))?;
    let words = crate::cli::plain_switches(words, &crate::cli::switch_names(&request_command()));
    let parsed = RequestLine::try_parse_from(words).map_err(|error| {
        let text = error.render().to_string();
        malformed(text.lines().next().unwrap_or_default().trim_start_matches("error: "))
    })?;
    let no_value = || Err(Failure::usage("put needs a value here"));
    let request = match parsed.request {
        RequestCommand::Get(arguments) => arguments.request().map(Request::RequestRange),
        RequestCommand::Put(arguments) => arguments.request(no_value).map(Request::RequestPut),
        RequestCommand::Del(arguments) => arguments.request().map(Request::RequestDeleteRange),
    };
    let request = request.map_err(|failure| malformed(&failure.sentence.unwrap_or_default()))?;
    Ok(RequestOp { request: Some(request) })
}

fn request_command() -> clap::Command {
    <RequestLine as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use synod_server::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};

    fn script(text: &str) -> Result<Script, String> {
        read(text.as_bytes(), |_| {})
    }

    #[test]
    fn reads_three_sections() {
        let script = script(
            "mod(\"key1\") > \"0\"\nvalue(\"k\") = \"a b\"\n\nput key1 \"over wrote\" --prev-kv=true\nget --prefix 'k'\n\ndel a c\n\n",
        )
        .expect("valid");
        assert_eq!(script.compares.len(), 2);
        assert_eq!(script.compares[0].result(), CompareResult::Greater);
        assert_eq!(script.compares[0].target(), CompareTarget::Mod);
        assert_eq!(script.compares[1].target_union, Some(TargetUnion::Value("a b".into())));
        let Some(Request::RequestPut(put)) = &script.success[0].request else { panic!("a put") };
        assert_eq!((&put.value[..], put.prev_kv), (&b"over wrote"[..], true));
        let Some(Request::RequestRange(get)) = &script.success[1].request else { panic!("a get") };
        assert_eq!((&get.key[..], &get.range_end[..]), (&b"k"[..], &b"l"[..]));
        let Some(Request::RequestDeleteRange(del)) = &script.failure[0].request else { panic!("a del") };
        assert_eq!((&del.key[..], &del.range_end[..]), (&b"a"[..], &b"c"[..]));
    }

    #[test]
    fn sections_may_be_empty_but_not_missing() {
        assert_eq!(script("\n\n\n"), Ok(Script::default()));
        for text in ["", "\n", "\n\n", "\n\nput a b", "\nput a b\n", "\n\nput a b\n"] {
            let error = script(text).expect_err(text);
            assert!(error.contains("ends early"), "{text:?}: {error}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let table = [
            ("x\n", "line 1: malformed comparison: x"),
            ("\nfrobnicate a\n", "line 2: invalid txn request: frobnicate a"),
            ("\nput a\n", "put needs a value here"),
            ("\nget a --limit=x\n", "line 2: invalid txn request"),
            ("\nget \"a\n", "line 2: invalid txn request"),
            ("\nget a b --prefix\n", "too many arguments"),
        ];
        for (text, part) in table {
            let error = script(text).expect_err(part);
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn each_section_is_announced() {
        let mut announced = Vec::new();
        read(&b"\n\n\n"[..], |section| announced.push(section.to_owned())).expect("valid");
        assert_eq!(
            announced,
            ["compares:", "success requests (get, put, del):", "failure requests (get, put, del):"]
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "(put|get|del|mod\\(\"a\"\\)|\n)?[\\PC\n]{0,48}") {
            let _ = script(&text);
        }
    }
}
