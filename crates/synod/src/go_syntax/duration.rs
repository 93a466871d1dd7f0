//! Durations as Go writes them: `300ms`, `1h30m`, `1.5s`, `916.81µs`.
//!
//! A duration is a sequence of decimal numbers, each with a unit (`ns us µs ms s m h`); a bare `0` needs
//! none. Signs are not read: no setting of etcd's has a use for a negative duration.

use std::time::Duration;

/// What a caller may tell a user whose duration was not understood.
pub const EXPECTED: &str = "a duration such as 300ms, 2s or 1h30m";

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration; the error says what was expected. Values past about 292 years are refused, as in Go.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total_ns: u64 = 0;
    if rest.is_empty() {
        return Err(format!("expected {EXPECTED}"));
    }
    while !rest.is_empty() {
        let (part_ns, after) = parse_part(rest).ok_or_else(|| format!("expected {EXPECTED}"))?;
        total_ns = total_ns.checked_add(part_ns).filter(|ns| *ns <= i64::MAX as u64).ok_or("too long")?;
        rest = after;
    }
    Ok(Duration::from_nanos(total_ns))
}

/// One number with its unit, in nanoseconds, and what follows it.
fn parse_part(text: &str) -> Option<(u64, &str)> {
    let whole_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, mut rest) = text.split_at(whole_end);
    let mut fraction = "";
    if let Some(after_point) = rest.strip_prefix('.') {
        let end = after_point.find(|c: char| !c.is_ascii_digit()).unwrap_or(after_point.len());
        (fraction, rest) = after_point.split_at(end);
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(unit_end);
    let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let whole_ns = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.checked_mul(*unit_ns)? };
    Some((whole_ns.checked_add(fraction_of(fraction, *unit_ns))?, after))
}

/// `0.<digits>` of a unit, cut to whole nanoseconds. Digits that cannot matter any more are not looked at.
fn fraction_of(digits: &str, unit_ns: u64) -> u64 {
    const DIGITS_MAX: usize = 18;
    let (mut numerator, mut denominator) = (0_u128, 1_u128);
    for digit in digits.bytes().take(DIGITS_MAX) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    u64::try_from(u128::from(unit_ns) * numerator / denominator).expect("a fraction is less than its unit")
}

/// Writes a duration as Go prints it: the largest unit that leaves a whole part, without trailing zeros.
pub fn format(duration: Duration) -> String {
    let ns = duration.as_nanos();
    if ns == 0 {
        return "0s".into();
    }
    let (unit_ns, unit) = match ns {
        0..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => return format_long(duration),
    };
    format!("{}{unit}", decimal(ns, unit_ns))
}

fn format_long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let below_minute = decimal(duration.as_nanos() % 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{below_minute}s"),
        (0, _) => format!("{minutes}m{below_minute}s"),
        _ => format!("{hours}h{minutes}m{below_minute}s"),
    }
}

/// `value / unit` in decimal, exactly, without trailing zeros.
fn decimal(value: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{}", value / unit) } else { format!("{}.{fraction}", value / unit) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        let table = [
            ("0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5ms", 500_000),
            ("1.us", 1_000),
            ("1h30m", 5_400_000_000_000),
            ("2µs", 2_000),
            ("7ns", 7),
            ("0.000000001s", 1),
        ];
        for (text, ns) in table {
            assert_eq!(parse(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "5", "s", ".s", "5 s", "5sec", "-5s", "1d", "9999999999999h", "1..5s", "1s2"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints_as_go_prints() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (916_810, "916.81µs"),
            (1_117_394, "1.117394ms"),
            (2_000_000_000, "2s"),
            (90_500_000_000, "1m30.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (ns, text) in table {
            assert_eq!(format(Duration::from_nanos(ns)), text);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_printed_is_read_back(ns in 0..i64::MAX as u64) {
            let duration = Duration::from_nanos(ns);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
