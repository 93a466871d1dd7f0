//! Prepares segments ahead of need and disposes of old ones, beside the writer.
//!
//! Writing a segment full of zeros takes a tenth of a second and more; the writer must never wait for it. So
//! one thread keeps the next segment ready, and does all other work on names too. Its rules:
//!
//! - A segment gets its final name only after its zeros are durable: what has the name is safe to overwrite
//!   in place.
//! - Segments are disposed of strictly oldest first, and each step is durable before the next begins. After
//!   any crash, what is left is a suffix of the log. A step that fails is tried again before any later one.
//! - A disposed segment becomes a spare (up to a limit) and saves the zeroing of a new one; stale frames in
//!   it cannot be mistaken for new ones, see the format.
//! - The newest of those that wait keeps its name until the next segment is needed, and then becomes that one: making a name
//!   durable costs as much as several syncs of records, and so one does for both ends of the log.

use super::buffer::AlignedBuffer;
use super::directory::{Directory, File, write_blocks};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

/// The file that is being filled with zeros.
pub(super) const PREPARING_NAME: &str = "preparing.tmp";
/// Zeros are written and synced in pieces of this size, so that the writer's own syncs do not wait long
/// behind them.
const PIECE_BYTES: usize = 1 << 20;
/// So many of the segments that nobody needs any more wait to become the next one.
const RETIRED_KEPT: usize = 1;

/// The name of the segment file with this sequence.
pub(super) fn segment_name(sequence: u64) -> String {
    format!("{sequence:016x}.wal")
}

/// The name of a spare file.
pub(super) fn spare_name(sequence: u64) -> String {
    format!("{sequence:016x}.spare")
}

/// The sequence in a name that ends in `.` and `extension`.
pub(super) fn sequence_of(name: &str, extension: &str) -> Option<u64> {
    let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
    let plain = digits.len() == 16 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// The work itself, done step by step by whoever calls.
#[derive(Debug)]
pub(super) struct Workshop {
    pub directory: Arc<dyn Directory>,
    pub segment_bytes: u64,
    pub spares_max: usize,
    /// Names of files that are fully written and unused.
    pub spares: Vec<String>,
    /// Segments to dispose of, oldest first.
    pub retiring: VecDeque<u64>,
    /// Set when the log is dropped while a segment is being prepared.
    pub stop: Arc<AtomicBool>,
}

impl Workshop {
    /// Makes the file of segment `sequence` ready to be written in place.
    pub fn prepare(&mut self, sequence: u64) -> io::Result<Box<dyn File>> {
        let name = segment_name(sequence);
        let retired = self.retired_to_use();
        let source = match retired.as_ref().or(self.spares.last()) {
            Some(used) => used.clone(),
            None => {
                self.write_zeros()?;
                PREPARING_NAME.to_owned()
            }
        };
        if source != name {
            self.directory.rename(&source, &name)?;
        }
        match retired {
            Some(_) => drop(self.retiring.pop_front()),
            None => self.spares.retain(|spare| *spare != source),
        }
        self.directory.sync()?;
        self.directory.open_to_write(&name)
    }

    /// The one segment that waits to be disposed of, if it can be written again as it is.
    fn retired_to_use(&self) -> Option<String> {
        let sequence = self.retiring.front().filter(|_| self.retiring.len() == 1)?;
        let name = segment_name(*sequence);
        let size = self.directory.open_to_read(&name).and_then(|file| file.size()).ok()?;
        (size == self.segment_bytes).then_some(name)
    }

    fn write_zeros(&self) -> io::Result<()> {
        let written = self.write_zeros_to(PREPARING_NAME);
        if written.is_err() {
            // What little was written must not keep a full disk full. Should this fail too, the next attempt
            // empties the file.
            let _ = self.directory.remove(PREPARING_NAME);
        }
        written
    }

    fn write_zeros_to(&self, name: &str) -> io::Result<()> {
        let file = self.directory.create(name)?;
        let zeros = AlignedBuffer::zeroed(PIECE_BYTES.min(self.segment_bytes as usize));
        let mut offset = 0;
        while offset < self.segment_bytes {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("the log is closing"));
            }
            let piece = (self.segment_bytes - offset).min(PIECE_BYTES as u64) as usize;
            write_blocks(&*file, &zeros.bytes()[..piece], offset)?;
            file.sync()?;
            offset += piece as u64;
        }
        Ok(())
    }

    /// Disposes of what waits but for so many of the newest, as far as it succeeds.
    fn retire(&mut self, keep: usize) {
        while self.retiring.len() > keep
            && let Some(sequence) = self.retiring.front().copied()
        {
            if self.retire_one(sequence).is_err() {
                return;
            }
            self.retiring.pop_front();
        }
    }

    fn retire_one(&mut self, sequence: u64) -> io::Result<()> {
        let (name, spare) = (segment_name(sequence), spare_name(sequence));
        let whole = match self.directory.open_to_read(&name) {
            // An earlier attempt took the name away and failed to make that durable.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.directory.sync(),
            file => file?.size()? == self.segment_bytes,
        };
        if whole && self.spares.len() < self.spares_max {
            self.directory.rename(&name, &spare)?;
            self.spares.push(spare);
        } else {
            self.directory.remove(&name)?;
        }
        self.directory.sync()
    }
}

pub(super) enum Task {
    Prepare(u64),
    Retire(Vec<u64>),
}

/// The writer's side: asks for segments ahead of need and hands over old ones.
#[derive(Debug)]
pub(super) enum Keeper {
    /// Works in a thread of its own.
    Background {
        tasks: Option<mpsc::Sender<Task>>,
        prepared: mpsc::Receiver<io::Result<Box<dyn File>>>,
        stop: Arc<AtomicBool>,
        thread: Option<thread::JoinHandle<()>>,
        requested: bool,
    },
    /// Works when asked, in the caller's thread: slower, and deterministic.
    Inline { workshop: Workshop, prepared: Option<io::Result<Box<dyn File>>> },
}

impl Keeper {
    /// Puts the workshop to work.
    pub fn start(mut workshop: Workshop, background: bool) -> io::Result<Keeper> {
        if !background {
            return Ok(Keeper::Inline { workshop, prepared: None });
        }
        let (tasks, incoming) = mpsc::channel();
        let (outgoing, prepared) = mpsc::channel();
        let stop = workshop.stop.clone();
        let thread = thread::Builder::new().name("synod-wal".into()).spawn(move || {
            for task in incoming {
                match task {
                    Task::Prepare(sequence) => {
                        workshop.retire(RETIRED_KEPT);
                        // The log may be gone by now; then nobody needs the segment.
                        let _ = outgoing.send(workshop.prepare(sequence));
                    }
                    Task::Retire(sequences) => {
                        workshop.retiring.extend(sequences);
                        workshop.retire(RETIRED_KEPT);
                    }
                }
            }
            workshop.retire(0);
        })?;
        Ok(Keeper::Background { tasks: Some(tasks), prepared, stop, thread: Some(thread), requested: false })
    }

    /// Asks for segment `sequence` ahead of need.
    pub fn request(&mut self, sequence: u64) {
        match self {
            Keeper::Inline { workshop, prepared } => {
                workshop.retire(RETIRED_KEPT);
                *prepared = Some(workshop.prepare(sequence));
            }
            Keeper::Background { tasks: Some(tasks), requested, .. } => {
                *requested = tasks.send(Task::Prepare(sequence)).is_ok();
            }
            Keeper::Background { tasks: None, .. } => {}
        }
    }

    /// Takes segment `sequence`, the one that was last requested; waits for it if it is not ready. A failure
    /// is handed out once: the next call tries again.
    pub fn take(&mut self, sequence: u64) -> io::Result<Box<dyn File>> {
        let asked = match self {
            Keeper::Inline { prepared, .. } => prepared.is_some(),
            Keeper::Background { requested, .. } => *requested,
        };
        if !asked {
            self.request(sequence);
        }
        let died = || Err(io::Error::other("the thread that prepares segments has died"));
        match self {
            Keeper::Inline { prepared, .. } => prepared.take().unwrap_or_else(died),
            Keeper::Background { prepared, requested, .. } => {
                *requested = false;
                prepared.recv().unwrap_or_else(|_| died())
            }
        }
    }

    /// Disposes of segments, given oldest first.
    pub fn retire(&mut self, sequences: Vec<u64>) {
        match self {
            Keeper::Inline { workshop, .. } => {
                workshop.retiring.extend(sequences);
                workshop.retire(RETIRED_KEPT);
            }
            Keeper::Background { tasks: Some(tasks), .. } => {
                // If the thread has died, the files stay, and the next opening finds them.
                let _ = tasks.send(Task::Retire(sequences));
            }
            Keeper::Background { tasks: None, .. } => {}
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Keeper::Background { tasks, stop, thread, .. } = self {
            stop.store(true, Ordering::Relaxed);
            *tasks = None;
            if let Some(thread) = thread.take() {
                // A panic of the thread has been reported by its own hook already.
                let _ = thread.join();
            }
        }
    }
}
