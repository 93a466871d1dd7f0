//! Replicas: however entries come, by the log or by a snapshot, in one batch or many, with crashes in between, the state is the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use synod_database::proposal::{Change, Envelope};
use synod_database::raft::{self, Chunk, Entry, Index, Payload, SnapshotPoint, Term};
use synod_database::watch::{WatchControl, WatchCreate, WatchOutput};
use synod_database::*;
use synod_machine::{NodeId, Output, RequestId};
use synod_storage::kv::MemoryKv;
use synod_storage::mvcc::{DeleteRequest, KeyRange, Operation, PutRequest, Revision};

const GROUP: GroupId = GroupId(0);
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const STREAM: RequestId = RequestId(u64::MAX);

fn replica(me: NodeId, engine: MemoryKv) -> Replica<MemoryKv> {
    let bootstrap = raft::Configuration { voters: [A, B].into(), ..Default::default() };
    let defaults = ReplicaConfig::new(me, GROUP, bootstrap);
    let config = ReplicaConfig { chunk_bytes: 64, marked_keys_min: 2, ..defaults };
    Replica::open(config, engine).unwrap()
}

fn work(replica: &mut Replica<MemoryKv>, job: Job) -> Output<Node> {
    let mut out = Output::default();
    replica.work(job, &mut out);
    out
}

fn apply(replica: &mut Replica<MemoryKv>, entries: &[Entry]) -> Output<Node> {
    work(replica, Job::Apply { group: GROUP, boot: 1, entries: entries.to_vec() })
}

/// Everything by which two replicas could differ.
fn state(replica: &Replica<MemoryKv>) -> impl PartialEq + std::fmt::Debug + use<> {
    let members = replica.answer(&Query::Members);
    let hash = replica.view().hash().unwrap();
    (replica.point().clone(), replica.sessions().clone(), members, hash, replica.view().revision())
}

/// Gives `from`'s state to `to`, piece by piece; every piece comes twice.
fn install(from: &mut Replica<MemoryKv>, to: &mut Replica<MemoryKv>) -> Output<Node> {
    let (mut cursor, mut point) = (Bytes::new(), None);
    loop {
        let job = raft::Job::Read { peer: B, point: point.clone(), cursor: cursor.clone() };
        let mut out = work(from, Job::Snapshot { group: GROUP, job });
        let Some(Done::Snapshot { done: raft::Done::Read { point: held, chunk, .. }, .. }) = out.done.pop()
        else {
            panic!("a piece cannot be read")
        };
        let next = chunk.next.clone();
        let put_in_place = |to: &mut Replica<MemoryKv>, chunk: &Chunk| {
            let job = raft::Job::Install { from: A, point: held.clone(), chunk: chunk.clone() };
            work(to, Job::Snapshot { group: GROUP, job })
        };
        let out = put_in_place(to, &chunk);
        let Some(Done::Snapshot { done: raft::Done::Installed { next: wanted, .. }, .. }) = out.done.last()
        else {
            panic!("a piece cannot be installed: {:?}", out.done)
        };
        assert_eq!(*wanted, next);
        let Some(next) = next else { return out };
        if !cursor.is_empty() {
            let again = put_in_place(to, &chunk);
            let done = raft::Done::Installed { point: held.clone(), next: Some(next.clone()) };
            assert_eq!(again.done, [Done::Snapshot { group: GROUP, done }], "a copy changes nothing");
        }
        (cursor, point) = (next, Some(held));
    }
}

/// A change by one of two nodes; some are copies of earlier ones.
fn changes() -> impl Strategy<Value = Change> {
    let key = || (0..5u8).prop_map(|key| Bytes::from(vec![b'a' + key]));
    let put = (key(), any::<u16>(), 0..3i64).prop_map(|(key, value, lease)| {
        let value = Bytes::from(value.to_string());
        Operation::Put(PutRequest { key, value, lease, ..PutRequest::default() })
    });
    let delete = key().prop_map(|key| {
        let range = KeyRange { key, end: Bytes::from_static(b"d") };
        Operation::Delete(DeleteRequest { range, ..DeleteRequest::default() })
    });
    let grant = (1..3i64).prop_map(|id| Operation::LeaseGrant { id, ttl_seconds: 60 + id });
    let revoke = (1..3i64).prop_map(|id| Operation::LeaseRevoke { id });
    let compact = (1..20i64).prop_map(|revision| Operation::Compact { revision });
    let publish = (1..3u64, "[a-z]{1,4}").prop_map(|(member, name)| {
        let client_urls = vec![format!("http://{name}")];
        Change::Publish(Attributes { member: NodeId(member), home: 7, name, client_urls })
    });
    prop_oneof![
        6 => put.prop_map(Change::Store),
        2 => delete.prop_map(Change::Store),
        2 => grant.prop_map(Change::Store),
        1 => revoke.prop_map(Change::Store),
        1 => compact.prop_map(Change::Store),
        1 => publish,
    ]
}

fn logs(entries: usize) -> impl Strategy<Value = Vec<Entry>> {
    // Origin 0 is the group itself: its changes have no session that would let only one copy through.
    let entry = (changes(), 0..3u64, any::<bool>(), 0..12u8);
    prop::collection::vec(entry, entries).prop_map(|changes| {
        let mut next = BTreeMap::from([(0, 0u64), (1, 0), (2, 0)]);
        let entries = changes.into_iter().zip(1..).map(|((change, origin, copy, kind), index)| {
            let sequence = next.get_mut(&origin).unwrap();
            if !(copy && *sequence > 0) {
                *sequence += 1;
            }
            let (sequence, floor) = (*sequence, sequence.saturating_sub(3));
            let envelope = Envelope { origin: NodeId(origin), boot: 1, sequence, floor, change };
            let payload = if kind == 0 { Payload::Noop } else { Payload::Command(envelope.encode()) };
            Entry { term: Term(1 + index / 10), index: Index(index), payload }
        });
        entries.collect()
    })
}

fn watch_all(replica: &mut Replica<MemoryKv>) {
    let range = KeyRange { key: Bytes::from_static(b"a"), end: Bytes::from_static(b"\0") };
    let create = WatchCreate { range, ..WatchCreate::default() };
    let control = WatchControl::Create(create);
    work(replica, Job::Watch { group: GROUP, stream: STREAM, control });
}

/// The keys that a watch was told of with their revisions, and whether it is still there.
fn told(outs: impl IntoIterator<Item = Output<Node>>) -> (Vec<(Revision, Bytes)>, bool) {
    let (mut told, mut lives) = (Vec::new(), true);
    for (_, reply) in outs.into_iter().flat_map(|out| out.replies) {
        match reply {
            Reply::Watch(WatchOutput::Events { events, .. }) => {
                told.extend(events.iter().map(|event| (event.kv.mod_revision, event.kv.key.clone())));
            }
            Reply::Watch(WatchOutput::Canceled { .. }) => lives = false,
            _ => {}
        }
    }
    (told, lives)
}

fn idle(replica: &mut Replica<MemoryKv>) -> Output<Node> {
    let mut out = Output::default();
    while replica.idle(&mut out) {}
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn batches_and_crashes_leave_no_trace(log in logs(50), cuts in prop::collection::vec((0..50usize, 0..4u8, 0..9usize), 0..9)) {
        let mut whole = replica(A, MemoryKv::new());
        apply(&mut whole, &log);
        let mut parts = replica(A, MemoryKv::new());
        for (cut, then, keep) in cuts {
            let from = parts.point().index.0 as usize;
            // Entries that were applied before come again after a restart: they are passed over.
            let again = from.saturating_sub(keep);
            apply(&mut parts, &log[again..cut.max(from)]);
            match then {
                0 => drop(work(&mut parts, Job::Persist { group: GROUP, id: None })),
                1 => {
                    let mut engine = parts.into_engine();
                    engine.crash(keep);
                    parts = replica(A, engine);
                }
                2 => drop(idle(&mut parts)),
                _ => {}
            }
        }
        let from = parts.point().index.0 as usize;
        apply(&mut parts, &log[from..]);
        prop_assert_eq!(state(&parts), state(&whole));
    }

    #[test]
    fn a_snapshot_stands_for_the_entries_before_it(log in logs(60), behind in 0..30usize, at in 30..60usize) {
        let (mut a, mut b) = (replica(A, MemoryKv::new()), replica(B, MemoryKv::new()));
        watch_all(&mut a);
        watch_all(&mut b);
        let mut outs_a = vec![apply(&mut a, &log[..at])];
        let mut outs_b = vec![apply(&mut b, &log[..behind])];
        outs_b.push(install(&mut a, &mut b));
        prop_assert_eq!(state(&b), state(&a));
        let restored = outs_b[1].done.iter().find_map(|done| match done {
            Done::Restored { leases, .. } => Some(leases.clone()),
            _ => None,
        });
        prop_assert_eq!(restored, Some(a.boot().unwrap().leases));
        outs_b.push(idle(&mut b));
        for (replica, outs) in [(&mut a, &mut outs_a), (&mut b, &mut outs_b)] {
            outs.push(apply(replica, &log[at..]));
            outs.push(idle(replica));
        }
        prop_assert_eq!(state(&b), state(&a));
        let (seen_a, lives_a) = told(outs_a);
        let (seen_b, lives_b) = told(outs_b);
        prop_assert!(lives_a, "it never was behind");
        if lives_b {
            prop_assert_eq!(seen_b, seen_a, "a watch does not notice that the store was replaced");
        } else {
            // What it missed was compacted before it could be read: it was told so, and nothing wrong before.
            prop_assert!(seen_a.starts_with(&seen_b));
        }
        // What was installed is durable.
        let before = state(&b);
        let mut engine = b.into_engine();
        engine.crash(usize::MAX);
        prop_assert_eq!(state(&replica(B, engine)), before);
    }
}

#[test]
fn only_the_clients_of_this_life_of_this_node_are_answered() {
    let mut a = replica(A, MemoryKv::new());
    let change = |value: &'static str| {
        let put = PutRequest { key: "k".into(), value: value.into(), ..PutRequest::default() };
        Change::Store(Operation::Put(put))
    };
    let entry = |index, origin, boot, sequence| {
        let envelope = Envelope { origin, boot, sequence, floor: 0, change: change("v") };
        Entry { term: Term(1), index: Index(index), payload: Payload::Command(envelope.encode()) }
    };
    let entries = [entry(1, A, 0, 5), entry(2, A, 1, 6), entry(3, B, 1, 7), entry(4, A, 1, 6)];
    let out = apply(&mut a, &entries);
    assert_eq!(out.replies.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [6], "once, though it came twice");
    let Some(Done::Applied { applied, .. }) = out.done.first() else { panic!("found {:?}", out.done) };
    assert_eq!((applied.index, &applied.sequences[..]), (Index(4), &[6][..]));
    assert_eq!(a.view().revision(), 4, "three changes were let through");
}

#[test]
fn a_snapshot_that_is_gone_is_begun_anew() {
    let mut a = replica(A, MemoryKv::new());
    let job = raft::Job::Read {
        peer: B,
        point: Some(SnapshotPoint::default()),
        cursor: Bytes::from_static(b"somewhere"),
    };
    let out = work(&mut a, Job::Snapshot { group: GROUP, job });
    let done = raft::Done::Unreadable { peer: B };
    assert_eq!(out.done, [Done::Snapshot { group: GROUP, done }]);
}

#[test]
fn a_damaged_piece_replaces_nothing() {
    let mut b = replica(B, MemoryKv::new());
    let before = state(&b);
    let point = SnapshotPoint { index: Index(9), term: Term(1), ..SnapshotPoint::default() };
    let chunk = Chunk { cursor: Bytes::new(), next: None, data: Bytes::from_static(b"nonsense") };
    let job = raft::Job::Install { from: A, point: point.clone(), chunk };
    let out = work(&mut b, Job::Snapshot { group: GROUP, job });
    let done = raft::Done::Uninstallable { point };
    assert_eq!(out.done, [Done::Snapshot { group: GROUP, done }]);
    assert_eq!(state(&b), before);
}

#[test]
fn a_sweep_does_not_run_ahead_of_what_is_durable() {
    const CHANGES: u64 = 100;
    let bootstrap = raft::Configuration { voters: [A].into(), ..Default::default() };
    let config = ReplicaConfig { compact_step_changes: 1, ..ReplicaConfig::new(A, GROUP, bootstrap) };
    let mut replica = Replica::open(config, MemoryKv::new()).unwrap();
    let put = PutRequest { key: "k".into(), ..PutRequest::default() };
    let compact = Operation::Compact { revision: CHANGES as Revision };
    let operations = std::iter::repeat_n(Operation::Put(put), CHANGES as usize).chain([compact]);
    let entry = |(index, operation)| {
        let change = Change::Store(operation);
        let envelope = Envelope { origin: NodeId(0), boot: 1, sequence: index, floor: 0, change };
        Entry { term: Term(1), index: Index(index), payload: Payload::Command(envelope.encode()) }
    };
    let entries: Vec<Entry> = (1..).zip(operations).map(entry).collect();
    apply(&mut replica, &entries);
    let out = idle(&mut replica);
    let persisted = out.done.iter().filter(|done| matches!(done, Done::Persisted { .. })).count() as u64;
    assert!(persisted >= CHANGES / 10, "it waited for the engine only {persisted} times in {CHANGES} steps");
    let pending = replica.into_engine().batches_pending() as u64;
    assert!(pending < CHANGES / 10, "{pending} steps could be lost at once");
}

#[test]
fn a_watch_is_told_of_many_deletions_when_they_are_carried_out() {
    const KEYS: u8 = 50;
    let bootstrap = raft::Configuration { voters: [A].into(), ..Default::default() };
    let defaults = ReplicaConfig::new(A, GROUP, bootstrap);
    let config = ReplicaConfig { compact_step_changes: 7, marked_keys_min: 3, ..defaults };
    let mut replica = Replica::open(config, MemoryKv::new()).unwrap();
    let watch = |replica: &mut Replica<MemoryKv>, stream, control| {
        work(replica, Job::Watch { group: GROUP, stream: RequestId(stream), control })
    };
    let key = |number: u8| Bytes::from(vec![b'k', number]);
    let entry = |index: u64, operation| {
        let change = Change::Store(operation);
        let envelope = Envelope { origin: NodeId(0), boot: 1, sequence: index, floor: 0, change };
        Entry { term: Term(1), index: Index(index), payload: Payload::Command(envelope.encode()) }
    };
    let put = |key| Operation::Put(PutRequest { key, ..PutRequest::default() });
    let filled: Vec<Entry> = (0..KEYS).map(|number| entry(number as u64 + 1, put(key(number)))).collect();
    apply(&mut replica, &filled);
    for (stream, range, prev_kv) in [
        (1, KeyRange::prefix("k"), true),
        (2, KeyRange::key(key(7)), false),
        (3, KeyRange::key("other"), false),
    ] {
        let create = WatchCreate { id: 1, range, prev_kv, ..WatchCreate::default() };
        watch(&mut replica, stream, WatchControl::Create(create));
    }
    let next = KEYS as u64 + 1;
    let all = DeleteRequest { range: KeyRange::prefix("k"), prev_kv: false };
    let after = [
        entry(next, Operation::Delete(all)),
        entry(next + 1, put(key(7))),
        entry(next + 2, put("other".into())),
    ];
    let out = apply(&mut replica, &after);
    let told = |out: &Output<Node>| -> Vec<(u64, Vec<(Revision, Bytes, bool)>)> {
        let events = |reply: &Reply| match reply {
            Reply::Watch(WatchOutput::Events { events, .. }) => Some(
                events
                    .iter()
                    .map(|event| (event.kv.mod_revision, event.kv.key.clone(), event.prev_kv.is_some()))
                    .collect(),
            ),
            _ => None,
        };
        out.replies.iter().filter_map(|(id, reply)| Some((id.0, events(reply)?))).collect()
    };
    let (deleted, put_again) = (KEYS as Revision + 2, KEYS as Revision + 3);
    assert_eq!(told(&out), [(3, vec![(put_again + 1, "other".into(), false)])], "others do not wait");
    assert_eq!(replica.watches_behind(), 2);
    watch(&mut replica, 2, WatchControl::Progress(None));
    let out = idle(&mut replica);
    let mut expected: Vec<_> = (0..KEYS).map(|number| (deleted, key(number), true)).collect();
    expected.push((put_again, key(7), false));
    let one = vec![(deleted, key(7), false), (put_again, key(7), false)];
    let mut found = told(&out);
    found.sort_unstable();
    assert_eq!(found, [(1, expected), (2, one)]);
    let of_one: Vec<&Reply> =
        out.replies.iter().filter(|(stream, _)| stream.0 == 2).map(|(_, reply)| reply).collect();
    let is_told = matches!(
        of_one[..],
        [Reply::Watch(WatchOutput::Events { .. }), Reply::Watch(WatchOutput::Progress { .. })]
    );
    assert!(is_told, "progress comes behind its events: {of_one:?}");
    assert_eq!(replica.watches_behind(), 0);
}
