//! What libFuzzer says, read from its log.

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Places that are counted. None without instrumentation.
    pub counters: u64,
    /// Edges reached by the inputs that the run began with.
    pub coverage_before: u64,
    /// Edges reached at its end.
    pub coverage_after: u64,
    /// Inputs tried.
    pub runs: u64,
}

impl Figures {
    /// Reads a log.
    pub fn parse(log: &str) -> Self {
        let mut figures = Self::default();
        for line in log.lines() {
            let number_after = |word: &str| number(line.split_once(word)?.1);
            if let Some(counters) =
                line.contains("inline 8-bit counters").then(|| number_after("modules   ("))
            {
                figures.counters += counters.unwrap_or(0);
            }
            if let Some(coverage) = number_after("cov: ") {
                if line.contains("INITED") {
                    figures.coverage_before = coverage;
                }
                figures.coverage_after = figures.coverage_after.max(coverage);
            }
            if let Some(runs) = line.starts_with("Done ").then(|| number_after("Done ")).flatten() {
                figures.runs = runs;
            }
        }
        figures
    }

    /// Whether the run meant anything.
    pub fn exercised(&self) -> bool {
        self.counters > 0 && self.coverage_after > 1 && self.runs > 0
    }
}

/// The part of a log that says what went wrong: from the panic or the fuzzer's own finding on, without stack frames.
pub fn complaint(log: &str) -> String {
    let begins = |line: &&str| {
        line.contains("panicked at")
            || line.contains("ERROR: libFuzzer")
            || line.contains("memory allocation")
    };
    let lines: Vec<&str> = log.lines().collect();
    let Some(at) = lines.iter().position(begins) else {
        return lines[lines.len().saturating_sub(12)..].join("\n");
    };
    lines[at..].iter().take(12).copied().collect::<Vec<_>>().join("\n")
}

fn number(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
INFO: Loaded 1 modules   (6625 inline 8-bit counters): 6625 [0x55, 0x56),
#5	INITED cov: 945 ft: 1317 corp: 4/162b exec/s: 0 rss: 27Mb
#262144	pulse  cov: 1357 ft: 4151 corp: 436/29Kb lim: 739 exec/s: 87381 rss: 29Mb
#966069	DONE   cov: 1464 ft: 5799 corp: 732/194Kb lim: 3542 exec/s: 46003 rss: 29Mb
Done 966069 runs in 21 second(s)
";

    #[test]
    fn figures_are_found() {
        let expected = Figures { counters: 6625, coverage_before: 945, coverage_after: 1464, runs: 966_069 };
        assert_eq!(Figures::parse(LOG), expected);
        assert!(expected.exercised());
    }

    #[test]
    fn a_run_without_coverage_means_nothing() {
        let log: String = LOG.lines().filter(|line| !line.contains("counters")).collect();
        assert!(!Figures::parse(&log).exercised());
        assert!(!Figures::parse("").exercised());
    }

    #[test]
    fn a_complaint_begins_with_the_panic() {
        let log = "#5 NEW cov: 3\nthread '<unnamed>' panicked at src/lib.rs:7:9:\nexpected 1, found 2\nmore";
        assert!(complaint(log).starts_with("thread"));
        assert_eq!(complaint("one\ntwo"), "one\ntwo");
    }
}
