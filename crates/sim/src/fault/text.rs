//! The text form of faults: read and printed back without loss.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use synod_machine::NodeId;
use thiserror::Error;

use super::{Fault, Script, What};
use crate::Odds;

/// A line that is not a fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: expected {expected}, found `{found}`")]
pub struct FaultError {
    /// From 1.
    pub line: usize,
    /// What would have been right.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl FromStr for Script {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut script = Script::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            if !line.trim().is_empty() {
                let fault = line.parse().map_err(|error| FaultError { line: index + 1, ..error })?;
                script.faults.push(fault);
            }
        }
        Ok(script)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} {}", Seconds(self.at), self.what)?;
        match self.lasts {
            Some(lasts) => write!(f, " for {}", Seconds(lasts)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            What::Partition(groups) => write!(f, " {}", Groups(groups)),
            What::Flap { period, groups } => write!(f, " {} {}", Seconds(*period), Groups(groups)),
            What::Block { from, to } => write!(f, " {} -> {}", Nodes(from), Nodes(to)),
            What::Heal => Ok(()),
            What::Slow { from, to, factor } => write!(f, " {from} -> {to} x{factor}"),
            What::Lose { from, to, odds } => {
                let (percent, rest) = (odds.parts() / 10_000, odds.parts() % 10_000);
                let digits = format!("{rest:04}");
                let digits = digits.trim_end_matches('0');
                let dot = if digits.is_empty() { "" } else { "." };
                write!(f, " {percent}{dot}{digits}% {from} -> {to}")
            }
            What::Reset(one, other) => write!(f, " {one} {other}"),
            What::Drop { kind, from, to, count } => write!(f, " {kind} {from} -> {to} x{count}"),
            What::Jump { node, back, by } => {
                write!(f, " {node} {}{}", if *back { '-' } else { '+' }, Seconds(*by))
            }
            What::Drift { node, ppm } => write!(f, " {node} {ppm:+}ppm"),
            _ => write!(f, " {}", self.node().expect("the others happen to one node")),
        }
    }
}

/// A duration as faults and settings are written: `1.25s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:09}", self.0.subsec_nanos());
        let digits = digits.trim_end_matches('0');
        write!(f, "{}{}{digits}s", self.0.as_secs(), if digits.is_empty() { "" } else { "." })
    }
}

struct Nodes<'a>(&'a [NodeId]);

impl fmt::Display for Nodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, node) in self.0.iter().enumerate() {
            write!(f, "{}{node}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

struct Groups<'a>(&'a [Vec<NodeId>]);

impl fmt::Display for Groups<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, group) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { " | " }, Nodes(group))?;
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(line: &str) -> Result<Self, FaultError> {
        let mut words = Words { words: line.split_whitespace().collect(), next: 0 };
        words.literal("at", "`at`")?;
        let at = words.duration()?;
        let what = what(&mut words)?;
        let lasts = match words.peek() {
            None => None,
            Some(_) => {
                words.literal("for", "`for` or the end of the line")?;
                Some(words.duration()?)
            }
        };
        match words.peek() {
            None => Ok(Fault { at, what, lasts }),
            Some(found) => Err(error("the end of the line", found)),
        }
    }
}

fn what(words: &mut Words<'_>) -> Result<What, FaultError> {
    let name = words.word("a fault's name")?;
    Ok(match name {
        "crash" => What::Crash(words.node()?),
        "kill" => What::Kill(words.node()?),
        "crash-at-sync" => What::CrashAtSync(words.node()?),
        "restart" => What::Restart(words.node()?),
        "upgrade" => What::Upgrade(words.node()?),
        "wipe" => What::Wipe(words.node()?),
        "pause" => What::Pause(words.node()?),
        "partition" => What::Partition(words.groups()?),
        "flap" => What::Flap { period: words.duration()?, groups: words.groups()? },
        "block" => {
            let from = words.nodes()?;
            words.literal("->", "`->`")?;
            What::Block { from, to: words.nodes()? }
        }
        "heal" => What::Heal,
        "slow" => {
            let (from, to) = words.link()?;
            What::Slow { from, to, factor: words.times()? }
        }
        "lose" => {
            let odds = words.odds()?;
            let (from, to) = words.link()?;
            What::Lose { from, to, odds }
        }
        "reset" => What::Reset(words.node()?, words.node()?),
        "drop" => {
            let kind = words.word("a kind of message or `*`")?.to_owned();
            let (from, to) = words.link()?;
            What::Drop { kind, from, to, count: words.times()? }
        }
        "fail-sync" => What::FailSync(words.node()?),
        "fill" => What::Fill(words.node()?),
        "stall" => What::Stall(words.node()?),
        "rot" => What::Rot(words.node()?),
        "jump" => words.jump()?,
        "drift" => words.drift()?,
        found => return Err(error("a fault's name", found)),
    })
}

struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    fn word(&mut self, expected: &'static str) -> Result<&'a str, FaultError> {
        let word = self.peek().ok_or_else(|| error(expected, "the end of the line"))?;
        self.next += 1;
        Ok(word)
    }

    fn literal(&mut self, literal: &str, expected: &'static str) -> Result<(), FaultError> {
        match self.word(expected)? {
            word if word == literal => Ok(()),
            found => Err(error(expected, found)),
        }
    }

    fn node(&mut self) -> Result<NodeId, FaultError> {
        let word = self.word("a node such as n1")?;
        let number = word.strip_prefix('n').and_then(|digits| digits.parse().ok());
        number.map(NodeId).ok_or_else(|| error("a node such as n1", word))
    }

    fn nodes(&mut self) -> Result<Vec<NodeId>, FaultError> {
        let mut nodes = vec![self.node()?];
        while self.peek().is_some_and(|word| word.starts_with('n')) {
            nodes.push(self.node()?);
        }
        Ok(nodes)
    }

    fn groups(&mut self) -> Result<Vec<Vec<NodeId>>, FaultError> {
        let mut groups = vec![self.nodes()?];
        while self.peek() == Some("|") {
            self.next += 1;
            groups.push(self.nodes()?);
        }
        Ok(groups)
    }

    fn link(&mut self) -> Result<(NodeId, NodeId), FaultError> {
        let from = self.node()?;
        self.literal("->", "`->`")?;
        Ok((from, self.node()?))
    }

    fn times(&mut self) -> Result<u32, FaultError> {
        let word = self.word("a number of times such as x4")?;
        let number = word.strip_prefix('x').and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| error("a number of times such as x4", word))
    }

    fn odds(&mut self) -> Result<Odds, FaultError> {
        let word = self.word("odds such as 20%")?;
        let parts = word.strip_suffix('%').and_then(|number| decimal(number, 4));
        let parts = parts.filter(|parts| *parts <= 1_000_000);
        parts.map(|parts| Odds::per_million(parts as u32)).ok_or_else(|| error("odds such as 20%", word))
    }

    fn duration(&mut self) -> Result<Duration, FaultError> {
        let expected = "a duration such as 1.25s or 50ms";
        let word = self.word(expected)?;
        parse_duration(word).ok_or_else(|| error(expected, word))
    }

    fn jump(&mut self) -> Result<What, FaultError> {
        let node = self.node()?;
        let expected = "a jump such as +5s or -5s";
        let word = self.word(expected)?;
        let back = word.starts_with('-');
        let by = word.strip_prefix(['+', '-']).and_then(parse_duration);
        by.map(|by| What::Jump { node, back, by }).ok_or_else(|| error(expected, word))
    }

    fn drift(&mut self) -> Result<What, FaultError> {
        let node = self.node()?;
        let expected = "a rate such as +200ppm";
        let word = self.word(expected)?;
        let ppm = word.strip_suffix("ppm").and_then(|number| number.parse().ok());
        ppm.map(|ppm| What::Drift { node, ppm }).ok_or_else(|| error(expected, word))
    }
}

/// A duration from its text, `1h`, `30m`, `1.25s`, `50ms`, `20us` or `5ns`; exact, or `None`.
pub fn parse_duration(word: &str) -> Option<Duration> {
    let units = [("ms", 6, 1), ("us", 3, 1), ("ns", 0, 1), ("s", 9, 1), ("m", 9, 60), ("h", 9, 3_600)];
    let (number, digits, times) =
        units.iter().find_map(|(unit, digits, times)| Some((word.strip_suffix(unit)?, *digits, *times)))?;
    decimal(number, digits)?.checked_mul(times).map(Duration::from_nanos)
}

/// A decimal number with at most `digits` digits behind the point, in units of the last of them.
fn decimal(number: &str, digits: usize) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > digits || !plain(whole) || !plain(part) {
        return None;
    }
    format!("{whole}{part:0<digits$}").parse().ok()
}

fn error(expected: &'static str, found: &str) -> FaultError {
    FaultError { line: 1, expected, found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: &str = "\
at 0s crash n1 for 0.5s
at 0.000000001s kill n2
at 1s crash-at-sync n3
at 1s restart n1
at 1.25s upgrade n2 for 0.1s
at 2s wipe n1 for 1s
at 2s pause n3 for 0.2s
at 3s partition n1 | n2 n3 for 0.8s
at 3s flap 0.05s n1 n2 | n4 n5 for 2s
at 3s block n1 -> n2 n3
at 3.5s heal
at 4s slow n1 -> n2 x20 for 3s
at 4s lose 12.5% n1 -> n2 for 1s
at 4s lose 100% n2 -> n1
at 4s reset n1 n2 for 0.01s
at 5s drop append n1 -> n3 x4
at 5s fail-sync n1
at 5s fill n1 for 2s
at 5s stall n1 for 0.3s
at 5s rot n2
at 6s jump n1 -5s
at 6s jump n1 +0.001s
at 6s drift n1 -200ppm
at 6s drift n1 +200ppm
";

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("1.5h"), Some(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("2ms"), Some(Duration::from_millis(2)));
        for wrong in ["2", "h", "-1s", "1e3s", "9999999h", "1 h"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_fault_reads_and_prints_back() {
        let script: Script = EVERY.parse().expect("each line is a fault");
        assert_eq!(script.to_string(), EVERY);
    }

    #[test]
    fn units_and_comments_are_read() {
        let script: Script =
            "# nothing\n at 1250ms crash n1 for 20us # power\n\n".parse().expect("one fault");
        assert_eq!(script.to_string(), "at 1.25s crash n1 for 0.00002s\n");
    }

    #[test]
    fn errors_say_where_and_what() {
        for (text, message) in [
            ("\nat 1s burn n1", "line 2: expected a fault's name, found `burn`"),
            ("at 1 crash n1", "line 1: expected a duration such as 1.25s or 50ms, found `1`"),
            ("at 1s crash", "line 1: expected a node such as n1, found `the end of the line`"),
            ("at 1s heal now", "line 1: expected `for` or the end of the line, found `now`"),
            ("at 1s lose 101% n1 -> n2", "line 1: expected odds such as 20%, found `101%`"),
        ] {
            assert_eq!(text.parse::<Script>().expect_err(text).to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(at [0-9.]{1,4}m?s [a-z-]{1,9} [n0-9|> x%.-]{0,20}\n|\\PC{0,30})") {
            let _ = text.parse::<Script>();
        }

        #[test]
        fn times_survive(nanos: u64) {
            let fault = Fault { at: Duration::from_nanos(nanos), what: What::Heal, lasts: None };
            prop_assert_eq!(fault.to_string().parse::<Fault>().expect("it was printed"), fault);
        }
    }
}
