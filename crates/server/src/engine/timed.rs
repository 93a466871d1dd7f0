//! The store's engine with a clock on its commits: what makes a member slow is most often its disk, and this shows it.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use prometheus_client::metrics::histogram::Histogram;
use synod_storage::kv::{Batch, Direction, Entry, FjallKv, Kv, KvError, Reader, Space, Span};

/// The engine on disk; the seconds of each commit that reaches stable storage are observed.
pub struct TimedKv {
    engine: FjallKv,
    commit_seconds: Histogram,
    /// Commits under way: their marks, and when they were begun.
    begun: VecDeque<(u64, Instant)>,
}

impl TimedKv {
    /// Puts a clock on `engine`.
    pub fn new(engine: FjallKv, commit_seconds: Histogram) -> Self {
        TimedKv { engine, commit_seconds, begun: VecDeque::new() }
    }

    fn timed<T>(&mut self, commit: impl FnOnce(&mut FjallKv) -> T) -> T {
        let began = Instant::now();
        let result = commit(&mut self.engine);
        self.commit_seconds.observe(began.elapsed().as_secs_f64());
        result
    }
}

impl Reader for TimedKv {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.engine.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        span: Span,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Entry, KvError>> {
        self.engine.scan(space, span, direction)
    }

    fn count(&self, space: Space, span: Span) -> Result<u64, KvError> {
        self.engine.count(space, span)
    }

    fn first(&self, space: Space, span: Span, direction: Direction) -> Result<Option<Entry>, KvError> {
        self.engine.first(space, span, direction)
    }
}

impl Kv for TimedKv {
    type Snapshot = <FjallKv as Kv>::Snapshot;
    type Staging = <FjallKv as Kv>::Staging;

    fn write(&mut self, batch: Batch) -> Result<(), KvError> {
        self.engine.write(batch)
    }

    fn snapshot(&self) -> Self::Snapshot {
        self.engine.snapshot()
    }

    fn persist(&mut self) -> Result<(), KvError> {
        self.timed(Kv::persist)
    }

    fn begin_persist(&mut self) -> Result<u64, KvError> {
        let mark = self.engine.begin_persist()?;
        self.begun.push_back((mark, Instant::now()));
        Ok(mark)
    }

    fn persisted(&mut self) -> Result<u64, KvError> {
        let reached = self.engine.persisted()?;
        while let Some((mark, began)) = self.begun.front()
            && *mark <= reached
        {
            self.commit_seconds.observe(began.elapsed().as_secs_f64());
            self.begun.pop_front();
        }
        Ok(reached)
    }

    fn stage(&mut self) -> Result<Self::Staging, KvError> {
        self.engine.stage()
    }

    fn switch(&mut self, staged: Self::Staging) -> Result<(), KvError> {
        self.timed(|engine| engine.switch(staged))
    }

    fn size_bytes(&self) -> u64 {
        self.engine.size_bytes()
    }
}
