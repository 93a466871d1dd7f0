//! Values of histories: what was written and read, whatever it was.
//!
//! A checker only asks whether two values are equal. So a number that is not a whole one of 64 bits stays the word that it
//! was written as, and nothing is rounded.

use std::fmt;
use std::sync::Arc;

/// A value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Datum {
    /// Nothing: `nil`, `null`.
    #[default]
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(Arc<str>),
    /// A keyword with its colon, a symbol, or a number that is no [`Datum::Integer`], as it was written.
    Word(Arc<str>),
    /// Values in order. Sets are in the order in which they were written.
    List(Arc<[Datum]>),
    /// Keys and values, in the order in which they were written.
    Map(Arc<[(Datum, Datum)]>),
}

impl Datum {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// A keyword, a symbol or an unusual number.
    pub fn word(word: impl AsRef<str>) -> Self {
        Self::Word(word.as_ref().into())
    }

    /// Values in order.
    pub fn list(values: impl Into<Vec<Datum>>) -> Self {
        Self::List(values.into().into())
    }

    /// A map with names for keys.
    pub fn map<'a>(members: impl IntoIterator<Item = (&'a str, Datum)>) -> Self {
        Self::Map(members.into_iter().map(|(name, value)| (Self::text(name), value)).collect())
    }

    /// Whether it is nothing.
    pub fn is_nil(&self) -> bool {
        *self == Self::Nil
    }

    /// The values of a list.
    pub fn as_list(&self) -> Option<&[Datum]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// Both values of a list of two.
    pub fn as_pair(&self) -> Option<(&Datum, &Datum)> {
        match self.as_list()? {
            [first, second] => Some((first, second)),
            _ => None,
        }
    }

    /// The whole number.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The name in a text, a keyword (without its colon) or a symbol.
    pub fn as_name(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(word) => Some(word.strip_prefix(':').unwrap_or(word)),
            _ => None,
        }
    }

    /// The value at a key of a map, given by its name.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        match self {
            Self::Map(entries) => {
                entries.iter().find(|(key, _)| key.as_name() == Some(name)).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

/// As a reader of a report wants it: `nil`, `3`, `"text"`, `[1 2]`.
impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Word(word) => f.write_str(word),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key} {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The checkers describe values by their `Debug` form; for a person it is the other one.
impl fmt::Debug for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
