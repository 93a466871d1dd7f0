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

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.lock().items.len()
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
