//! How many random histories are compared with the definition.

/// `plain` in the plain tests, as many as `CROSS_CHECK_CASES` says in a campaign (`cargo xtask cross-check`).
pub fn cases(plain: u32) -> u32 {
    let Ok(text) = std::env::var("CROSS_CHECK_CASES") else { return plain };
    text.parse().unwrap_or_else(|_| panic!("CROSS_CHECK_CASES: expected a number, found {text:?}"))
}
