//! The hash ring against its invariants, its formulas, and the survey's figure.

mod bounded;
mod figure;
mod rings;
