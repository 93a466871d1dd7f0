//! A node's named deadlines.
//!
//! Deadlines are readings of the node's own clock. Mechanisms move a deadline forward far more often than one passes (an election timer
//! at every heartbeat), so that an event already in the agenda is kept: when it comes too early, it is put down again for the later moment.

use std::collections::BTreeMap;

use crate::agenda::Moment;
use crate::clock::Clock;

#[derive(Debug)]
pub(crate) struct Timers<T> {
    by_name: BTreeMap<T, u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    name: Option<T>,
    reading: u64,
    scheduled: Option<Moment>,
}

/// What an event of the agenda turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rang<T> {
    /// The deadline passed; it is not armed any more.
    Fire(T),
    /// Not yet: put the event down for then.
    Later(Moment),
    /// It was disarmed or is carried by another event.
    Stale,
}

impl<T: Ord + Clone> Timers<T> {
    pub(crate) fn new() -> Self {
        Timers { by_name: BTreeMap::new(), slots: Vec::new(), free: Vec::new() }
    }

    /// Sets the deadline of that name; gives its place and a moment if an event must be put down.
    /// A slow clock shows one reading for several moments, so that the first of a deadline at once may be over: it rings now.
    pub(crate) fn arm(&mut self, name: T, reading: u64, now: Moment, clock: &Clock) -> (u32, Option<Moment>) {
        let place = match self.by_name.get(&name) {
            Some(place) => *place,
            None => self.slot(name),
        };
        let slot = &mut self.slots[place as usize];
        slot.reading = reading;
        (place, slot.schedule(clock).map(|at| at.max(now)))
    }

    pub(crate) fn disarm(&mut self, name: &T) {
        if let Some(place) = self.by_name.remove(name) {
            self.slots[place as usize].name = None;
            self.free.push(place);
        }
    }

    pub(crate) fn ring(&mut self, place: u32, now: Moment, clock: &Clock) -> Rang<T> {
        let Some(slot) = self.slots.get_mut(place as usize) else { return Rang::Stale };
        if slot.scheduled.is_none_or(|at| at > now) {
            return Rang::Stale;
        }
        slot.scheduled = None;
        let Some(name) = &slot.name else { return Rang::Stale };
        if clock.read(now) < slot.reading {
            return slot.schedule(clock).map_or(Rang::Stale, Rang::Later);
        }
        let name = name.clone();
        self.disarm(&name);
        Rang::Fire(name)
    }

    /// The clock's rate changed: the events that must be put down now.
    pub(crate) fn reschedule(&mut self, clock: &Clock) -> Vec<(u32, Moment)> {
        let slots = self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.name.is_some());
        slots.filter_map(|(place, slot)| Some((place as u32, slot.schedule(clock)?))).collect()
    }

    fn slot(&mut self, name: T) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { name: None, reading: 0, scheduled: None });
            self.slots.len() as u32 - 1
        });
        self.slots[place as usize].name = Some(name.clone());
        self.by_name.insert(name, place);
        place
    }
}

impl<T> Slot<T> {
    /// An event no later than the deadline is enough.
    fn schedule(&mut self, clock: &Clock) -> Option<Moment> {
        let at = clock.when(self.reading);
        if self.scheduled.is_some_and(|scheduled| scheduled <= at) {
            return None;
        }
        self.scheduled = Some(at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_moved_ahead_keeps_its_event() {
        let clock = Clock::new(0, 0, Duration::ZERO);
        let mut timers = Timers::new();
        assert_eq!(timers.arm('a', 10, Moment(0), &clock), (0, Some(Moment(10))));
        assert_eq!(timers.arm('a', 25, Moment(0), &clock), (0, None));
        assert_eq!(timers.ring(0, Moment(10), &clock), Rang::Later(Moment(25)));
        assert_eq!(timers.ring(0, Moment(25), &clock), Rang::Fire('a'));
        assert_eq!(timers.ring(0, Moment(25), &clock), Rang::Stale);
    }

    #[test]
    fn a_deadline_at_once_is_not_before_now() {
        let clock = Clock::new(-300_000, 0, Duration::ZERO);
        let mut timers = Timers::new();
        for now in (0..50).map(Moment) {
            let (place, event) = timers.arm('a', clock.read(now), now, &clock);
            assert_eq!(event, Some(now));
            assert_eq!(timers.ring(place, now, &clock), Rang::Fire('a'));
        }
    }

    #[test]
    fn a_deadline_moved_back_fires_once_and_a_disarmed_one_never() {
        let clock = Clock::new(0, 0, Duration::ZERO);
        let mut timers = Timers::new();
        timers.arm('a', 100, Moment(0), &clock);
        assert_eq!(timers.arm('a', 50, Moment(0), &clock), (0, Some(Moment(50))));
        assert_eq!(timers.ring(0, Moment(50), &clock), Rang::Fire('a'));
        assert_eq!(timers.ring(0, Moment(100), &clock), Rang::Stale);
        timers.arm('b', 200, Moment(0), &clock);
        timers.disarm(&'b');
        // The place goes to another name, whose deadline is later than the old event.
        let (place, event) = timers.arm('c', 300, Moment(200), &clock);
        assert_eq!((place, event), (0, None));
        assert_eq!(timers.ring(0, Moment(200), &clock), Rang::Later(Moment(300)));
        assert_eq!(timers.ring(0, Moment(300), &clock), Rang::Fire('c'));
    }
}
