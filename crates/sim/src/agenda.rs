//! What is to happen, in order of time; at one time, in the order in which it was put down.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use synod_machine::Mono;

use crate::stream::nanos;

/// True time of the world, in nanoseconds since its beginning. No node can see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(pub u64);

impl Moment {
    pub(crate) fn of(since_begin: Duration) -> Self {
        Moment(nanos(since_begin))
    }

    pub(crate) fn plus(self, delay_nanos: u64) -> Self {
        Moment(self.0.saturating_add(delay_nanos))
    }

    pub(crate) fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The same, as the time of records.
    pub(crate) fn mono(self) -> Mono {
        Mono::from_start(self.duration())
    }
}

/// A queue of events by (time, order of entry).
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Entry<E>>,
    entered: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Moment,
    order: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Agenda { heap: BinaryHeap::new(), entered: 0 }
    }

    pub(crate) fn put(&mut self, at: Moment, event: E) {
        let order = self.entered;
        self.entered += 1;
        self.heap.push(Entry { at, order, event });
    }

    pub(crate) fn next(&mut self) -> Option<(Moment, E)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }

    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.heap.peek().map(|entry| entry.at)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Turned round: the heap gives its greatest, and the earliest is wanted.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Places that are used again, so that events carry a number instead of a message.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn put(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some(item);
                place
            }
            None => {
                let place = u32::try_from(self.places.len()).expect("fewer than 2^32 things are under way");
                self.places.push(Some(item));
                place
            }
        }
    }

    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize).and_then(Option::as_ref)
    }

    pub(crate) fn take(&mut self, place: u32) -> T {
        let item = self.places[place as usize].take().expect("each event owns its place");
        self.free.push(place);
        item
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_first_then_order_of_entry() {
        let mut agenda = Agenda::new();
        for (at, name) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b'), (5, 'e')] {
            agenda.put(Moment(at), name);
        }
        let order: String = std::iter::from_fn(|| agenda.next()).map(|(_, name)| name).collect();
        assert_eq!(order, "abcde");
    }

    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::new();
        let first = slab.put('a');
        slab.put('b');
        assert_eq!(slab.take(first), 'a');
        assert_eq!(slab.put('c'), first);
        assert_eq!(slab.iter().collect::<String>(), "cb");
    }
}
