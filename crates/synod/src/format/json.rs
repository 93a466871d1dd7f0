//! JSON as Go's encoder writes it: fields in declaration order, bytes in base64, `<`, `>` and `&` escaped.
//!
//! An object is built field by field. The plain methods omit zero values, as fields tagged `omitempty` are;
//! those named `…_always` keep them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// An object under construction.
#[derive(Debug, Default)]
pub struct Object(String);

impl Object {
    /// An empty object.
    pub fn new() -> Self {
        Self::default()
    }

    /// Any value that is already JSON.
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_string(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    /// A nested object, omitted if it is `None`.
    pub fn object(self, name: &str, json: Option<String>) -> Self {
        match json {
            Some(json) => self.raw(name, &json),
            None => self,
        }
    }

    /// A number, omitted if it is zero.
    pub fn number(self, name: &str, number: impl Into<i128>) -> Self {
        match number.into() {
            0 => self,
            number => self.number_always(name, number),
        }
    }

    /// A number.
    pub fn number_always(self, name: &str, number: impl Into<i128>) -> Self {
        self.raw(name, &number.into().to_string())
    }

    /// A switch, omitted if it is false.
    pub fn switch(self, name: &str, value: bool) -> Self {
        if value { self.raw(name, "true") } else { self }
    }

    /// A text, omitted if it is empty.
    pub fn text(self, name: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.raw(name, &string(text)) }
    }

    /// A list, omitted if it is empty.
    pub fn list(self, name: &str, items: impl IntoIterator<Item = String>) -> Self {
        match list(items) {
            empty if empty == "[]" => self,
            items => self.raw(name, &items),
        }
    }

    /// Bytes in base64, omitted if there are none.
    pub fn bytes(self, name: &str, value: &Bytes) -> Self {
        if value.is_empty() { self } else { self.raw(name, &bytes(value)) }
    }

    /// The finished object.
    pub fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

/// A list of values that are already JSON.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// Bytes in base64, in quotes.
pub fn bytes(bytes: &Bytes) -> String {
    format!("\"{}\"", STANDARD.encode(bytes))
}

/// A text in quotes.
pub fn string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    push_string(&mut json, text);
    json
}

fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                write!(json, "\\u{:04x}", character as u32).expect("writing to a string does not fail");
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_go_does() {
        assert_eq!(string("a\"\\\n<&>\u{2028}\x01é"), r#""a\"\\\n\u003c\u0026\u003e\u2028\u0001é""#);
    }

    #[test]
    fn objects_omit_what_is_zero_unless_told() {
        let object =
            Object::new().number("a", 0).number_always("b", 0).switch("c", false).text("d", "").list("e", []);
        assert_eq!(object.finish(), r#"{"b":0}"#);
        assert_eq!(Object::new().finish(), "{}");
        let object = Object::new().number("a", u64::MAX).number("b", -1);
        assert_eq!(object.finish(), r#"{"a":18446744073709551615,"b":-1}"#);
    }
}
