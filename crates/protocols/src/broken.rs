//! What an invariant says that does not hold.

use alloc::string::String;
use core::fmt;

/// A property that does not hold, and what was expected and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The property, as the literature names it.
    pub property: &'static str,
    /// In words.
    pub sentence: String,
}

impl Broken {
    /// `property` does not hold, as `sentence` says.
    pub fn new(property: &'static str, sentence: impl Into<String>) -> Self {
        Broken { property, sentence: sentence.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.sentence)
    }
}

impl core::error::Error for Broken {}
