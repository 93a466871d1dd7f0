//! What SWIM costs and how soon it finds a failure, as formulas of its paper.

/// Messages that a member sends in a period, and receives, when all answer: a ping and an ack (section 3.1).
pub const MESSAGES_PER_PERIOD: f64 = 2.0;

/// Periods until anybody pings a failed member, in the mean: `1 / (1 - (1 - 1/(n-1))^(n-f))`, with `failed` of `members` down; e/(e-1) for large
/// groups with one failure (section 3.1). The period in which it is pinged counts as one; the timeouts come on top.
pub fn first_detection_periods(members: u64, failed: u64) -> f64 {
    let others = members.saturating_sub(1).max(1) as f64;
    let probers = members.saturating_sub(failed.max(1)) as f64;
    1.0 / (1.0 - libm::pow(1.0 - 1.0 / others, probers))
}

/// Periods within which *each* member has pinged a failed one, with round-robin (section 4.3).
pub fn detection_periods_max(members: u64) -> u64 {
    (2 * members).saturating_sub(1)
}

/// Probability that a member is found without answer in a period although it is up, for the loss rate `loss` of a message and `helpers` helpers, in a group of
/// large size: a direct probe takes two messages, one by a helper four (section 3.1, without failures). Times e/(e-1)… when any member's probe counts.
pub fn false_probe_probability(loss: f64, helpers: u32) -> f64 {
    let passed = 1.0 - loss;
    let direct = 1.0 - libm::pow(passed, 2.0);
    let by_helper = 1.0 - libm::pow(passed, 4.0);
    direct * libm::pow(by_helper, f64::from(helpers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_detection_of_a_large_group() {
        assert!((first_detection_periods(1_000_000, 1) - 1.581_977).abs() < 1e-5);
        assert_eq!(first_detection_periods(2, 1), 1.0);
        assert_eq!(detection_periods_max(5), 9);
        assert_eq!(false_probe_probability(0.0, 3), 0.0);
        assert!((false_probe_probability(0.1, 3) - 0.19 * 0.3439_f64.powi(3)).abs() < 1e-12);
    }
}
