//! Watch streams: clients that look on, fall behind, lose their node and go on elsewhere.
//!
//! Each watch knows which event is due next, from the oracle, so a missing, repeated, early or invented event is found when the output
//! that shows it arrives. A stream whose node crashes is opened anew at some node, and each of its watches goes on after the last event that it saw, as
//! clients do: so the promise is checked across crashes and snapshots, not only within one connection.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_check::specification::key_value::Span;
use synod_database::watch::{WatchControl, WatchCreate, WatchEnd, WatchId, WatchOutput};
use synod_database::{Command, Node};
use synod_machine::{NodeId, RequestId};
use synod_sim::{Clients, Stream, Violation};
use synod_storage::mvcc::{Event, EventKind, KeyRange, Revision};

use super::model;
use super::oracle::Oracle;
use super::setting::Load;
use super::workload::{Keys, LANE};

const PROPERTY: &str = "watchers see every event once, in order, without a gap";

/// How long a stream waits for the first word of a watch before it looks for another node.
const CREATION_PATIENCE: Duration = Duration::from_secs(3);

/// Ids of streams lie far above those of requests, and on the clients' lane.
const STREAM_ID_FIRST: u64 = 1 << 62;

/// All streams of a run.
pub struct Watchers {
    streams: Vec<Connection>,
    by_id: BTreeMap<RequestId, usize>,
    next_id: u64,
    keys: Keys,
    /// Outputs that arrived.
    pub outputs: u64,
    /// Watches that ended because history was compacted.
    pub compacted: u64,
    /// Streams that were opened anew.
    pub reopened: u64,
    /// Events that came so late that the oracle has forgotten them.
    pub unjudged: u64,
}

/// One client's connection.
struct Connection {
    id: RequestId,
    node: NodeId,
    watches: BTreeMap<WatchId, Watch>,
    opened: Duration,
    /// Its node is gone, or does not answer.
    broken: bool,
    untaken: u32,
    /// It takes its outputs every so often.
    pace: Duration,
}

struct Watch {
    range: KeyRange,
    span: Span,
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
    /// The revision it began at; known for those from now on when they have begun.
    start: Option<Revision>,
    /// Everything before this place in the oracle's events was seen, or is not wanted.
    place: usize,
    /// The next event is of this revision or a later one.
    next: Revision,
    created: bool,
}

impl Watchers {
    /// Streams as the run's load says; each opens at its first timer.
    pub fn new(load: &Load, draw: &mut Stream) -> Self {
        let keys = Keys { count: load.keys };
        let streams = (0..load.streams).map(|_| draw_stream(load, keys, draw)).collect();
        Watchers {
            streams,
            by_id: BTreeMap::new(),
            next_id: STREAM_ID_FIRST,
            keys,
            outputs: 0,
            compacted: 0,
            reopened: 0,
            unjudged: 0,
        }
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// A node's process is gone, and with it the connections to it.
    pub fn node_gone(&mut self, node: NodeId) {
        self.streams.iter_mut().filter(|stream| stream.node == node).for_each(|stream| stream.broken = true);
    }

    /// A stream's timer: it takes what came, or opens anew. Gives the time until its next one.
    pub fn tick(
        &mut self,
        index: usize,
        oracle: &Oracle,
        targets: &[NodeId],
        clients: &mut Clients<Node>,
    ) -> Duration {
        let now = clients.now().since_start();
        let stream = &mut self.streams[index];
        let silent =
            stream.watches.values().any(|watch| !watch.created) && now > stream.opened + CREATION_PATIENCE;
        let wanders = !stream.broken && clients.draw.below(400) == 0;
        if stream.broken || silent || wanders || !targets.contains(&stream.node) {
            self.open(index, oracle, targets, clients);
            return self.streams[index].pace;
        }
        let outputs = std::mem::take(&mut stream.untaken);
        if outputs > 0 {
            clients.send(LANE, stream.node, Command::WatchTaken { stream: stream.id, outputs });
        }
        match clients.draw.below(60) {
            0 => ask(stream, WatchControl::Progress(None), clients),
            1 => self.replace_one(index, oracle, clients),
            _ => {}
        }
        self.streams[index].pace
    }

    /// Whether every watch has begun and seen all up to `revision`.
    pub fn caught_up(&mut self, oracle: &Oracle, revision: Revision) -> Result<(), String> {
        for stream in &mut self.streams {
            for (id, watch) in &mut stream.watches {
                if !watch.created {
                    return Err(format!("watch {id} at {} has not begun", stream.node));
                }
                if let Some(event) = watch.due(oracle).filter(|event| event.kv.mod_revision <= revision) {
                    return Err(format!("watch {id} at {} waits for {}", stream.node, model::change(event)));
                }
            }
        }
        Ok(())
    }

    /// An output arrived. The stream may be one that is not open any more.
    pub fn output(
        &mut self,
        from: NodeId,
        id: RequestId,
        output: &WatchOutput,
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        let Some(index) = self.by_id.get(&id).copied() else { return Ok(()) };
        self.outputs += 1;
        let stream = &mut self.streams[index];
        let found = match output {
            WatchOutput::Created { id, revision } => stream.created(*id, *revision, oracle),
            WatchOutput::Events { id, events, .. } => {
                stream.untaken += 1;
                let old = events.iter().filter(|event| event.kv.mod_revision <= oracle.horizon().revision);
                self.unjudged += old.count() as u64;
                stream.events(*id, events, oracle)
            }
            WatchOutput::Canceled { id, reason, .. } => {
                self.compacted += u64::from(matches!(reason, WatchEnd::Compacted(_)));
                stream.canceled(*id, reason, oracle)
            }
            WatchOutput::Progress { id, revision } => stream.progress(*id, *revision, oracle),
        };
        found.map_err(|sentence| Violation::new(PROPERTY, [from], format!("a watch at {from}: {sentence}")))
    }

    fn open(&mut self, index: usize, oracle: &Oracle, targets: &[NodeId], clients: &mut Clients<Node>) {
        let id = RequestId(self.next_id);
        self.next_id += synod_sim::LANES_MAX;
        let stream = &mut self.streams[index];
        if self.by_id.remove(&stream.id).is_some() {
            self.reopened += 1;
            let closed = stream.id;
            clients.send(LANE, stream.node, Command::WatchClosed { stream: closed });
        }
        (stream.id, stream.node) = (id, *clients.draw.pick(targets));
        (stream.opened, stream.broken, stream.untaken) = (clients.now().since_start(), false, 0);
        self.by_id.insert(id, index);
        let ids: Vec<WatchId> = stream.watches.keys().copied().collect();
        for watch in ids {
            self.streams[index].begin(watch, oracle, clients);
        }
    }

    /// Ends one watch and begins another in its place.
    fn replace_one(&mut self, index: usize, oracle: &Oracle, clients: &mut Clients<Node>) {
        let keys = self.keys;
        let stream = &mut self.streams[index];
        let ids: Vec<WatchId> = stream.watches.keys().copied().collect();
        let id = *clients.draw.pick(&ids);
        stream.watches.remove(&id);
        ask(stream, WatchControl::Cancel(id), clients);
        let fresh = ids.last().map_or(0, |last| last + 1);
        stream.watches.insert(fresh, draw_watch(keys, &mut clients.draw));
        stream.opened = clients.now().since_start();
        stream.begin(fresh, oracle, clients);
    }
}

impl Connection {
    /// Asks for a watch: from where it was, or from where it should begin.
    fn begin(&mut self, id: WatchId, oracle: &Oracle, clients: &mut Clients<Node>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.created = false;
        if watch.start.is_none() && clients.draw.below(2) == 0 {
            // From the past, now and then from the future.
            let newest = oracle.revision() as u64;
            let start = clients.draw.between(1, newest + 10) as Revision;
            watch.start_at(start, oracle);
        }
        let start_revision = if watch.start.is_some() { watch.next } else { 0 };
        let create = WatchCreate {
            id,
            range: watch.range.clone(),
            start_revision,
            no_put: watch.no_put,
            no_delete: watch.no_delete,
            prev_kv: watch.prev_kv,
        };
        ask(self, WatchControl::Create(create), clients);
    }

    fn created(&mut self, id: WatchId, revision: Revision, oracle: &Oracle) -> Result<(), String> {
        let Some(watch) = self.watches.get_mut(&id) else { return Ok(()) };
        watch.created = true;
        if revision > oracle.revision() {
            return Err(format!("it began at revision {revision}, and only {} exist", oracle.revision()));
        }
        if watch.start.is_none() {
            watch.start_at(revision + 1, oracle);
        }
        Ok(())
    }

    fn events(&mut self, id: WatchId, events: &[Event], oracle: &Oracle) -> Result<(), String> {
        let Some(watch) = self.watches.get_mut(&id) else { return Ok(()) };
        if !watch.created {
            return Err(format!("watch {id} showed events before it said that it had begun"));
        }
        for event in events {
            watch.event(id, event, oracle)?;
        }
        let last = watch.next;
        match watch.due(oracle) {
            Some(due) if due.kv.mod_revision == last => Err(format!(
                "watch {id} on {} was shown a part of revision {last}, without {}",
                watch.span,
                model::change(due)
            )),
            _ => {
                watch.next = last + 1;
                Ok(())
            }
        }
    }

    fn canceled(&mut self, id: WatchId, reason: &WatchEnd, oracle: &Oracle) -> Result<(), String> {
        let Some(watch) = self.watches.get_mut(&id) else { return Ok(()) };
        let WatchEnd::Compacted(compacted) = reason else {
            return Err(format!("watch {id} was ended without being asked to: {reason:?}"));
        };
        if *compacted > oracle.compacted() || watch.next >= *compacted {
            return Err(format!(
                "watch {id} on {} was ended since history before {compacted} is compacted; it needed revision {}, and {} is compacted",
                watch.span,
                watch.next,
                oracle.compacted()
            ));
        }
        // Its client begins where history begins, on the next occasion.
        watch.start_at(*compacted, oracle);
        watch.created = false;
        self.broken = true;
        Ok(())
    }

    fn progress(&mut self, id: Option<WatchId>, revision: Revision, oracle: &Oracle) -> Result<(), String> {
        for (watch_id, watch) in &mut self.watches {
            if id.is_some_and(|id| id != *watch_id) || !watch.created {
                continue;
            }
            if let Some(due) = watch.due(oracle).filter(|due| due.kv.mod_revision <= revision) {
                return Err(format!(
                    "watch {watch_id} on {} was told that it has seen all up to revision {revision}, but not {}",
                    watch.span,
                    model::change(due)
                ));
            }
        }
        Ok(())
    }
}

impl Watch {
    fn start_at(&mut self, revision: Revision, oracle: &Oracle) {
        self.start = Some(revision);
        self.next = revision;
        self.place = oracle.position(revision);
    }

    fn wants(&self, event: &Event) -> bool {
        let kind = match event.kind {
            EventKind::Put => !self.no_put,
            EventKind::Delete => !self.no_delete,
        };
        // One that begins in the future has its place before it.
        kind && event.kv.mod_revision >= self.next && self.span.contains(&event.kv.key)
    }

    /// The next event that it must see, of those that the oracle remembers.
    fn due<'o>(&mut self, oracle: &'o Oracle) -> Option<&'o Event> {
        self.start?;
        self.place = self.place.max(oracle.events_begin());
        let events = oracle.events(self.place);
        let found = events.iter().position(|event| self.wants(event));
        // What it does not want now it never will.
        self.place += found.unwrap_or(events.len());
        found.map(|offset| &events[offset])
    }

    /// It is shown an event: is it the one that is due?
    fn event(&mut self, id: WatchId, event: &Event, oracle: &Oracle) -> Result<(), String> {
        if event.kv.mod_revision <= oracle.horizon().revision {
            // A member that lags behind tells what nobody remembers.
            self.next = event.kv.mod_revision;
            return Ok(());
        }
        let due = self.due(oracle);
        let title = format_args!("watch {id} on {}", self.span).to_string();
        let shown = model::change(event);
        let Some(due) = due else {
            return Err(format!("{title} was shown {shown}, and nothing is due"));
        };
        if (event.kind, &event.kv) != (due.kind, &due.kv) {
            let due = model::change(due);
            return Err(match event.kv.mod_revision >= self.next {
                true => format!("{title} was shown {shown} where {due} was due"),
                false => format!("{title} was shown {shown} again, or out of order; {due} was due"),
            });
        }
        let compacted_away = event.prev_kv.is_none() && oracle.compacted() >= event.kv.mod_revision;
        if self.prev_kv && event.prev_kv != due.prev_kv && !compacted_away {
            return Err(format!(
                "{title} was shown {shown} with {:?} before it, and not {:?}",
                event.prev_kv, due.prev_kv
            ));
        }
        self.place += 1;
        self.next = event.kv.mod_revision;
        Ok(())
    }
}

fn ask(stream: &Connection, control: WatchControl, clients: &mut Clients<Node>) {
    clients.send(LANE, stream.node, Command::Watch { stream: stream.id, control });
}

fn draw_stream(load: &Load, keys: Keys, draw: &mut Stream) -> Connection {
    let count = draw.between(1, load.watches_max);
    Connection {
        id: RequestId::default(),
        node: NodeId::default(),
        watches: (0..count as WatchId).map(|id| (id, draw_watch(keys, draw))).collect(),
        opened: Duration::ZERO,
        broken: true,
        untaken: 0,
        // Prompt, slow, and so slow that the stream overflows.
        pace: Duration::from_millis(*draw.pick(&[5, 50, 500, 4_000])),
    }
}

fn draw_watch(keys: Keys, draw: &mut Stream) -> Watch {
    let range = keys.draw_range(draw);
    let (no_put, no_delete) = *draw.pick(&[(false, false), (false, false), (true, false), (false, true)]);
    Watch {
        span: model::span(&range),
        range,
        no_put,
        no_delete,
        prev_kv: draw.below(2) == 0,
        start: None,
        place: 0,
        next: 0,
        created: false,
    }
}
