//! From facts to edges: writes, reads, anti-dependencies, sessions and real time, each in linear time.

use super::anomaly::Dependency;
use super::facts::{Facts, NONE, Source};
use super::graph::{Graph, GraphBuilder, Label};
use super::history::{History, NEVER, Record};
use super::operation::Status;

/// All dependencies that are known for certain.
pub(super) fn graph(history: &History, facts: &Facts) -> Graph {
    builder(history, facts).finish()
}

/// The same, for more edges to come.
pub(super) fn builder(history: &History, facts: &Facts) -> GraphBuilder {
    let mut builder = GraphBuilder::new(history.len() as u32);
    let overwriting = versions(facts, &mut builder);
    reads(facts, &overwriting, &mut builder);
    sessions(history, facts, &mut builder);
    real_time(history, facts, &mut builder);
    builder
}

/// The loose writers of a key as a target: junctions that lead to all of them, or to all but one.
struct Overwriting {
    /// `first[i]` leads to the first i writers.
    first: Vec<u32>,
    /// `rest[i]` leads to those from i on.
    rest: Vec<u32>,
}

impl Overwriting {
    fn new(writers: &[u32], builder: &mut GraphBuilder) -> Self {
        let count = writers.len();
        let (mut first, mut rest) = (vec![NONE; count + 1], vec![NONE; count + 1]);
        for index in 0..count {
            let (forward, backward) = (builder.junction(), builder.junction());
            builder.edge(forward, writers[index], Label::onward());
            builder.edge(forward, first[index], Label::onward());
            first[index + 1] = forward;
            let mirrored = count - 1 - index;
            builder.edge(backward, writers[mirrored], Label::onward());
            builder.edge(backward, rest[mirrored + 1], Label::onward());
            rest[mirrored] = backward;
        }
        Self { first, rest }
    }

    /// Leads from a transaction to all loose writers but itself.
    fn lead(&self, from: u32, label: Label, writers: &[u32], builder: &mut GraphBuilder) {
        match writers.binary_search(&from) {
            Ok(own) => {
                builder.edge(from, self.first[own], label);
                builder.edge(from, self.rest[own + 1], label);
            }
            Err(_) => builder.edge(from, self.rest[0], label),
        }
    }
}

/// Each version replaced the one before.
fn versions(facts: &Facts, builder: &mut GraphBuilder) -> Vec<Option<Overwriting>> {
    let mut all = Vec::with_capacity(facts.chains.len());
    for key in 0..facts.chains.len() {
        let label = Label::new(Dependency::WriteWrite, key as u32);
        let mut last = NONE;
        for &writer in facts.chains.get(key) {
            if writer != NONE {
                builder.edge(last, writer, label);
                last = writer;
            }
        }
        let writers = facts.loose.get(key);
        let overwriting = (!writers.is_empty()).then(|| Overwriting::new(writers, builder));
        if let Some(overwriting) = &overwriting
            && last != NONE
        {
            overwriting.lead(last, label, writers, builder);
        }
        all.push(overwriting);
    }
    all
}

/// Who reads depends on the writer; who writes the next version depends on who read the one before.
fn reads(facts: &Facts, overwriting: &[Option<Overwriting>], builder: &mut GraphBuilder) {
    for read in &facts.reads {
        let (reader, key) = (read.transaction, read.key as usize);
        if let Some(writer) = facts.writer_of(read) {
            builder.edge(writer, reader, Label::new(Dependency::WriteRead, read.key));
        }
        let label = Label::new(Dependency::ReadWrite, read.key);
        let next = match read.source {
            Source::Initial => 0,
            Source::Chain(place) => place as usize + 1,
            Source::Loose(_) => continue,
        };
        // If the reader itself made the next version, whoever wrote the one after it replaced more than what was read.
        let mut later = facts.chains.get(key)[next..].iter().filter(|writer| **writer != NONE);
        match later.next() {
            Some(&writer) => builder.edge(reader, writer, label),
            None => {
                if let Some(overwriting) = &overwriting[key] {
                    overwriting.lead(reader, label, facts.loose.get(key), builder);
                }
            }
        }
    }
}

/// A session runs one transaction after another. One of unknown outcome may take effect after the session went on.
fn sessions(history: &History, facts: &Facts, builder: &mut GraphBuilder) {
    let mut last = vec![NONE; history.sessions_count()];
    for (number, record) in history.records().iter().enumerate() {
        if !facts.counts[number] {
            continue;
        }
        let last = &mut last[record.session as usize];
        builder.edge(*last, number as u32, Label::new(Dependency::Process, 0));
        if record.status == Status::Committed {
            *last = number as u32;
        }
    }
}

/// A junction wherever transactions complete and others are invoked afterwards. At one and the same time an invocation
/// comes first: that both happened at once proves no order.
fn real_time(history: &History, facts: &Facts, builder: &mut GraphBuilder) {
    let mut events = Vec::new();
    for (number, record) in history.records().iter().enumerate() {
        if !facts.counts[number] {
            continue;
        }
        if record.invoked != NEVER {
            events.push((record.invoked, false, number as u32));
        }
        if let Some(completed) = completion(record) {
            events.push((completed, true, number as u32));
        }
    }
    if !events.is_sorted() {
        events.sort_unstable();
    }
    let label = Label::new(Dependency::RealTime, 0);
    let (mut gathering, mut passed) = (NONE, NONE);
    for (_, is_completion, transaction) in events {
        if is_completion {
            if gathering == NONE {
                gathering = builder.junction();
                builder.edge(passed, gathering, Label::onward());
            }
            builder.edge(transaction, gathering, label);
        } else {
            passed = if gathering == NONE { passed } else { gathering };
            gathering = NONE;
            builder.edge(passed, transaction, Label::onward());
        }
    }
}

/// When a transaction was over; never for one of unknown outcome.
fn completion(record: &Record) -> Option<u64> {
    (record.status == Status::Committed && record.completed != NEVER).then_some(record.completed)
}
