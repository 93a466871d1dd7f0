//! A queue that its one reader takes whole.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What waits for a thread.
#[derive(Debug)]
pub struct Inbox<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
    reader_waits: bool,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        let state = State { items: VecDeque::new(), closed: false, reader_waits: false };
        Inbox { state: Mutex::new(state), filled: Condvar::new() }
    }
}

impl<T> Inbox<T> {
    /// Adds an item. After [`Inbox::close`] it is dropped, and `false` comes back.
    pub fn push(&self, item: T) -> bool {
        self.extend([item])
    }

    /// Adds items in order.
    pub fn extend(&self, items: impl IntoIterator<Item = T>) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.items.extend(items);
        // A wake-up is a system call: only for a reader that sleeps.
        let wake = std::mem::take(&mut state.reader_waits);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        true
    }

    /// Moves all that waits into `items`, which must be empty; waits for something until `deadline`, for ever without one.
    /// `false` once the inbox is closed and empty.
    pub fn take(&self, items: &mut VecDeque<T>, deadline: Option<Instant>) -> bool {
        debug_assert!(items.is_empty(), "what was taken before must be dealt with first");
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return false;
            }
            state.reader_waits = true;
            match deadline {
                None => state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.reader_waits = false;
                        return true;
                    }
                    let waited = self.filled.wait_timeout(state, left);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        state.reader_waits = false;
        std::mem::swap(&mut state.items, items);
        true
    }

    /// No more items are taken in; the reader gets what waits and then the end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_reader_takes_all_that_waits_in_order() {
        let inbox = Inbox::default();
        assert!(inbox.push(1));
        assert!(inbox.extend([2, 3]));
        let mut items = VecDeque::new();
        assert!(inbox.take(&mut items, None));
        assert_eq!(items, [1, 2, 3]);
    }

    #[test]
    fn at_its_deadline_the_reader_gets_nothing_and_may_come_again() {
        let inbox: Inbox<u32> = Inbox::default();
        let mut items = VecDeque::new();
        assert!(inbox.take(&mut items, Some(Instant::now())));
        assert!(inbox.take(&mut items, Some(Instant::now() + Duration::from_millis(1))));
        assert!(items.is_empty());
        inbox.push(7);
        assert!(inbox.take(&mut items, Some(Instant::now())));
        assert_eq!(items, [7]);
    }

    #[test]
    fn what_waits_is_handed_out_before_the_end() {
        let inbox = Inbox::default();
        inbox.push(1);
        inbox.close();
        assert!(!inbox.push(2), "nothing comes in after the end");
        let mut items = VecDeque::new();
        assert!(inbox.take(&mut items, None));
        assert_eq!(items, [1]);
        items.clear();
        assert!(!inbox.take(&mut items, None));
    }

    #[test]
    fn a_reader_that_sleeps_is_woken_by_items_and_by_the_end() {
        const WRITERS: usize = 4;
        const ITEMS: usize = 1_000;
        let inbox = Inbox::default();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let (mut next, mut items) = ([0; WRITERS], VecDeque::new());
                while inbox.take(&mut items, None) {
                    for (writer, item) in items.drain(..) {
                        assert_eq!(item, next[writer], "one writer's items keep their order");
                        next[writer] += 1;
                    }
                }
                next
            });
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let inbox = &inbox;
                    scope.spawn(move || (0..ITEMS).for_each(|item| assert!(inbox.push((writer, item)))))
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            inbox.close();
            assert_eq!(reader.join().unwrap(), [ITEMS; WRITERS]);
        });
    }
}
