//! placeholder for criterion's measurements of one exchange.
fn main() {}
