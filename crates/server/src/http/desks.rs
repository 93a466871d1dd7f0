//! Threads that serve connections: each has some, and keeps them.
//!
//! # The problem
//! Threads that take tasks from each other look for them, and wake each other to look. Under load that is time taken from the work;
//! a lone request pays for it with its latency.
//!
//! # The rule
//! A connection is given to the thread that has the fewest, and stays there. While few connections are busy the other threads sleep.
//! The first of them is the caller's runtime.
//!
//! # What it costs
//! Busy connections that happen to share a thread also share its core, until one of them ends. What may take long leaves these
//! threads (`engine/asking.rs`), so a long question does not hold up those beside it.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// As the threads are called; those of the caller's runtime should be, too.
const THREAD_NAME: &str = "synod-io";

/// The threads. Dropped, those that were made for it end, with what they still have.
pub struct Desks {
    callers: Desk,
    others: Vec<(Desk, oneshot::Sender<()>)>,
}

struct Desk {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

/// Counts a connection for as long as it lives.
struct Seat(Arc<AtomicUsize>);

impl Desks {
    /// So many, with that of the runtime in which this is called. What the system refuses is left out.
    pub fn new(count: NonZeroUsize) -> Desks {
        let mut others = Vec::new();
        while others.len() + 1 < count.get() {
            match start() {
                Ok(other) => others.push(other),
                Err(error) => {
                    tracing::warn!(%error, "there is no further thread to serve connections with");
                    break;
                }
            }
        }
        Desks { callers: Desk::at(Handle::current()), others }
    }

    /// Has a connection served by the thread that has the fewest, as one of these tasks.
    pub fn serve<F>(
        &self,
        stream: TcpStream,
        connections: &mut JoinSet<()>,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        let fewest = self.others.iter().map(|(desk, _)| desk).min_by_key(|desk| desk.connections());
        let Some(desk) = fewest.filter(|desk| desk.connections() < self.callers.connections()) else {
            let seat = self.callers.take_seat();
            let served = async move {
                serve(stream).await;
                drop(seat);
            };
            connections.spawn_on(served, &self.callers.runtime);
            return;
        };
        let seat = desk.take_seat();
        // A runtime hears only of sockets that were made known to it.
        let stream = stream.into_std();
        let served = async move {
            match stream.and_then(TcpStream::from_std) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::debug!(%error, "a connection cannot be given to another thread"),
            }
            drop(seat);
        };
        connections.spawn_on(served, &desk.runtime);
    }
}

impl Desk {
    fn at(runtime: Handle) -> Desk {
        Desk { runtime, connections: Arc::default() }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn take_seat(&self) -> Seat {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Seat(Arc::clone(&self.connections))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread with a runtime of its own, and what ends it when it is dropped.
fn start() -> io::Result<(Desk, oneshot::Sender<()>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let desk = Desk::at(runtime.handle().clone());
    let (stop, stopped) = oneshot::channel();
    thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
        // An error says that the sender is gone, which is what was waited for.
        let _ = runtime.block_on(stopped);
        runtime.shutdown_background();
    })?;
    Ok((desk, stop))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::thread::ThreadId;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn each_connection_stays_with_the_thread_that_has_the_fewest() {
        let desks = Desks::new(NonZeroUsize::new(3).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, mut served) = mpsc::unbounded_channel::<(usize, ThreadId)>();
        let mut connections = JoinSet::new();
        let mut clients = Vec::new();
        for number in 0..6 {
            clients.push(TcpStream::connect(address).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let told = told.clone();
            desks.serve(stream, &mut connections, move |mut stream| async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    told.send((number, thread::current().id())).unwrap();
                    stream.write_all(&byte).await.unwrap();
                }
            });
        }
        let mut seen: HashMap<ThreadId, Vec<usize>> = HashMap::new();
        for (number, client) in clients.iter_mut().enumerate() {
            for _ in 0..2 {
                client.write_all(&[1]).await.unwrap();
                client.read_exact(&mut [0]).await.unwrap();
            }
            let (first, second) = (served.recv().await.unwrap(), served.recv().await.unwrap());
            assert_eq!(first, second);
            seen.entry(first.1).or_default().push(number);
        }
        assert_eq!(seen.len(), 3);
        assert!(seen.values().all(|served| served.len() == 2));
        assert_eq!(seen[&thread::current().id()], [0, 3], "the caller's takes its part");
        drop(clients);
        while connections.join_next().await.is_some() {}
        let left = desks.others.iter().map(|(desk, _)| desk).chain([&desks.callers]).map(Desk::connections);
        assert_eq!(left.sum::<usize>(), 0);
    }
}
