//! Strings in double quotes, as Go writes and reads them.
//!
//! Keys and values are bytes. Printing escapes what is not printable text, byte by byte where the bytes are
//! not UTF-8, so that every key can be told from every other. Reading takes the same escapes back, and gives
//! bytes.
//!
//! Which characters are printable is Go's table of Unicode categories; here every character counts but
//! controls, the separators other than the space, and a few invisible marks. The two differ on unassigned
//! code points only.

use std::fmt::Write as _;

/// Quotes bytes as Go's `%q` does for a string.
pub fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_character(&mut quoted, c));
        for byte in chunk.invalid() {
            push_escape(&mut quoted, format_args!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

fn push_character(quoted: &mut String, character: char) {
    match character {
        '"' => quoted.push_str("\\\""),
        '\\' => quoted.push_str("\\\\"),
        '\x07' => quoted.push_str("\\a"),
        '\x08' => quoted.push_str("\\b"),
        '\x0c' => quoted.push_str("\\f"),
        '\n' => quoted.push_str("\\n"),
        '\r' => quoted.push_str("\\r"),
        '\t' => quoted.push_str("\\t"),
        '\x0b' => quoted.push_str("\\v"),
        c if is_printable(c) => quoted.push(c),
        c if (c as u32) < 0x80 => push_escape(quoted, format_args!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x1_0000 => push_escape(quoted, format_args!("\\u{:04x}", c as u32)),
        c => push_escape(quoted, format_args!("\\U{:08x}", c as u32)),
    }
}

fn push_escape(quoted: &mut String, escape: std::fmt::Arguments<'_>) {
    quoted.write_fmt(escape).expect("writing to a string does not fail");
}

fn is_printable(character: char) -> bool {
    let invisible = matches!(
        character,
        '\u{ad}'
            | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{f0000}'..='\u{10ffff}'
    );
    character == ' ' || !(character.is_control() || character.is_whitespace() || invisible)
}

/// Reads one quoted string from the start of `text`: its bytes, and what follows the closing quote.
///
/// The quotes are `"…"` with Go's escapes, or `` `…` `` with none. The error says what was expected.
pub fn unquote_prefix(text: &str) -> Result<(Vec<u8>, &str), String> {
    if let Some(raw) = text.strip_prefix('`') {
        let end = raw.find('`').ok_or("the closing ` is missing")?;
        return Ok((raw.as_bytes()[..end].to_vec(), &raw[end + 1..]));
    }
    let mut rest = text.strip_prefix('"').ok_or("expected a string in double quotes")?;
    let mut bytes = Vec::new();
    loop {
        let Some(character) = rest.chars().next() else { return Err("the closing \" is missing".into()) };
        rest = &rest[character.len_utf8()..];
        match character {
            '"' => return Ok((bytes, rest)),
            '\\' => rest = unescape(rest, &mut bytes)?,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Reads what follows a backslash, appends what it stands for, and returns what comes after it.
fn unescape<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Result<&'t str, String> {
    let kind = text.chars().next().ok_or("the string ends in a backslash")?;
    let rest = &text[kind.len_utf8()..];
    let simple = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => return unescape_number(rest, 2, 16, bytes, false),
        'u' => return unescape_number(rest, 4, 16, bytes, true),
        'U' => return unescape_number(rest, 8, 16, bytes, true),
        '0'..='7' => return unescape_number(text, 3, 8, bytes, false),
        other => return Err(format!("\\{other} is not an escape: write \\\\ for a backslash")),
    };
    bytes.push(simple);
    Ok(rest)
}

/// A number of exactly `digits` digits: one byte, or one character in UTF-8.
fn unescape_number<'t>(
    text: &'t str,
    digits: usize,
    radix: u32,
    bytes: &mut Vec<u8>,
    is_character: bool,
) -> Result<&'t str, String> {
    let expected = || format!("expected {digits} digits of base {radix} after a backslash");
    let number = text.get(..digits).filter(|n| n.chars().all(|c| c.is_digit(radix))).ok_or_else(expected)?;
    let value = u32::from_str_radix(number, radix).map_err(|_| expected())?;
    if is_character {
        let character = char::from_u32(value).ok_or_else(|| format!("\\u{number} is not a character"))?;
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        bytes.push(u8::try_from(value).map_err(|_| format!("\\{number} does not fit into a byte"))?);
    }
    Ok(&text[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_as_go_quotes() {
        let table: [(&[u8], &str); 6] = [
            (b"a", r#""a""#),
            ("x\u{fffd}".as_bytes(), "\"x\u{fffd}\""),
            (b"x\xff\n<\xc3\xa9", r#""x\xff\n<é""#),
            (b"\"\\\t\x00\x7f", r#""\"\\\t\x00\x7f""#),
            ("\u{200b}\u{a0}".as_bytes(), r#""\u200b\u00a0""#),
            ("\u{10ffff}".as_bytes(), r#""\U0010ffff""#),
        ];
        for (bytes, quoted) in table {
            assert_eq!(quote(bytes), quoted);
        }
    }

    #[test]
    fn reads_escapes_back() {
        assert_eq!(unquote_prefix(r#""a\x62\143\u0064" rest"#), Ok((b"abcd".to_vec(), " rest")));
        assert_eq!(unquote_prefix(r"`a\n`)"), Ok((br"a\n".to_vec(), ")")));
    }

    #[test]
    fn says_what_is_wrong() {
        for text in
            ["", "a", "\"a", "`a", r#""\"#, r#""\q""#, r#""\x4""#, r#""\ud800""#, r#""\400""#, r#""\xé""#]
        {
            assert!(unquote_prefix(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let quoted = quote(&bytes);
            prop_assert_eq!(unquote_prefix(&quoted), Ok((bytes, "")));
        }

        #[test]
        fn never_panics(text in "[\"`]\\PC{0,24}") {
            let _ = unquote_prefix(&text);
        }
    }
}
