//! What a run exercised: a campaign that never elected a leader or tore a record proves nothing by finding nothing.

use std::collections::BTreeMap;

use synod_machine::{Fate, loss_name};

/// Counts by name: faults that took effect, fates of messages, what disks and clients did, and the machines' own notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exercised {
    counts: BTreeMap<String, u64>,
}

/// Counts whose names end so are the most of something at one time: of several runs the most counts, not the sum.
const AT_MOST: &str = ", at most";

impl Exercised {
    /// How often that was; 0 if never.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// All counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Exercised) {
        for (name, count) in other.iter() {
            match name.ends_with(AT_MOST) {
                true => {
                    let most = self.counts.entry(name.to_owned()).or_default();
                    *most = count.max(*most);
                }
                false => self.add(name, count),
            }
        }
    }

    /// Adds to one count.
    pub fn add(&mut self, name: &str, count: u64) {
        match self.counts.get_mut(name) {
            Some(known) => *known += count,
            None => drop(self.counts.insert(name.to_owned(), count)),
        }
    }

    /// How many faults took effect.
    pub fn faults(&self) -> u64 {
        self.iter().filter(|(name, _)| name.starts_with("fault.")).map(|(_, count)| count).sum()
    }

    /// Why the run proves nothing, if it does not: it did nothing at all, or faults were planned and none took effect.
    pub fn vacuous(&self, planned_faults: usize) -> Option<String> {
        if self.count("message.delivered") + self.count("client.replies") == 0 {
            return Some("no message was delivered and no client was answered".to_owned());
        }
        (planned_faults > 0 && self.faults() == 0)
            .then(|| format!("none of the {planned_faults} planned faults took effect"))
    }
}

/// Counts while the world runs: by the address of static names, without a look at their letters.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Vec<(&'static str, u64)>,
}

impl Tally {
    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        let place = self.counts.iter().position(|(known, _)| std::ptr::eq(*known, name));
        match place {
            Some(place) => self.counts[place].1 += count,
            None => self.counts.push((name, count)),
        }
    }

    pub(crate) fn fate(&mut self, fate: &Fate) {
        let name = match fate {
            Fate::Delivered(_) => "message.delivered",
            Fate::Dropped(loss) => match loss_name(*loss) {
                "loss" => "message.dropped.loss",
                "link down" => "message.dropped.link down",
                "receiver down" => "message.dropped.receiver down",
                "never left" => "message.dropped.never left",
                "overflow" => "message.dropped.overflow",
                _ => "message.dropped.by hand",
            },
            Fate::Blocked(_) => "message.blocked",
            Fate::Duplicated(_) => "message.duplicated",
            Fate::InFlight => "message.in flight",
        };
        self.add(name, 1);
    }

    pub(crate) fn exercised(&self, notes: &Tally) -> Exercised {
        let mut exercised = Exercised::default();
        for (name, count) in &self.counts {
            exercised.add(name, *count);
        }
        for (name, count) in &notes.counts {
            exercised.add(&format!("note.{name}"), *count);
        }
        exercised
    }
}
