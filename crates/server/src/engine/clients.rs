//! Who waits for which reply.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synod_database::{Query, Reply};
use synod_machine::RequestId;
use tokio::sync::oneshot;

use super::watches::WatchSink;

/// What a waiting client gets.
#[derive(Debug)]
pub enum Served {
    /// An answer.
    Reply(Reply),
    /// The read may be done now, from the published view.
    Read(Query),
}

/// A client that waits.
#[derive(Debug)]
pub enum Waiter {
    /// For one answer.
    Once(oneshot::Sender<Served>),
    /// For a stream of watch outputs.
    Watches(Arc<WatchSink>),
}

/// The waiting clients by request. Answers come from the core and from the apply thread.
#[derive(Debug)]
pub struct Clients {
    /// `None` once the member has stopped.
    waiting: Mutex<Option<HashMap<u64, Waiter>>>,
    /// How many of them wait for one answer.
    once: AtomicUsize,
}

impl Default for Clients {
    fn default() -> Self {
        Clients { waiting: Mutex::new(Some(HashMap::new())), once: AtomicUsize::new(0) }
    }
}

impl Clients {
    /// Registers clients; after [`Clients::close`] they are dropped, and so learn that nobody will answer.
    pub fn wait(&self, clients: impl IntoIterator<Item = (RequestId, Waiter)>) {
        if let Some(waiting) = &mut *self.lock() {
            for (id, waiter) in clients {
                self.once.fetch_add(usize::from(matches!(waiter, Waiter::Once(_))), Ordering::Relaxed);
                waiting.insert(id.0, waiter);
            }
        }
    }

    /// How many wait for one answer, about.
    pub fn waiting(&self) -> usize {
        self.once.load(Ordering::Relaxed)
    }

    /// Hands out answers; one for a client that has gone, or was answered before, is dropped.
    pub fn serve(&self, answers: impl IntoIterator<Item = (RequestId, Served)>) {
        let mut waiting = self.lock();
        let Some(waiting) = &mut *waiting else { return };
        for (id, served) in answers {
            match (waiting.get(&id.0), served) {
                (Some(Waiter::Watches(sink)), Served::Reply(Reply::Watch(output))) => sink.put(output),
                (Some(Waiter::Once(_)), served) => {
                    if let Some(Waiter::Once(client)) = waiting.remove(&id.0) {
                        self.once.fetch_sub(1, Ordering::Relaxed);
                        // A client that went away does not need its answer.
                        let _ = client.send(served);
                    }
                }
                _ => {}
            }
        }
    }

    /// Forgets a stream of watches.
    pub fn forget(&self, id: RequestId) {
        if let Some(waiting) = &mut *self.lock() {
            waiting.remove(&id.0);
        }
    }

    /// Drops all, and all that come later: the member has stopped.
    pub fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use synod_database::watch::WatchOutput;
    use tokio::sync::mpsc;

    use super::*;

    fn once() -> (Waiter, oneshot::Receiver<Served>) {
        let (client, answer) = oneshot::channel();
        (Waiter::Once(client), answer)
    }

    fn completed(id: u64) -> [(RequestId, Served); 1] {
        [(RequestId(id), Served::Reply(Reply::Completed))]
    }

    #[test]
    fn each_client_gets_its_answer_once() {
        let clients = Clients::default();
        let ((first, mut first_answer), (second, mut second_answer)) = (once(), once());
        clients.wait([(RequestId(1), first), (RequestId(2), second)]);
        clients.serve(completed(2));
        clients.serve(completed(2));
        assert!(matches!(second_answer.try_recv(), Ok(Served::Reply(Reply::Completed))));
        assert_eq!(first_answer.try_recv().unwrap_err(), oneshot::error::TryRecvError::Empty);
        clients.serve([(RequestId(1), Served::Read(Query::Revision))]);
        assert!(matches!(first_answer.try_recv(), Ok(Served::Read(Query::Revision))));
    }

    #[test]
    fn an_answer_to_nobody_is_dropped() {
        let clients = Clients::default();
        let (gone, answer) = once();
        drop(answer);
        clients.wait([(RequestId(1), gone)]);
        clients.serve(completed(1));
        clients.serve(completed(7));
    }

    #[test]
    fn a_stream_gets_every_output_until_it_is_forgotten() {
        let clients = Clients::default();
        let (outputs, mut taken) = mpsc::unbounded_channel();
        let stream = RequestId(u64::MAX);
        clients.wait([(stream, Waiter::Watches(Arc::new(WatchSink::new(outputs))))]);
        let output = |revision| WatchOutput::Created { id: 0, revision };
        let serve = |revision| clients.serve([(stream, Served::Reply(Reply::Watch(output(revision))))]);
        serve(1);
        serve(2);
        clients.forget(stream);
        serve(3);
        let told: Vec<WatchOutput> = std::iter::from_fn(|| taken.try_recv().ok()).collect();
        assert_eq!(told, [output(1), output(2)]);
    }

    #[test]
    fn after_the_end_nobody_waits_in_vain() {
        let clients = Clients::default();
        let ((early, mut early_answer), (late, mut late_answer)) = (once(), once());
        clients.wait([(RequestId(1), early)]);
        clients.close();
        clients.wait([(RequestId(2), late)]);
        clients.serve(completed(2));
        for answer in [&mut early_answer, &mut late_answer] {
            assert_eq!(answer.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        }
    }
}
