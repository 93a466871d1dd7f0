//! A line as words: plain, in single quotes (as they stand), or in double quotes (with Go's escapes).

use crate::go_syntax::quoting::unquote_prefix;

/// Splits a line. A plain word goes on to the next space, quotes in it included. A value in double quotes
/// must be text, for the arguments of commands are text.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' => {
                let (bytes, after) = unquote_prefix(rest)?;
                (String::from_utf8(bytes).map_err(|_| "a quoted word is not text in UTF-8")?, after)
            }
            '\'' => {
                let (word, after) = rest[1..].split_once('\'').ok_or("the closing ' is missing")?;
                (word.to_owned(), after)
            }
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::split;
    use proptest::prelude::*;

    #[test]
    fn splits_as_etcdctl_does() {
        let table: [(&str, &[&str]); 6] = [
            ("  put  a b ", &["put", "a", "b"]),
            (r#"put "a b" 'c "d"'"#, &["put", "a b", r#"c "d""#]),
            (r#"put a "x\ty""#, &["put", "a", "x\ty"]),
            (r#"--lease="a""#, &[r#"--lease="a""#]),
            (r#"put a """#, &["put", "a", ""]),
            ("", &[]),
        ];
        for (line, words) in table {
            assert_eq!(split(line).expect(line), words, "{line}");
        }
        assert!(split("'a").is_err() && split("\"a").is_err() && split(r#""\xff""#).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(line in "\\PC{0,32}") {
            let _ = split(&line);
        }
    }
}
