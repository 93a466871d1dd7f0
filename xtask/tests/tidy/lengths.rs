//! Files and functions that grow too long to be read.

use crate::source::{Finding, Source, item_end, occurrences};

/// Lines of a file of Rust code.
const FILE_LINES_MAX: usize = 800;
/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 100;
/// Functions that may be longer, as `path: function`, each with the reason.
const LONG_FUNCTIONS: &[&str] = &[];

/// Finds files that are too long.
pub fn files(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if !source.is_rust() || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![source.finding(0, format!("{lines} lines; at most {FILE_LINES_MAX}: divide it by what it is about"))]
}

/// Finds functions that are too long.
pub fn functions(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in occurrences(&source.code, "fn") {
        let name: String = source.code[at + 2..]
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        // Without a name it is a type: `fn(u8) -> u8`.
        if name.is_empty() || LONG_FUNCTIONS.contains(&format!("{}: {name}", source.path).as_str()) {
            continue;
        }
        let lines = source.code[at..item_end(&source.code, at)].lines().count();
        if lines > FUNCTION_LINES_MAX {
            let advice =
                format!("{name} has {lines} lines; at most {FUNCTION_LINES_MAX}: give its parts names");
            findings.push(source.finding(at, advice));
        }
    }
    findings
}

#[test]
fn long_files_are_found() {
    let of_lines = |count: usize| Source::new("a.rs", &"//! x\n".repeat(count));
    assert_eq!(files(&of_lines(FILE_LINES_MAX)).len(), 0);
    assert_eq!(files(&of_lines(FILE_LINES_MAX + 1)).len(), 1);
}

#[test]
fn long_functions_are_found() {
    let of_lines = |count: usize| {
        let body = "    step();\n".repeat(count - 2);
        Source::new("a.rs", &format!("fn short() {{}}\nfn long(f: fn(u8) -> [u8; 4]) {{\n{body}}}\n"))
    };
    assert_eq!(functions(&of_lines(FUNCTION_LINES_MAX)).len(), 0);
    let found = functions(&of_lines(FUNCTION_LINES_MAX + 1));
    assert_eq!(found.iter().map(|finding| finding.place.as_str()).collect::<Vec<_>>(), ["a.rs:2"]);
}
