//! Waking at a moment, some tens of microseconds late.
//!
//! The runtime's timers go by whole milliseconds and are never early: a request that is meant for a moment would begin one late, and what is
//! asked at a fixed rate would seem slow. One thread sleeps until the earliest of all moments and wakes whoever asked for it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::{OnceLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

/// Ready once the moment has come.
#[derive(Debug)]
pub struct Alarm {
    at: Instant,
    /// Who will be woken.
    told: Option<Waker>,
}

impl Alarm {
    /// For this moment.
    pub fn at(at: Instant) -> Self {
        Alarm { at, told: None }
    }

    /// Its moment.
    pub fn moment(&self) -> Instant {
        self.at
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        if !self.told.as_ref().is_some_and(|told| told.will_wake(cx.waker())) {
            self.told = Some(cx.waker().clone());
            // The thread ends with the program only.
            let _ = sleeper().send(Asked { at: self.at, waker: cx.waker().clone() });
        }
        Poll::Pending
    }
}

#[derive(Debug)]
struct Asked {
    at: Instant,
    waker: Waker,
}

/// The earliest is the greatest: first out of the heap.
impl Ord for Asked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Asked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Asked {}

/// The way to the thread, which the first who asks starts.
fn sleeper() -> &'static mpsc::Sender<Asked> {
    static SLEEPER: OnceLock<mpsc::Sender<Asked>> = OnceLock::new();
    SLEEPER.get_or_init(|| {
        let (asking, asked) = mpsc::channel();
        thread::spawn(move || sleep(&asked));
        asking
    })
}

fn sleep(asked: &mpsc::Receiver<Asked>) {
    let mut waiting: BinaryHeap<Asked> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while waiting.peek().is_some_and(|first| first.at <= now) {
            waiting.pop().into_iter().for_each(|first| first.waker.wake());
        }
        let heard = match waiting.peek() {
            Some(first) => asked.recv_timeout(first.at - now),
            None => asked.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        };
        match heard {
            Ok(alarm) => waiting.push(alarm),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn none_is_early_and_all_come_in_their_order() {
        let began = Instant::now();
        let moments = [5, 1, 3, 1].map(|millis| began + Duration::from_millis(millis));
        let mut alarms = tokio::task::JoinSet::new();
        for at in moments {
            alarms.spawn(async move {
                Alarm::at(at).await;
                assert!(Instant::now() >= at);
                at
            });
        }
        let mut rung = 0;
        while let Some(at) = alarms.join_next().await {
            assert!(moments.contains(&at.expect("it rings")));
            rung += 1;
        }
        assert_eq!(rung, moments.len());
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_is_no_wait() {
        Alarm::at(Instant::now()).await;
    }
}
