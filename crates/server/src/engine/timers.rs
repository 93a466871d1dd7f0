//! Named deadlines of a machine.

use std::collections::{BTreeMap, BTreeSet};

use synod_machine::Mono;

/// At most one deadline a name.
#[derive(Debug)]
pub struct Timers<T> {
    by_name: BTreeMap<T, Mono>,
    by_time: BTreeSet<(Mono, T)>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers { by_name: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> Timers<T> {
    /// Sets the deadline of that name, in place of an earlier one.
    pub fn arm(&mut self, timer: T, deadline: Mono) {
        self.disarm(&timer);
        self.by_name.insert(timer.clone(), deadline);
        self.by_time.insert((deadline, timer));
    }

    /// Clears it, if it is set.
    pub fn disarm(&mut self, timer: &T) {
        if let Some(deadline) = self.by_name.remove(timer) {
            self.by_time.remove(&(deadline, timer.clone()));
        }
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Mono> {
        self.by_time.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one that has passed.
    pub fn pop_due(&mut self, now: Mono) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_name.remove(&timer);
        Some(timer)
    }
}
