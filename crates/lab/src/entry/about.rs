//! Everything that is said about a mechanism, as one value.

use super::{Experiment, Exploration, Family, Parameter, Settings, Weakness};

/// What is said about a mechanism. Written as a `static` with `..About::EMPTY` for what there is none of.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name: a word, with hyphens.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// The chapter or section of the survey, such as `5.3`.
    pub chapter: &'static str,
    /// The question that it answers, with its question mark.
    pub question: &'static str,
    /// The source of its module, whose leading `//!` lines are the essay: `protocols::…::SOURCE`.
    pub source: &'static str,
    /// The faults that it survives, in words, a line each.
    pub survives: &'static [&'static str],
    /// What can be set.
    pub parameters: &'static [Parameter],
    /// What must hold.
    pub properties: &'static [Property],
    /// What it costs, as formulas.
    pub costs: &'static [Cost],
    /// The papers, a line each.
    pub papers: &'static [&'static str],
    /// The survey's figures as scripts.
    pub figures: &'static [Figure],
    /// What breaks it, and known bugs that can be put back.
    pub weaknesses: &'static [Weakness],
    /// Small worlds that are seen in full.
    pub explorations: &'static [Exploration],
    /// What is measured.
    pub experiments: &'static [Experiment],
    /// Counts that a campaign of some size must have moved, or it proves nothing.
    pub must_exercise: &'static [&'static str],
}

impl About {
    /// Nothing yet: the rest of a struct expression.
    pub const EMPTY: About = About {
        name: "",
        family: Family::Database,
        chapter: "",
        question: "",
        source: "",
        survives: &[],
        parameters: &[],
        properties: &[],
        costs: &[],
        papers: &[],
        figures: &[],
        weaknesses: &[],
        explorations: &[],
        experiments: &[],
        must_exercise: &[],
    };

    /// The essay: the leading `//!` lines of the source, without the marks.
    pub fn essay(&self) -> String {
        let lines = self.source.lines().take_while(|line| line.starts_with("//!"));
        lines.map(|line| line.trim_start_matches("//!").trim_start_matches(' ').to_owned() + "\n").collect()
    }

    /// The property of that name.
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// The exploration of that name.
    pub fn exploration(&self, name: &str) -> Option<&'static Exploration> {
        self.explorations.iter().find(|exploration| exploration.name == name)
    }

    /// The weakness of that name.
    pub fn weakness(&self, name: &str) -> Option<&'static Weakness> {
        self.weaknesses.iter().find(|weakness| weakness.name == name)
    }
}

/// Something that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// As the literature names it; a violation names it the same.
    pub name: &'static str,
    /// What it says.
    pub sentence: &'static str,
    /// Who says so: paper and section.
    pub source: &'static str,
}

/// What something costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Of what: `messages an entry`.
    pub name: &'static str,
    /// As the literature writes it: `3 (N - 1)`.
    pub formula: &'static str,
    /// The same, computed from the settings.
    pub value: fn(&Settings) -> f64,
    /// The unit: `messages`, `ms`.
    pub unit: &'static str,
}

/// One of the survey's figures, as a script with the messages and states that come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Which figure.
    pub name: &'static str,
    /// The golden script.
    pub script: &'static str,
}
