//! What was meant to be temporary, and what works on one machine only.

use crate::source::{Finding, Source, item_end, occurrences};

/// Macros that stand for work not done. Written in two parts, so that this file does not find itself.
const MACROS: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// Words in comments or texts that stand for the same.
const WORDS: &[&str] = &[concat!("FIX", "ME"), concat!("TO", "DO"), concat!("X", "XX"), concat!("HA", "CK")];
/// Folders of somebody's machine.
const FOLDERS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/tm", "p/"), concat!("/ho", "me/"), concat!("/ro", "ot/")];
/// Waiting by the clock.
const SLEEPS: &[&str] = &["thread::sleep", "time::sleep", "sleep"];

/// Finds work that was left for later.
pub fn markers(source: &Source) -> Vec<Finding> {
    let of_macro = |name: &&'static str| source.words(name).map(|at| (at, *name)).collect::<Vec<_>>();
    let of_word =
        |word: &&'static str| occurrences(&source.text, word).map(|at| (at, *word)).collect::<Vec<_>>();
    let found = MACROS.iter().flat_map(of_macro).chain(WORDS.iter().flat_map(of_word));
    found
        .map(|(at, name)| source.finding(at, format!("{name}: do it, or say what is left out and why")))
        .collect()
}

/// Finds tests that are switched off.
pub fn ignored_tests(source: &Source) -> Vec<Finding> {
    let attributes = source.code.match_indices("#[ignore").map(|(at, _)| at);
    attributes
        .map(|at| source.finding(at, "a test that is not run proves nothing: repair it or remove it"))
        .collect()
}

/// Finds `unwrap` in code that ships: it says neither what was expected nor why it cannot fail.
pub fn unwraps(source: &Source) -> Vec<Finding> {
    let calls = source.code.match_indices(".unwrap()").map(|(at, _)| at).filter(|at| !source.is_test(*at));
    calls
        .map(|at| {
            source.finding(at, "unwrap outside tests: return an error, or expect(\"why it cannot fail\")")
        })
        .collect()
}

/// Finds tests that wait by the clock: they are slow where time is plenty, and fail where it is not.
///
/// A function that waits for a condition, up to a bound, may sleep between two looks. It says so by its name: `wait_…`,
/// `until_…` or `eventually_…`. A test under tokio's paused clock sleeps in virtual time.
pub fn sleeping_tests(source: &Source) -> Vec<Finding> {
    if source.text.contains("start_paused") {
        return Vec::new();
    }
    let waiting = waiting_functions(source);
    let is_call = |at: &usize| source.code[at + "sleep".len()..].starts_with('(');
    let calls = source.words(SLEEPS[2]).filter(is_call).filter(|at| source.is_test(*at));
    calls
        .filter(|at| !waiting.iter().any(|region| region.contains(at)))
        .map(|at| {
            source.finding(at, "a test that sleeps: use virtual time, or wait_for a condition with a bound")
        })
        .collect()
}

/// Finds folders of one machine in any text. A user of a single letter stands for anyone: `/home/u`.
pub fn machine_paths(source: &Source) -> Vec<Finding> {
    let found = FOLDERS.iter().flat_map(|folder| source.text.match_indices(folder));
    let is_alone = |at: usize| {
        !source.text[..at].ends_with(|before: char| before.is_alphanumeric() || "._-})$~*".contains(before))
    };
    let is_anyone = |end: usize| {
        let mut name = source.text[end..].chars();
        name.next().is_some_and(char::is_alphabetic) && !name.next().is_some_and(char::is_alphanumeric)
    };
    found
        .filter(|(at, folder)| is_alone(*at) && !is_anyone(at + folder.len()))
        .map(|(at, folder)| {
            source.finding(at, format!("{folder} is a folder of one machine: name it another way"))
        })
        .collect()
}

fn waiting_functions(source: &Source) -> Vec<std::ops::Range<usize>> {
    let names = ["fn wait", "fn until", "fn eventually"];
    let begins = names.iter().flat_map(|name| source.code.match_indices(name));
    begins.map(|(at, _)| at..item_end(&source.code, at)).collect()
}

#[test]
fn markers_are_found() {
    for name in MACROS {
        assert_eq!(markers(&Source::new("a.rs", &format!("fn a() {{ {name}() }}"))).len(), 1, "{name}");
        assert_eq!(markers(&Source::new("a.rs", &format!("// no {name}\n"))), [], "{name}");
    }
    for word in WORDS {
        assert_eq!(markers(&Source::new("a.md", &format!("Text. {word}: more"))).len(), 1, "{word}");
    }
}

#[test]
fn ignored_tests_are_found() {
    assert_eq!(ignored_tests(&Source::new("a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}")).len(), 1);
}

#[test]
fn unwraps_are_found() {
    let planted = Source::new(
        "crates/a/src/a.rs",
        "fn a() { b().unwrap() }\n#[cfg(test)]\nmod tests { fn c() { b().unwrap() } }",
    );
    assert_eq!(unwraps(&planted).len(), 1);
    assert_eq!(unwraps(&Source::new("crates/a/tests/a.rs", "fn a() { b().unwrap() }")), []);
}

#[test]
fn sleeping_tests_are_found() {
    let sleeping = "fn a() { std::thread::sleep(PAUSE); }";
    assert_eq!(sleeping_tests(&Source::new("crates/a/tests/a.rs", sleeping)).len(), 1);
    assert_eq!(sleeping_tests(&Source::new("crates/a/src/a.rs", sleeping)), []);
    for allowed in
        ["fn wait_for() { sleep(PAUSE) }", "#[tokio::test(start_paused = true)] fn a() { sleep(PAUSE) }"]
    {
        assert_eq!(sleeping_tests(&Source::new("crates/a/tests/a.rs", allowed)), []);
    }
}

#[test]
fn machine_paths_are_found() {
    for folder in FOLDERS {
        assert_eq!(machine_paths(&Source::new("a.md", &format!("see {folder}name"))).len(), 1, "{folder}");
        assert_eq!(machine_paths(&Source::new("a.md", &format!("see target{folder}name"))), [], "{folder}");
    }
}
