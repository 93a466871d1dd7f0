//! Who waits for which reply.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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
#[derive(Debug, Default)]
pub struct Clients {
    waiting: Mutex<HashMap<u64, Waiter>>,
}

impl Clients {
    /// Registers clients.
    pub fn wait(&self, clients: impl IntoIterator<Item = (RequestId, Waiter)>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(clients.into_iter().map(|(id, waiter)| (id.0, waiter)));
    }

    /// Hands out answers; one for a client that has gone, or was answered before, is dropped.
    pub fn serve(&self, answers: impl IntoIterator<Item = (RequestId, Served)>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, served) in answers {
            match (waiting.get(&id.0), served) {
                (Some(Waiter::Watches(sink)), Served::Reply(Reply::Watch(output))) => sink.put(output),
                (Some(Waiter::Once(_)), served) => {
                    if let Some(Waiter::Once(client)) = waiting.remove(&id.0) {
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
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id.0);
    }

    /// Drops all: the member has stopped.
    pub fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
