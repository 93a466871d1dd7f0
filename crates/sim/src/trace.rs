//! What a run leaves behind to look at: the last moments for a diagram, and all of it as JSON lines.
//!
//! Neither is kept unless it is asked for: a hunt copies and formats nothing.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use synod_machine::{Fate, Machine, Mono, NodeId, Observer, Record, SendId, TraceWriter, View};

/// Something that a diagram can show.
pub enum Moment<M: Machine> {
    /// A step, and the node's part after it.
    Record {
        /// The step.
        record: Record<M>,
        /// See [`crate::Subject::role`].
        role: char,
        /// The kinds of the messages it sent; see [`crate::Subject::message_kind`].
        kinds: Vec<&'static str>,
        /// The machine's state after the step, if states are kept; see [`crate::World::keep_states`].
        state: View,
    },
    /// A message met its fate.
    Fate {
        /// When.
        time: Mono,
        /// Which send.
        id: SendId,
        /// From where.
        from: NodeId,
        /// To where.
        to: NodeId,
        /// The fate.
        fate: Fate,
    },
    /// The world did something.
    World {
        /// When.
        time: Mono,
        /// To one node, or to several.
        node: Option<NodeId>,
        /// What kind of thing: `crash`, `start`, `fault`…
        kind: &'static str,
        /// In words.
        what: String,
    },
}

/// Where a trace goes.
pub(crate) struct Out(pub Box<dyn fmt::Write>);

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }
}

/// Keeps the last moments of a run, and writes all of them.
pub(crate) struct Tracer<M: Machine> {
    keep: usize,
    pub states: bool,
    moments: VecDeque<Moment<M>>,
    writer: Option<TraceWriter<Out>>,
    observer: Observer,
}

impl<M: Machine> Tracer<M> {
    pub(crate) fn off() -> Self {
        Tracer {
            keep: 0,
            states: false,
            moments: VecDeque::new(),
            writer: None,
            observer: Observer::default(),
        }
    }

    pub(crate) fn keep(&mut self, moments_max: usize) {
        self.keep = moments_max;
    }

    pub(crate) fn write_to(&mut self, writer: TraceWriter<Out>, observer: Observer) {
        (self.writer, self.observer) = (Some(writer), observer);
    }

    pub(crate) fn active(&self) -> bool {
        self.keep > 0 || self.writer.is_some()
    }

    pub(crate) fn moments(&self) -> &VecDeque<Moment<M>> {
        &self.moments
    }

    pub(crate) fn record(&mut self, record: Record<M>, role: char, kinds: Vec<&'static str>, state: View) {
        if let Some(writer) = &mut self.writer {
            let sends = record.sends().map(|(id, _, _)| id);
            let stamp = self.observer.stamp(record.node, record.cause, sends);
            written(writer.record(&record, Some(&stamp)));
        }
        self.push(Moment::Record { record, role, kinds, state });
    }

    pub(crate) fn fate(&mut self, time: Mono, id: SendId, (from, to): (NodeId, NodeId), fate: &Fate) {
        if !self.active() {
            return;
        }
        if let Some(writer) = &mut self.writer {
            written(writer.fate(id, time, fate));
            self.observer.settled(id);
        }
        self.push(Moment::Fate { time, id, from, to, fate: fate.clone() });
    }

    pub(crate) fn world(
        &mut self,
        time: Mono,
        kind: &'static str,
        node: Option<NodeId>,
        what: impl FnOnce() -> String,
    ) {
        if !self.active() {
            return;
        }
        let what = what();
        if let Some(writer) = &mut self.writer {
            written(writer.world(time, kind, node, &what));
        }
        self.push(Moment::World { time, node, kind, what });
    }

    pub(crate) fn end(&mut self, records: u64, fingerprint: u64) {
        if let Some(writer) = self.writer.take() {
            drop(writer.end(records, fingerprint));
        }
    }

    fn push(&mut self, moment: Moment<M>) {
        if self.moments.len() == self.keep {
            self.moments.pop_front();
        }
        if self.keep > 0 {
            self.moments.push_back(moment);
        }
    }
}

/// A sink that cannot take more says so itself ([`Lines::finish`]); the run goes on.
fn written(_: fmt::Result) {}

/// Lets a trace go to a file: an [`io::Write`] as a [`fmt::Write`] that keeps its first error.
pub struct Lines<W> {
    out: W,
    error: Option<io::Error>,
}

impl<W: io::Write> Lines<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Lines { out, error: None }
    }

    /// Flushes; gives the first error that there was.
    pub fn finish(mut self) -> io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.out),
        }
    }
}

impl<W: io::Write> fmt::Write for Lines<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.error.is_some() {
            return Err(fmt::Error);
        }
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}
