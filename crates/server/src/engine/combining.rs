//! A queue whose items are worked off by whoever brings them, when nobody else is at it.
//!
//! # The problem
//! A thread behind a queue costs each item a wake-up of that thread. Under load the thread does not sleep, and what came
//! meanwhile is a batch; so wake-ups are few and batches good. With one request in flight each wake-up is on its way, and
//! takes longer than the work itself: about 35 µs where a virtual core has gone to sleep.
//!
//! # The rule
//! The state is in the hands of one thread at a time, the *combiner* (Hendler, Incze, Shavit and Tzafrir, "Flat combining
//! and the synchronization-parallelism tradeoff", SPAA 2010). [`Combining::extend`] leaves items for it. [`Combining::bring`]
//! makes the caller the combiner, if there is none and nothing waits; what others leave meanwhile it works off, too, for at
//! most [`ROUNDS_MAX`] rounds, since it has other things to do. The thread in [`Combining::run`] is the combiner of all else:
//! of what was left while nobody was at it, and of what the state has to do by time.
//!
//! # What it guarantees
//! Items are worked off in the order in which they came. None stays while everybody sleeps: an item is left either with a
//! combiner that looks once more before it goes, or with the thread, which is called. A combiner that panics takes the state
//! with it: no item is taken in after that.
//!
//! # What it costs
//! The caller of `bring` does work that is not its own. Whether it may is for it to say; here only when little is under way.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// A combiner that is not the state's own thread goes after so many rounds.
const ROUNDS_MAX: u32 = 4;

/// A state that works off items.
pub trait Duty {
    /// What it works off.
    type Item;

    /// Works off all items.
    fn work(&mut self, items: &mut VecDeque<Self::Item>);

    /// Does what is due by time, or was put off to a moment without items. Only the state's own thread does.
    fn tend(&mut self);

    /// When it wants to be tended.
    fn deadline(&self) -> Option<Instant>;
}

/// The queue and its state.
pub struct Combining<D: Duty> {
    queue: Mutex<Queue<D::Item>>,
    /// Calls the thread in [`Combining::run`].
    called: Condvar,
    /// Held by the combiner. Empty before the thread runs and after the end.
    desk: Mutex<Option<Desk<D>>>,
}

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
    /// There is a state, and nobody is its combiner.
    free: bool,
    /// When the state has something to do by itself; of use while it is free.
    deadline: Option<Instant>,
    thread: Thread,
}

/// What the thread in [`Combining::run`] is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// It works, or has been called.
    Awake,
    /// It sleeps, at most until then.
    Asleep(Option<Instant>),
}

struct Desk<D: Duty> {
    duty: D,
    /// In the hands of the combiner.
    items: VecDeque<D::Item>,
}

impl<D: Duty> Default for Combining<D> {
    fn default() -> Self {
        let queue = Queue {
            items: VecDeque::new(),
            closed: false,
            free: false,
            deadline: None,
            thread: Thread::Awake,
        };
        Combining { queue: Mutex::new(queue), called: Condvar::new(), desk: Mutex::new(None) }
    }
}

impl<D: Duty> Combining<D> {
    /// Leaves items, in order. After [`Combining::close`] they are dropped, and `false` comes back.
    pub fn extend(&self, items: impl IntoIterator<Item = D::Item>) -> bool {
        self.leave(self.queue(), items)
    }

    /// Works items off here and now if nobody is at it and nothing waits, else leaves them.
    pub fn bring(&self, items: impl IntoIterator<Item = D::Item>) -> bool {
        let mut queue = self.queue();
        if queue.closed || !queue.free || !queue.items.is_empty() {
            return self.leave(queue, items);
        }
        queue.free = false;
        drop(queue);
        let _end = EndsWithPanic(self);
        let mut desk = self.desk();
        let Some(Desk { duty, items: taken }) = desk.as_mut() else { return false };
        taken.extend(items);
        for round in 1..=ROUNDS_MAX {
            duty.work(taken);
            taken.clear();
            if round < ROUNDS_MAX {
                std::mem::swap(taken, &mut self.queue().items);
            }
            if taken.is_empty() {
                break;
            }
        }
        self.let_go(duty.deadline());
        true
    }

    /// Works off what is left, until the queue is closed and empty; then gives the state back, unless a combiner panicked.
    pub fn run(&self, duty: D) -> Option<D> {
        let deadline = duty.deadline();
        *self.desk() = Some(Desk { duty, items: VecDeque::new() });
        self.let_go(deadline);
        while let Some(mut items) = self.wait() {
            let _end = EndsWithPanic(self);
            let mut desk = self.desk();
            let Some(Desk { duty, .. }) = desk.as_mut() else { break };
            loop {
                duty.work(&mut items);
                items.clear();
                duty.tend();
                std::mem::swap(&mut items, &mut self.queue().items);
                if items.is_empty() {
                    break;
                }
            }
            self.let_go(duty.deadline());
        }
        self.desk().take().map(|desk| desk.duty)
    }

    /// No more items are taken in; what waits is worked off.
    pub fn close(&self) {
        self.queue().closed = true;
        self.called.notify_all();
    }

    fn leave(
        &self,
        mut queue: MutexGuard<'_, Queue<D::Item>>,
        items: impl IntoIterator<Item = D::Item>,
    ) -> bool {
        if queue.closed {
            return false;
        }
        queue.items.extend(items);
        // A combiner looks once more before it goes. A call is a system call: only for a thread that sleeps.
        if queue.free && !queue.items.is_empty() {
            self.call(queue);
        }
        true
    }

    /// Ends the caller's turn as the combiner.
    fn let_go(&self, deadline: Option<Instant>) {
        let mut queue = self.queue();
        queue.free = true;
        queue.deadline = deadline;
        let sleeps_too_long = match (queue.thread, deadline) {
            (Thread::Asleep(until), Some(deadline)) => until.is_none_or(|until| deadline < until),
            _ => false,
        };
        if sleeps_too_long || queue.closed || !queue.items.is_empty() {
            self.call(queue);
        }
    }

    fn call(&self, mut queue: MutexGuard<'_, Queue<D::Item>>) {
        if std::mem::replace(&mut queue.thread, Thread::Awake) != Thread::Awake {
            drop(queue);
            self.called.notify_one();
        }
    }

    /// Waits until there is something to do, and makes the thread the combiner; `None` at the end.
    fn wait(&self) -> Option<VecDeque<D::Item>> {
        let mut queue = self.queue();
        loop {
            let left = queue.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let due = left.is_some_and(|left| left.is_zero());
            if queue.free && (due || !queue.items.is_empty()) {
                queue.free = false;
                return Some(std::mem::take(&mut queue.items));
            }
            if queue.free && queue.closed {
                queue.free = false;
                return None;
            }
            // While somebody else is at it, the deadline is not known.
            let left = left.filter(|_| queue.free);
            queue.thread = Thread::Asleep(queue.deadline.filter(|_| queue.free));
            queue = match left {
                None => self.called.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.called.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            queue.thread = Thread::Awake;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<D::Item>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk(&self) -> MutexGuard<'_, Option<Desk<D>>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands before the desk is locked, so that it is dropped after.
struct EndsWithPanic<'c, D: Duty>(&'c Combining<D>);

impl<D: Duty> Drop for EndsWithPanic<'_, D> {
    fn drop(&mut self) {
        if thread::panicking() {
            // What the panic left of the state is of no use to anyone.
            drop(self.0.desk().take());
            let mut queue = self.0.queue();
            (queue.closed, queue.free) = (true, true);
            queue.items.clear();
            drop(queue);
            self.0.called.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    /// Remembers what it worked off and on which thread, and calls back.
    struct Log {
        seen: Seen,
        /// Told what is being worked off.
        meanwhile: Box<dyn FnMut(u32) + Send>,
    }

    impl Duty for Log {
        type Item = u32;

        fn work(&mut self, items: &mut VecDeque<u32>) {
            for item in items.drain(..) {
                (self.meanwhile)(item);
                self.seen.lock().unwrap().push((item, thread::current().id()));
            }
        }

        fn tend(&mut self) {}

        fn deadline(&self) -> Option<Instant> {
            None
        }
    }

    type Seen = Arc<Mutex<Vec<(u32, thread::ThreadId)>>>;

    fn log(meanwhile: impl FnMut(u32) + Send + 'static) -> (Log, Seen) {
        let seen = Seen::default();
        (Log { seen: Arc::clone(&seen), meanwhile: Box::new(meanwhile) }, seen)
    }

    fn until(condition: impl Fn() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < Duration::from_secs(10), "it never came");
            thread::yield_now();
        }
    }

    #[test]
    fn who_brings_to_a_free_state_does_the_work_and_what_is_left_meanwhile() {
        let combining: Arc<Combining<Log>> = Arc::default();
        let within = Arc::clone(&combining);
        let (duty, seen) = log(move |item| {
            if item < 3 {
                within.extend([item + 1]);
            }
        });
        thread::scope(|scope| {
            let own = scope.spawn(|| combining.run(duty));
            until(|| combining.queue().free);
            assert!(combining.bring([1]));
            let here = thread::current().id();
            assert_eq!(*seen.lock().unwrap(), [(1, here), (2, here), (3, here)]);
            combining.close();
            assert!(own.join().unwrap().is_some());
        });
        assert!(!combining.bring([9]) && !combining.extend([9]), "nothing comes in after the end");
    }

    #[test]
    fn a_guest_goes_after_some_rounds_and_the_thread_goes_on() {
        const ITEMS: u32 = 20;
        let combining: Arc<Combining<Log>> = Arc::default();
        let within = Arc::clone(&combining);
        let (duty, seen) = log(move |item| {
            if item < ITEMS {
                within.extend([item + 1]);
            }
        });
        thread::scope(|scope| {
            scope.spawn(|| combining.run(duty));
            until(|| combining.queue().free);
            combining.bring([1]);
            until(|| seen.lock().unwrap().len() == ITEMS as usize);
            combining.close();
        });
        let here = thread::current().id();
        let seen = seen.lock().unwrap();
        assert!(seen.iter().map(|(item, _)| *item).eq(1..=ITEMS));
        assert_eq!(seen.iter().filter(|(_, thread)| *thread == here).count(), ROUNDS_MAX as usize);
    }

    #[test]
    fn what_comes_before_the_thread_runs_waits_for_it() {
        let combining: Combining<Log> = Combining::default();
        assert!(combining.bring([1]) && combining.extend([2]));
        let (duty, seen) = log(|_| {});
        combining.close();
        assert!(combining.run(duty).is_some());
        assert_eq!(seen.lock().unwrap().iter().map(|(item, _)| *item).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_thread_wakes_for_a_deadline_that_a_guest_has_set() {
        struct Alarm(Arc<AtomicBool>, Option<Instant>);
        impl Duty for Alarm {
            type Item = Instant;
            fn work(&mut self, items: &mut VecDeque<Instant>) {
                self.1 = items.pop_back().or(self.1);
            }
            fn tend(&mut self) {
                if self.1.take_if(|deadline| *deadline <= Instant::now()).is_some() {
                    self.0.store(true, Ordering::Relaxed);
                }
            }
            fn deadline(&self) -> Option<Instant> {
                self.1
            }
        }
        let combining: Combining<Alarm> = Combining::default();
        let rang = Arc::new(AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| combining.run(Alarm(Arc::clone(&rang), None)));
            until(|| matches!(combining.queue().thread, Thread::Asleep(None)));
            combining.bring([Instant::now() + Duration::from_millis(1)]);
            until(|| rang.load(Ordering::Relaxed));
            combining.close();
        });
    }

    #[test]
    fn a_guest_that_panics_ends_it_and_takes_the_state_with_it() {
        let combining: Combining<Log> = Combining::default();
        let (duty, seen) = log(|item| assert_ne!(item, 13, "planted"));
        thread::scope(|scope| {
            let own = scope.spawn(|| combining.run(duty));
            until(|| combining.queue().free);
            let guest = scope.spawn(|| combining.bring([13]));
            assert!(guest.join().is_err());
            assert!(own.join().unwrap().is_none(), "there is no state to give back");
        });
        assert_eq!(Arc::strong_count(&seen), 1, "it is dropped");
        assert!(!combining.extend([1]));
    }

    #[test]
    fn many_who_bring_and_leave_lose_nothing_and_keep_their_order() {
        const WRITERS: u32 = 4;
        const ITEMS: u32 = 10_000;
        let combining: Combining<Log> = Combining::default();
        let (duty, seen) = log(|_| {});
        thread::scope(|scope| {
            let own = scope.spawn(|| combining.run(duty));
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let combining = &combining;
                    scope.spawn(move || {
                        for item in 0..ITEMS {
                            let item = [writer * ITEMS + item];
                            assert!(if item[0].is_multiple_of(3) {
                                combining.extend(item)
                            } else {
                                combining.bring(item)
                            });
                        }
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            combining.close();
            own.join().unwrap();
        });
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), (WRITERS * ITEMS) as usize);
        for writer in 0..WRITERS {
            let mine = seen.iter().map(|(item, _)| *item).filter(|item| item / ITEMS == writer);
            assert!(mine.eq(writer * ITEMS..(writer + 1) * ITEMS));
        }
    }
}
