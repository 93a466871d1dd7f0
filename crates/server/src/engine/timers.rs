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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn deadlines_pass_in_the_order_of_time() {
        let mut timers = Timers::default();
        for (name, time) in [("c", 30), ("a", 10), ("b", 20), ("z", 10)] {
            timers.arm(name, at(time));
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop_due(at(9)), None);
        let mut passed = Vec::new();
        while let Some(timer) = timers.pop_due(at(20)) {
            passed.push(timer);
        }
        assert_eq!(passed, ["a", "z", "b"]);
        assert_eq!(timers.next(), Some(at(30)));
    }

    #[test]
    fn a_name_has_one_deadline_the_newest() {
        let mut timers = Timers::default();
        timers.arm("a", at(10));
        timers.arm("a", at(30));
        assert_eq!(timers.pop_due(at(20)), None, "the earlier deadline was replaced");
        timers.arm("a", at(5));
        assert_eq!(timers.pop_due(at(20)), Some("a"));
        assert_eq!(timers.pop_due(at(99)), None, "it passes once");
    }

    #[test]
    fn what_was_disarmed_never_passes() {
        let mut timers = Timers::default();
        timers.arm("a", at(10));
        timers.disarm(&"a");
        timers.disarm(&"never armed");
        assert_eq!((timers.next(), timers.pop_due(at(99))), (None, None));
    }
}
