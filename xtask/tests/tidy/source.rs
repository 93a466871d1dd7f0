//! The files that the rules look at, and a view of Rust code without its texts and comments.
//!
//! The rules read characters, not syntax trees: that is quick, needs no parser, and finds what they look for. For it, [`masked`]
//! replaces what stands in comments, strings and characters by spaces, line by line and column by column.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository.
pub struct Source {
    /// From the root, with slashes.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Of a Rust file: the text without comments and literals; otherwise empty.
    pub code: String,
    /// Of a Rust file: where code for tests only stands.
    tests: Vec<Range<usize>>,
}

/// Something that is against a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// `path:line`.
    pub place: String,
    /// What is wrong, and what to do.
    pub advice: String,
}

impl Source {
    /// A file with this content.
    pub fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { masked(text) } else { String::new() };
        let tests = test_regions(path, &code);
        Self { path: path.to_owned(), text: text.to_owned(), code, tests }
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether what stands at this offset is compiled for tests only.
    pub fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|region| region.contains(&offset))
    }

    /// A finding at this offset.
    pub fn finding(&self, offset: usize, advice: impl Into<String>) -> Finding {
        let line = 1 + self.text[..offset].matches('\n').count();
        Finding { place: format!("{}:{line}", self.path), advice: advice.into() }
    }

    /// Where `word` stands in the code, not as a part of a longer word.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        occurrences(&self.code, word)
    }
}

/// Where `word` stands in `text`, not as a part of a longer word.
pub fn occurrences<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back().is_some_and(is_part);
        let after = text[at + word.len()..].chars().next().is_some_and(is_part);
        !(before && word.starts_with(is_part) || after && word.ends_with(is_part))
    })
}

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder of the workspace")
}

/// All text files of the repository, sorted by path: what git would commit, or everything but build results where there is no git.
pub fn repository() -> Vec<Source> {
    let mut paths = from_git().unwrap_or_else(|| from_folders(root()));
    paths.sort();
    let sources: Vec<Source> = paths
        .iter()
        .filter_map(|path| Some(Source::new(path, &fs::read_to_string(root().join(path)).ok()?)))
        .collect();
    assert!(
        sources.iter().filter(|source| source.is_rust()).count() > 100,
        "the tidy test sees the repository"
    );
    sources
}

fn from_git() -> Option<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
    let listed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| listed.lines().map(str::to_owned).collect())
}

fn from_folders(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name == "target" || name == ".git" {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(inner) = path.strip_prefix(root) {
                files.push(inner.to_string_lossy().into_owned());
            }
        }
    }
    files
}

/// Rust code with comments and literals blanked. Line ends and offsets stay as they are.
pub fn masked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("whole characters were blanked")
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment_end(bytes, at),
        [b'"', ..] => string_end(bytes, at + 1),
        [b'b' | b'c', b'"', ..] if !in_word => string_end(bytes, at + 2),
        [b'r', b'"' | b'#', ..] if !in_word => raw_string_end(bytes, at, at + 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !in_word => raw_string_end(bytes, at, at + 2),
        [b'\'', b'\\', ..] => {
            let close = rest.iter().skip(3).position(|byte| *byte == b'\'');
            close.map_or(bytes.len(), |length| at + length + 4)
        }
        [b'\'', ..] => {
            // A character if it is closed after one; otherwise a lifetime.
            let text = str::from_utf8(&rest[1..rest.len().min(6)]);
            let valid = text.or_else(|error| str::from_utf8(&rest[1..=error.valid_up_to()])).unwrap_or("");
            let length = valid.chars().next().map_or(0, char::len_utf8);
            if rest.get(1 + length) == Some(&b'\'') { at + length + 2 } else { at }
        }
        _ => at,
    }
}

fn block_comment_end(bytes: &[u8], begin: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = begin;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `begin` if no raw string begins there: `r#name` is an identifier.
fn raw_string_end(bytes: &[u8], begin: usize, hashes_at: usize) -> usize {
    let hashes = bytes[hashes_at..].iter().take_while(|byte| **byte == b'#').count();
    let open = hashes_at + hashes;
    if bytes.get(open) != Some(&b'"') {
        return begin;
    }
    let close = [&b"\""[..], &vec![b'#'; hashes]].concat();
    let found = bytes[open + 1..].windows(close.len()).position(|window| window == close);
    found.map_or(bytes.len(), |length| open + 1 + length + close.len())
}

/// Code for tests: whole files below `tests`, `benches` or called `tests.rs`, and what follows `#[cfg(test)]` elsewhere.
fn test_regions(path: &str, code: &str) -> Vec<Range<usize>> {
    let of_tests = |part: &str| part == "tests" || part == "benches" || part == "tests.rs";
    if path.split('/').any(of_tests) {
        return std::iter::once(0..code.len()).collect();
    }
    let after = |(at, attribute): (usize, &str)| at..item_end(code, at + attribute.len());
    code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test")).map(after).collect()
}

/// Where the item that begins at or after `at` ends: at its semicolon or closing brace.
pub fn item_end(code: &str, at: usize) -> usize {
    let bytes = code.as_bytes();
    let mut depth = 0_usize;
    for (offset, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *byte == b'}' {
                    return offset + 1;
                }
            }
            b';' if depth == 0 => return offset + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[test]
fn comments_and_literals_are_blanked() {
    let samples = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"\\\"(\") g", "f(     ) g"),
        (r##"r#"x"# y"##, "       y"),
        ("r#type z", "r#type z"),
        ("'a' 'é' '\\'' '\\n' &'life x", "                   &'life x"),
        ("b\"x\" b'y'", "     b   "),
    ];
    for (text, expected) in samples {
        let found = masked(text);
        assert_eq!(found.trim_end(), expected.trim_end(), "{text}");
        assert_eq!(found.len(), text.len(), "offsets stay: {text}");
    }
}

#[test]
fn code_for_tests_is_known() {
    let source =
        Source::new("crates/x/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n");
    let at = |name: &str| source.text.find(name).expect("it is there");
    assert_eq!(["fn a", "fn b", "fn c"].map(|name| source.is_test(at(name))), [false, true, false]);
    assert!(Source::new("crates/x/tests/a.rs", "fn a() {}").is_test(3));
}

#[test]
fn words_are_whole() {
    let source = Source::new("a.rs", "Instant InstantX XInstant std::time::Instant");
    assert_eq!(source.words("Instant").count(), 2);
}
