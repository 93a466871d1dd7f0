//! The thread that writes frozen layers to disk, so that the one that applies never waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    KvError,
    generation::{Base, Generation},
    layer::Layer,
    priority,
};

/// With more runs than this not merged yet, no further one is written: merging must not fall behind for ever.
const LOOSE_RUNS_MAX: usize = 24;
/// How often it is looked whether merging has caught up.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

type Flushed = Result<Arc<Base>, KvError>;

enum Task {
    Write(Layer),
    LetGo(Layer),
}

/// Writes layers in the order in which they come. Dropping it waits until the one at hand is written.
pub struct Flusher {
    tasks: Option<Sender<Task>>,
    flushed: Receiver<Flushed>,
    /// Nobody waits for merging any more, which may have stopped for good.
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread.
    pub fn start(generation: Arc<Generation>) -> Result<Self, KvError> {
        let (tasks, waiting) = channel();
        let (results, flushed) = channel();
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let flush = move || {
            priority::stand_back();
            for task in waiting {
                let layer = match task {
                    Task::Write(layer) => layer,
                    Task::LetGo(layer) => {
                        drop(layer);
                        continue;
                    }
                };
                let result = generation.ingest(&layer).map(|()| Base::of(&generation));
                // Nobody waits for it any more: the engine is being closed.
                if results.send(result).is_err() {
                    return;
                }
                while generation.loose_runs() > LOOSE_RUNS_MAX && !closed.load(Ordering::Relaxed) {
                    thread::sleep(LOOK_AGAIN);
                }
            }
        };
        let thread = thread::Builder::new().name("synod-flush".to_owned()).spawn(flush).map_err(|error| {
            KvError::Failed { doing: "starting the thread that flushes".to_owned(), cause: error.to_string() }
        })?;
        Ok(Self { tasks: Some(tasks), flushed, closing, thread: Some(thread) })
    }

    /// Hands over a layer. Its result comes through [`Flusher::poll`] or [`Flusher::wait`].
    pub fn flush(&self, layer: Layer) -> Result<(), KvError> {
        self.tasks().send(Task::Write(layer)).map_err(|_| ended())
    }

    /// Drops a layer there: it is a hundred thousand pieces of memory, and nobody is to wait while they are given back.
    pub fn let_go(&self, layer: Layer) {
        // If the thread has ended it is dropped here, with the error that cannot be sent.
        let _ = self.tasks().send(Task::LetGo(layer));
    }

    fn tasks(&self) -> &Sender<Task> {
        self.tasks.as_ref().expect("it is taken away only by drop")
    }

    /// The content with the oldest layer that was handed over and not asked about before, if it is written.
    pub fn poll(&self) -> Result<Option<Arc<Base>>, KvError> {
        match self.flushed.try_recv() {
            Ok(flushed) => flushed.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ended()),
        }
    }

    /// Waits for it.
    pub fn wait(&self) -> Flushed {
        self.flushed.recv().unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and found by whoever asked last.
            let _ = thread.join();
        }
    }
}

fn ended() -> KvError {
    KvError::Failed { doing: "flushing".to_owned(), cause: "the thread that flushes has ended".to_owned() }
}
