//! The hub against a model: whatever streams, watches, slow clients, compactions and replaced stores come together, each watch
//! sees exactly the events that it should, in order.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use synod_database::watch::*;
use synod_machine::RequestId;
use synod_storage::mvcc::{Event, EventKind, KeyRange, KeyValue, Revision, StoreError};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
/// Revisions that one look into history gives, so that catching up takes several.
const PAGE_REVISIONS: Revision = 3;

/// All that ever happened; revision 1 is the empty store.
#[derive(Default)]
struct Past {
    /// The events of revision `index + 2`.
    revisions: Vec<Vec<Event>>,
    compacted: Revision,
    /// Deletions of ranges that cannot be told yet.
    untold: BTreeMap<Revision, KeyRange>,
    /// Looks taken.
    reads: Cell<u32>,
}

impl Past {
    fn change(&mut self, changes: &[(usize, bool)]) -> Revision {
        let revision = self.revision() + 1;
        let mut events: Vec<Event> = Vec::new();
        for (key, put) in changes {
            let key = Bytes::from_static(KEYS[key % KEYS.len()].as_bytes());
            if events.iter().all(|event| event.kv.key != key) {
                let kind = if *put { EventKind::Put } else { EventKind::Delete };
                let kv = KeyValue { key, mod_revision: revision, ..KeyValue::default() };
                events.push(Event { kind, kv, prev_kv: None });
            }
        }
        self.revisions.push(events);
        revision
    }

    /// What a watch with these wishes sees from revision `from` up to `to`.
    fn wanted(&self, create: &WatchCreate, from: Revision, to: Revision) -> Vec<Event> {
        let all = (from.max(2)..=to).flat_map(|revision| &self.revisions[revision as usize - 2]);
        all.filter(|event| contains(&create.range, &event.kv.key))
            .filter(|event| match event.kind {
                EventKind::Put => !create.no_put,
                EventKind::Delete => !create.no_delete,
            })
            .cloned()
            .collect()
    }
}

impl History for Past {
    fn revision(&self) -> Revision {
        self.revisions.len() as Revision + 1
    }

    fn compacted(&self) -> Revision {
        self.compacted
    }

    fn events(
        &self,
        range: &KeyRange,
        from: Revision,
        _: bool,
    ) -> Result<(Vec<Event>, Revision), StoreError> {
        assert!(from >= self.compacted, "the hub asks for what is compacted");
        self.reads.set(self.reads.get() + 1);
        let next = (from.max(1) + PAGE_REVISIONS).min(self.revision() + 1);
        let mut untold = self.untold.range(from..).filter(|(_, deleted)| deleted.meets(range));
        let next = untold.next().map_or(next, |(revision, _)| next.min(*revision));
        let create = WatchCreate { range: range.clone(), ..WatchCreate::default() };
        Ok((self.wanted(&create, from, next - 1), next))
    }
}

fn contains(range: &KeyRange, key: &Bytes) -> bool {
    match &range.end[..] {
        b"" => *key == range.key,
        b"\0" => *key >= range.key,
        end => *key >= range.key && &key[..] < end,
    }
}

/// A client's side of a stream: it knows what it asked for and checks what it is told.
#[derive(Default)]
struct Client {
    watches: BTreeMap<WatchId, Seen>,
    /// Outputs with events that were not taken.
    untaken: u32,
    progress_asked: bool,
}

struct Seen {
    create: WatchCreate,
    created: bool,
    /// Every event before this was seen.
    next: Revision,
}

#[derive(Clone, Debug)]
enum Step {
    Create {
        stream: u64,
        create: WatchCreate,
        back: Revision,
    },
    Cancel {
        stream: u64,
        id: WatchId,
    },
    Progress {
        stream: u64,
    },
    Publish {
        changes: Vec<(usize, bool)>,
        times: usize,
    },
    /// The keys from one to another are deleted, which is told later.
    DeleteLater {
        from: usize,
        to: usize,
    },
    /// The oldest such deletion can be told.
    CarryOut,
    Take {
        stream: u64,
    },
    CatchUp {
        outputs: usize,
    },
    Compact {
        kept: Revision,
    },
    /// Revisions that came with a snapshot instead of one by one.
    Replace {
        missed: usize,
    },
    Close {
        stream: u64,
    },
}

fn steps() -> impl Strategy<Value = Step> {
    let stream = 1..4u64;
    let id = 0..4 as WatchId;
    let range = prop_oneof![
        (0..KEYS.len()).prop_map(|key| (KEYS[key], "")),
        Just(("a", "c")),
        Just(("b", "\0")),
        Just(("c", "zz")),
    ];
    let create = (stream.clone(), id.clone(), range, 0..3u8, -20..10i64).prop_map(
        |(stream, id, (key, end), filter, back)| {
            let range = KeyRange { key: key.into(), end: end.into() };
            let (no_put, no_delete) = (filter == 1, filter == 2);
            let create = WatchCreate { id, range, no_put, no_delete, ..WatchCreate::default() };
            Step::Create { stream, create, back }
        },
    );
    let changes = prop::collection::vec((0..KEYS.len(), any::<bool>()), 1..4);
    prop_oneof![
        4 => create,
        1 => (stream.clone(), id).prop_map(|(stream, id)| Step::Cancel { stream, id }),
        1 => stream.clone().prop_map(|stream| Step::Progress { stream }),
        6 => changes.clone().prop_map(|changes| Step::Publish { changes, times: 1 }),
        1 => changes.prop_map(|changes| Step::Publish { changes, times: 300 }),
        1 => (0..KEYS.len(), 1..=KEYS.len()).prop_map(|(from, to)| Step::DeleteLater { from, to }),
        2 => Just(Step::CarryOut),
        3 => stream.clone().prop_map(|stream| Step::Take { stream }),
        3 => (0..70usize).prop_map(|outputs| Step::CatchUp { outputs }),
        1 => (0..30i64).prop_map(|kept| Step::Compact { kept }),
        1 => (0..5usize).prop_map(|missed| Step::Replace { missed }),
        1 => stream.prop_map(|stream| Step::Close { stream }),
    ]
}

#[derive(Default)]
struct World {
    hub: Hub,
    past: Past,
    clients: BTreeMap<u64, Client>,
    out: HubOutput,
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Create { stream, create, back } => self.create(stream, create, back),
            Step::Cancel { stream, id } => {
                self.hub.control(RequestId(stream), WatchControl::Cancel(id), &self.past, &mut self.out);
            }
            Step::Progress { stream } => {
                if let Some(client) = self.clients.get_mut(&stream) {
                    client.progress_asked = true;
                }
                self.hub.control(RequestId(stream), WatchControl::Progress(None), &self.past, &mut self.out);
            }
            Step::Publish { changes, times } => {
                for _ in 0..times {
                    let revision = self.past.change(&changes);
                    let events = &self.past.revisions[revision as usize - 2];
                    self.hub.publish(revision, events, &mut self.out);
                }
            }
            Step::DeleteLater { from, to } => {
                let keys: Vec<(usize, bool)> = (from..to).map(|key| (key, false)).collect();
                if let Some(after) = keys.last().map(|(last, _)| last + 1) {
                    let end = KEYS
                        .get(after)
                        .map_or(Bytes::from_static(b"\0"), |key| Bytes::from_static(key.as_bytes()));
                    let deleted = KeyRange { key: KEYS[from].into(), end };
                    let revision = self.past.change(&keys);
                    self.hub.publish_later(revision, &deleted);
                    self.past.untold.insert(revision, deleted);
                }
            }
            Step::CarryOut => drop(self.past.untold.pop_first()),
            Step::Take { stream } => {
                if let Some(client) = self.clients.get_mut(&stream) {
                    self.hub.taken(RequestId(stream), std::mem::take(&mut client.untaken));
                }
            }
            Step::CatchUp { outputs } => {
                self.hub.catch_up(&self.past, outputs, &mut self.out);
            }
            Step::Compact { kept } => {
                self.past.compacted = self.past.compacted.max(self.past.revision() - kept);
            }
            Step::Replace { missed } => {
                let seen = self.past.revision();
                for key in 0..missed {
                    self.past.change(&[(key, true)]);
                }
                self.hub.replaced(seen);
            }
            Step::Close { stream } => {
                self.hub.close(RequestId(stream));
                self.clients.remove(&stream);
            }
        }
        self.check_outputs();
    }

    fn create(&mut self, stream: u64, mut create: WatchCreate, back: Revision) {
        let client = self.clients.entry(stream).or_default();
        if client.watches.contains_key(&create.id) {
            return;
        }
        let now = self.past.revision();
        create.start_revision = if back == 0 { 0 } else { (now + back).max(1) };
        let next = if create.start_revision == 0 { now + 1 } else { create.start_revision };
        client.watches.insert(create.id, Seen { create: create.clone(), created: false, next });
        self.hub.control(RequestId(stream), WatchControl::Create(create), &self.past, &mut self.out);
    }

    fn check_outputs(&mut self) {
        for (stream, output) in std::mem::take(&mut self.out) {
            let client = self.clients.get_mut(&stream.0).expect("no output for a stream that is gone");
            match output {
                WatchOutput::Created { id, revision } => {
                    let seen = client.watches.get_mut(&id).expect("it was asked for");
                    assert!(!std::mem::replace(&mut seen.created, true), "created twice");
                    assert_eq!(revision, self.past.revision());
                }
                WatchOutput::Events { id, revision, events } => {
                    client.untaken += 1;
                    assert!(client.untaken <= STREAM_OUTPUTS_MAX, "a slow client costs more than its window");
                    let seen = client.watches.get_mut(&id).expect("no events after the end of a watch");
                    assert!(seen.created, "events before the watch was created");
                    let last = events.last().expect("never empty").kv.mod_revision;
                    assert!(last <= revision);
                    assert_eq!(events[..], self.past.wanted(&seen.create, seen.next, last)[..]);
                    seen.next = last + 1;
                }
                WatchOutput::Canceled { id, reason, .. } => {
                    let seen = client.watches.remove(&id).expect("it ends once");
                    assert!(seen.created);
                    match reason {
                        WatchEnd::Asked => {}
                        WatchEnd::Compacted(compacted) => {
                            assert_eq!(compacted, self.past.compacted);
                            assert!(seen.next < compacted, "nothing that it needs is gone");
                        }
                        WatchEnd::Refused(reason) => panic!("refused: {reason}"),
                    }
                }
                WatchOutput::Progress { id, revision } => {
                    assert_eq!(id, None);
                    assert!(std::mem::take(&mut client.progress_asked), "nobody asked");
                    for seen in client.watches.values() {
                        let missing = self.past.wanted(&seen.create, seen.next, revision);
                        assert!(missing.is_empty(), "progress before {missing:?}");
                    }
                }
            }
        }
    }

    /// All clients take what there is, until nothing more comes: then nothing may be missing.
    fn settle(&mut self) {
        let streams: Vec<u64> = self.clients.keys().copied().collect();
        self.past.untold.clear();
        loop {
            streams.iter().for_each(|stream| self.step(Step::Take { stream: *stream }));
            if !self.hub.wants_history() {
                break;
            }
            self.step(Step::CatchUp { outputs: 64 });
        }
        let revision = self.past.revision();
        for client in self.clients.values() {
            for seen in client.watches.values() {
                let missing = self.past.wanted(&seen.create, seen.next, revision);
                assert!(missing.is_empty(), "never told of {missing:?}");
            }
            assert!(client.watches.is_empty() || !client.progress_asked, "progress was never told");
        }
        let watches: usize = self.clients.values().map(|client| client.watches.len()).sum();
        assert_eq!((self.hub.watches(), self.hub.behind()), (watches, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_watch_sees_exactly_its_events_in_order(steps in prop::collection::vec(steps(), 1..60)) {
        let mut world = World::default();
        steps.into_iter().for_each(|step| world.step(step));
        world.settle();
    }
}

fn watch(id: WatchId, start_revision: Revision) -> WatchControl {
    let range = KeyRange { key: "a".into(), end: "\0".into() };
    WatchControl::Create(WatchCreate { id, range, start_revision, ..WatchCreate::default() })
}

fn past(revisions: usize) -> Past {
    let mut past = Past::default();
    for _ in 0..revisions {
        past.change(&[(0, true)]);
    }
    past
}

#[test]
fn a_watch_from_the_past_is_created_before_its_events() {
    let (mut hub, past, mut out) = (Hub::default(), past(2), HubOutput::new());
    hub.control(RequestId(1), watch(7, 2), &past, &mut out);
    hub.catch_up(&past, 64, &mut out);
    let [(_, WatchOutput::Created { id: 7, revision: 3 }), (_, WatchOutput::Events { events, .. })] =
        &out[..]
    else {
        panic!("found {out:?}")
    };
    assert_eq!(events.iter().map(|event| event.kv.mod_revision).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_watch_that_needs_compacted_history_is_created_and_ends_with_the_revision_to_start_from() {
    let (mut hub, mut past, mut out) = (Hub::default(), past(9), HubOutput::new());
    past.compacted = 5;
    hub.control(RequestId(1), watch(7, 4), &past, &mut out);
    hub.catch_up(&past, 64, &mut out);
    let end = WatchOutput::Canceled { id: 7, revision: 10, reason: WatchEnd::Compacted(5) };
    let created = WatchOutput::Created { id: 7, revision: 10 };
    assert_eq!(out, [(RequestId(1), created), (RequestId(1), end)]);
    out.clear();
    hub.control(RequestId(1), watch(7, 5), &past, &mut out);
    hub.catch_up(&past, 64, &mut out);
    assert!(
        matches!(out.last(), Some((_, WatchOutput::Events { .. }))),
        "the compacted revision is readable"
    );
}

#[test]
fn progress_waits_for_watches_that_are_behind_and_not_for_ones_that_were_canceled() {
    let (mut hub, past, mut out) = (Hub::default(), past(2), HubOutput::new());
    hub.control(RequestId(1), watch(1, 0), &past, &mut out);
    hub.control(RequestId(1), watch(2, 2), &past, &mut out);
    out.clear();
    hub.control(RequestId(1), WatchControl::Progress(None), &past, &mut out);
    hub.control(RequestId(1), WatchControl::Progress(None), &past, &mut out);
    assert_eq!(out, [], "watch 2 is behind");
    hub.control(RequestId(1), WatchControl::Cancel(2), &past, &mut out);
    let canceled = WatchOutput::Canceled { id: 2, revision: 3, reason: WatchEnd::Asked };
    let progress = WatchOutput::Progress { id: None, revision: 3 };
    assert_eq!(out, [(RequestId(1), canceled), (RequestId(1), progress)]);
}

#[test]
fn a_client_that_takes_nothing_costs_its_window_and_no_reads_of_history() {
    let (mut hub, mut past, mut out) = (Hub::default(), past(0), HubOutput::new());
    hub.control(RequestId(1), watch(1, 0), &past, &mut out);
    for _ in 0..1_000 {
        let revision = past.change(&[(0, true)]);
        hub.publish(revision, &past.revisions[revision as usize - 2], &mut out);
    }
    assert!(!hub.catch_up(&past, 64, &mut out));
    assert_eq!((out.len() as u32 - 1, past.reads.get()), (STREAM_OUTPUTS_MAX, 0));
    hub.taken(RequestId(1), 1);
    assert!(!hub.catch_up(&past, 64, &mut out), "room for one is used for one");
    assert_eq!(out.len() as u32 - 1, STREAM_OUTPUTS_MAX + 1);
}
