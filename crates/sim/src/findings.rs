//! Violations that were found once are looked for first for ever after.
//!
//! A folder of small text files, one a finding, made to lie beside the tests under version control. A seed alone is not a durable link: after a change of the code
//! it may mean another run. So a finding also says which build found it, what it looked like, and the plan's faults as a script.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A saved violation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// The run's seed.
    pub seed: u64,
    /// The subject's name: a word.
    pub subject: String,
    /// The property that was violated.
    pub property: String,
    /// What was expected and found.
    pub sentence: String,
    /// The version that found it.
    pub build: String,
    /// The faults of the plan, one a line.
    pub script: String,
}

impl Finding {
    fn file_name(&self) -> String {
        format!("{}-{}.finding", self.subject, self.seed)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let one_line = |text: &str| text.replace(['\n', '\r'], " ");
        writeln!(f, "seed: {}", self.seed)?;
        writeln!(f, "subject: {}", one_line(&self.subject))?;
        writeln!(f, "property: {}", one_line(&self.property))?;
        writeln!(f, "sentence: {}", one_line(&self.sentence))?;
        writeln!(f, "build: {}", one_line(&self.build))?;
        self.script.lines().try_for_each(|line| writeln!(f, "fault: {line}"))
    }
}

impl std::str::FromStr for Finding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut finding = Finding::default();
        let mut seed = None;
        for (index, line) in text.lines().enumerate() {
            let expected = |what: &str| format!("line {}: expected {what}, found `{line}`", index + 1);
            let (name, value) = line.split_once(": ").ok_or_else(|| expected("`name: value`"))?;
            match name {
                "seed" => seed = Some(value.parse().map_err(|_| expected("a seed of 64 bits"))?),
                "subject" => value.clone_into(&mut finding.subject),
                "property" => value.clone_into(&mut finding.property),
                "sentence" => value.clone_into(&mut finding.sentence),
                "build" => value.clone_into(&mut finding.build),
                "fault" => finding.script += &format!("{value}\n"),
                _ => return Err(expected("seed, subject, property, sentence, build or fault")),
            }
        }
        finding.seed = seed.ok_or("expected a line `seed: …`, found none")?;
        Ok(finding)
    }
}

/// A folder of findings.
#[derive(Clone, Debug)]
pub struct Findings {
    folder: PathBuf,
}

impl Findings {
    /// The folder; it is made with the first finding.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Findings { folder: folder.into() }
    }

    /// Saves a finding in place of an earlier one of the same subject and seed. Gives its file.
    pub fn save(&self, finding: &Finding) -> io::Result<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if finding.subject.is_empty() || !finding.subject.chars().all(plain) {
            let problem = format!("a subject's name is a word, found `{}`", finding.subject);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        fs::create_dir_all(&self.folder)?;
        let file = self.folder.join(finding.file_name());
        fs::write(&file, finding.to_string())?;
        Ok(file)
    }

    /// The findings about a subject, by seed.
    ///
    /// # Errors
    /// When a file cannot be read; the error names it.
    pub fn load(&self, subject: &str) -> io::Result<Vec<Finding>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut findings = Vec::new();
        for entry in entries {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "finding") {
                let finding = read(&file)?;
                if finding.subject == subject {
                    findings.push(finding);
                }
            }
        }
        findings.sort_by_key(|finding| finding.seed);
        Ok(findings)
    }
}

fn read(file: &Path) -> io::Result<Finding> {
    let named = |problem: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {problem}", file.display()))
    };
    let text = fs::read_to_string(file).map_err(|error| named(&error))?;
    text.parse().map_err(|problem: String| named(&problem))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finding() -> Finding {
        Finding {
            seed: u64::MAX,
            subject: "raft".to_owned(),
            property: "election safety".to_owned(),
            sentence: "two leaders in term 3: n1 and n4".to_owned(),
            build: "0.1.0".to_owned(),
            script: "at 1s crash n1 for 0.5s\nat 2s heal\n".to_owned(),
        }
    }

    #[test]
    fn a_finding_reads_back() {
        assert_eq!(finding().to_string().parse(), Ok(finding()));
        let error = "seed: x".parse::<Finding>().expect_err("not a number");
        assert_eq!(error, "line 1: expected a seed of 64 bits, found `seed: x`");
    }

    #[test]
    fn a_folder_keeps_them() {
        let folder = std::env::temp_dir().join(format!("synod-findings-{}", std::process::id()));
        let findings = Findings::at(&folder);
        assert_eq!(findings.load("raft").expect("no folder is no finding"), []);
        let file = findings.save(&finding()).expect("saved");
        findings.save(&Finding { seed: 3, ..finding() }).expect("saved");
        findings.save(&Finding { subject: "paxos".to_owned(), ..finding() }).expect("saved");
        let seeds: Vec<u64> =
            findings.load("raft").expect("loaded").iter().map(|finding| finding.seed).collect();
        assert_eq!(seeds, [3, u64::MAX]);
        fs::write(&file, "nonsense").expect("written");
        let error = findings.load("raft").expect_err("damaged").to_string();
        assert!(error.contains("raft-") && error.contains("line 1"), "{error}");
        fs::remove_dir_all(&folder).expect("removed");
        findings.save(&Finding { subject: "../x".to_owned(), ..finding() }).expect_err("not a word");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "((seed|fault|x): \\PC{0,9}\n|\\PC{0,20}){0,4}") {
            let _ = text.parse::<Finding>();
        }
    }
}
