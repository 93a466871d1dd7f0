//! Properties of the small pure parts: bytes, logs, majorities.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use synod_machine::{NodeId, Ticket};
use synod_protocols::consensus::raft::wire::*;
use synod_protocols::consensus::raft::*;
use synod_protocols::quorum::{Tally, Voters, majority};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..3u64, 0..300u64, any::<u64>(), Just(u64::MAX)]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn place() -> impl Strategy<Value = Place> {
    (number(), number()).prop_map(|(term, index)| Place { term: Term(term), index: Index(index) })
}

fn nodes() -> impl Strategy<Value = BTreeSet<NodeId>> {
    btree_set(number().prop_map(NodeId), 0..6)
}

fn configuration() -> impl Strategy<Value = Configuration> {
    (nodes(), nodes(), nodes()).prop_map(|(voters, outgoing, learners)| Configuration {
        voters,
        outgoing,
        learners,
    })
}

fn point() -> impl Strategy<Value = SnapshotPoint> {
    (place(), configuration()).prop_map(|(place, configuration)| SnapshotPoint {
        index: place.index,
        term: place.term,
        configuration,
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Noop),
        bytes().prop_map(Payload::Command),
        configuration().prop_map(Payload::Configuration)
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (place(), payload());
    vec(entry.prop_map(|(place, payload)| Entry { term: place.term, index: place.index, payload }), 0..5)
}

fn message() -> impl Strategy<Value = Message> {
    let parts = (number(), number(), number(), place(), any::<bool>(), any::<bool>());
    let large = (entries(), point(), bytes(), option::of(bytes()), bytes());
    (0..14u8, parts, large).prop_map(
        |(kind, (t, a, b, place, yes, no), (entries, point, cursor, next, data))| {
            let (term, index) = (Term(t), Index(a));
            match kind {
                0 => Message::Vote { term, last: place, pre: yes, transfer: no },
                1 => Message::Voted { term, ballot: Term(a), pre: yes, granted: no },
                2 => Message::Append { term, previous: place, entries, commit: index },
                3 => Message::Appended { term, matched: index },
                4 => Message::Rejected { term, previous: index, hint: place },
                5 => Message::Heartbeat { term, commit: index, round: b, quiesce: yes },
                6 => Message::Alive { term, round: b },
                7 => Message::Committed { term, commit: index },
                8 => Message::ReadRequest { term, token: b },
                9 => Message::ReadAnswer { term, token: b, index },
                10 => Message::Snapshot { term, point, chunk: Chunk { cursor, next, data } },
                11 => Message::SnapshotProgress { term, index, next },
                12 => Message::TimeoutNow { term },
                _ => Message::Outdated { term },
            }
        },
    )
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        (number(), option::of(number()))
            .prop_map(|(term, vote)| Write::Vote { term: Term(term), vote: vote.map(NodeId) }),
        entries().prop_map(Write::Append),
        point().prop_map(Write::Base),
        point().prop_map(Write::Reset),
    ]
}

fn encoded(message: &Message) -> Bytes {
    let mut out = Vec::new();
    encode_message(message, &mut out);
    Bytes::from(out)
}

proptest! {
    #[test]
    fn messages_come_back(message in message()) {
        prop_assert_eq!(decode_message(encoded(&message)), Ok(message));
    }

    #[test]
    fn writes_come_back(write in write()) {
        let mut out = Vec::new();
        encode_write(&write, &mut out);
        prop_assert_eq!(decode_write(Bytes::from(out)), Ok(write));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read(mut bytes in vec(any::<u8>(), 0..200), versioned in any::<bool>()) {
        if versioned && !bytes.is_empty() {
            bytes[0] = WIRE_VERSION;
        }
        let bytes = Bytes::from(bytes);
        let _ = decode_message(bytes.clone());
        let _ = decode_write(bytes);
    }

    #[test]
    fn a_message_cut_anywhere_is_refused(message in message(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&message);
        let cut = bytes.slice(..at.index(bytes.len()));
        prop_assert!(decode_message(cut).is_err());
    }

    #[test]
    fn a_message_changed_anywhere_does_no_harm(message in message(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encoded(&message).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = decode_message(Bytes::from(bytes));
    }

    #[test]
    fn two_majorities_meet(set in btree_set((0..9u64).prop_map(NodeId), 1..9), a in any::<u16>(), b in any::<u16>()) {
        let of = |mask: u16| move |node: NodeId| mask & (1 << node.0) != 0;
        let none = BTreeSet::new();
        let voters = Voters::joint(&set, &none);
        if voters.decided_by(of(a)) && voters.decided_by(of(b)) {
            prop_assert!(set.iter().any(|node| of(a)(*node) && of(b)(*node)));
        }
    }

    #[test]
    fn joint_decisions_meet_those_of_either_side(
        old in btree_set((0..9u64).prop_map(NodeId), 1..7),
        new in btree_set((0..9u64).prop_map(NodeId), 1..7),
        a in any::<u16>(),
        b in any::<u16>(),
    ) {
        let of = |mask: u16| move |node: NodeId| mask & (1 << node.0) != 0;
        let none = BTreeSet::new();
        if Voters::joint(&new, &old).decided_by(of(a)) {
            for side in [&old, &new] {
                if Voters::joint(side, &none).decided_by(of(b)) {
                    prop_assert!(side.iter().any(|node| of(a)(*node) && of(b)(*node)));
                }
            }
        }
    }

    #[test]
    fn what_is_reached_is_what_a_majority_has(
        incoming in btree_set((0..12u64).prop_map(NodeId), 1..12),
        outgoing in btree_set((0..12u64).prop_map(NodeId), 0..12),
        values in vec(0..20u64, 12),
    ) {
        let value = |node: NodeId| values[node.0 as usize];
        let voters = Voters::joint(&incoming, &outgoing);
        let reached = voters.reached(value).expect("there are voters");
        prop_assert!(voters.decided_by(|node| value(node) >= reached));
        prop_assert!(!voters.decided_by(|node| value(node) > reached));
    }

    #[test]
    fn a_ballot_is_lost_only_when_it_cannot_be_won(
        set in btree_set((0..7u64).prop_map(NodeId), 1..7),
        votes in vec(option::of(any::<bool>()), 7),
    ) {
        let none = BTreeSet::new();
        let yes = set.iter().filter(|node| votes[node.0 as usize] == Some(true)).count();
        let open = set.iter().filter(|node| votes[node.0 as usize].is_none()).count();
        let expected = if yes >= majority(set.len()) {
            Tally::Won
        } else if yes + open >= majority(set.len()) {
            Tally::Open
        } else {
            Tally::Lost
        };
        prop_assert_eq!(Voters::joint(&set, &none).tally(|node| votes[node.0 as usize]), expected);
    }

    /// A log against a plain map, with writes that become durable in order.
    #[test]
    fn a_log_is_what_was_done_to_it(steps in vec((0..6u8, 0..12u64), 0..80)) {
        let mut log = Log::new(SnapshotPoint::default());
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut base, mut term, mut ticket, mut durable) = (0u64, 1u64, 0u64, 0u64);
        for (kind, n) in steps {
            let last = model.keys().next_back().copied().unwrap_or(base);
            match kind {
                0..=2 => {
                    term += u64::from(n == 0);
                    let entries: Vec<Entry> = (1..=n % 4)
                        .map(|i| Entry { term: Term(term), index: Index(last + i), payload: Payload::Noop })
                        .collect();
                    log.append(&entries);
                    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                        ticket += 1;
                        log.wrote(Ticket(ticket), first.index, last.index);
                    }
                    model.extend(entries.iter().map(|entry| (entry.index.0, entry.term.0)));
                }
                3 if last > base => {
                    let cut = (base + 1 + n).min(last);
                    log.truncate(Index(cut));
                    model.split_off(&cut);
                    durable = durable.min(cut - 1);
                    term += 1;
                }
                4 => {
                    base = (base + n).min(last);
                    log.compact(Index(base));
                    model = model.split_off(&(base + 1));
                    durable = durable.max(base);
                }
                _ => {
                    log.confirm(Ticket(ticket));
                    durable = model.keys().next_back().copied().unwrap_or(base);
                }
            }
            let last = model.keys().next_back().copied().unwrap_or(base);
            prop_assert_eq!(log.last().index.0, last);
            prop_assert_eq!(log.durable().0, durable);
            prop_assert_eq!(log.first().0, base + 1);
            for (index, term) in &model {
                prop_assert_eq!(log.term(Index(*index)), Some(Term(*term)));
            }
            prop_assert_eq!(log.term(Index(last + 1)), None);
            prop_assert_eq!(log.ticket_for(Index(last)).is_none(), durable == last);
            let bytes: usize = log.range(Index(base), Index(last)).map(Entry::bytes).sum();
            prop_assert_eq!(log.bytes(), bytes);
        }
    }

    /// Whatever two logs are, the hint never skips a place where they agree.
    #[test]
    fn the_hint_never_skips_agreement(common in 0..6u64, a in vec(0..3u64, 0..8), b in vec(0..3u64, 0..8)) {
        let build = |rises: &[u64], from: u64| {
            let mut log = Log::new(SnapshotPoint::default());
            let mut term = 1;
            let entry = |term, index| Entry { term: Term(term), index: Index(index), payload: Payload::Noop };
            let mut entries: Vec<Entry> = (1..=common).map(|index| entry(1, index)).collect();
            for (rise, index) in rises.iter().zip(common + 1..) {
                // Two leaders never share a term: odd ones here, even ones there.
                term = (term + 2 * rise).max(from);
                entries.push(entry(term, index));
            }
            log.append(&entries);
            log
        };
        let (leader, follower) = (build(&a, 3), build(&b, 2));
        let hint = follower.agree_before(leader.last());
        let meet = leader.agree_before(hint);
        prop_assert!(meet.index.0 >= common.min(leader.last().index.0), "meets at {:?}, common {}", meet, common);
    }
}

#[test]
fn what_a_compaction_takes_out_is_freed_in_small_parts_and_to_the_last() {
    const ENTRIES: u64 = 20_000;
    let payloads: Vec<Bytes> = (0..ENTRIES).map(|n| Bytes::from(n.to_le_bytes().to_vec())).collect();
    let entry = |(index, payload): (u64, &Bytes)| Entry {
        term: Term(1),
        index: Index(index),
        payload: Payload::Command(payload.clone()),
    };
    let mut log = Log::new(SnapshotPoint::default());
    log.append(&(1..).zip(&payloads).map(entry).collect::<Vec<_>>());
    let held = || payloads.iter().filter(|payload| !payload.is_unique()).count() as u64;
    log.compact(Index(ENTRIES - 100));
    assert_eq!(held(), ENTRIES, "nothing is freed by the compaction itself");
    let mut rounds = 0;
    while held() > 100 {
        let before = held();
        log.tidy();
        let freed = before - held();
        assert!((1..=ENTRIES / 50).contains(&freed), "{freed} of {before} freed at once");
        rounds += 1;
    }
    assert!(rounds < 500, "took {rounds} rounds");
    assert_eq!(log.first(), Index(ENTRIES - 99));
}

#[test]
fn options_that_cannot_work_are_refused_by_name() {
    let default = Config::default;
    let millis = Duration::from_millis;
    let cases = [
        (Config { heartbeat: Duration::ZERO, ..default() }, "heartbeat"),
        (Config { heartbeat: millis(1000), ..default() }, "heartbeat"),
        (Config { election_most: millis(999), ..default() }, "election_least"),
        (Config { retry: Duration::ZERO, ..default() }, "retry"),
        (Config { read_retry: Duration::ZERO, ..default() }, "read_retry"),
        (Config { read_tries_max: 0, ..default() }, "read_tries_max"),
        (Config { reads_max: 0, ..default() }, "reads_max"),
        (Config { append_bytes_max: 0, ..default() }, "append_bytes_max"),
        (Config { inflight_messages_max: 0, ..default() }, "inflight_messages_max"),
        (Config { inflight_bytes_max: 0, ..default() }, "inflight_bytes_max"),
        (Config { uncommitted_bytes_max: 0, ..default() }, "uncommitted_bytes_max"),
        (Config { members_max: 0, ..default() }, "members_max"),
        (Config { lease_drift_ppm: Some(1_000_000), ..default() }, "lease_drift_ppm"),
        (Config { lease_drift_ppm: Some(1), check_quorum: false, ..default() }, "lease_drift_ppm"),
        (Config { quiesce: true, pre_vote: false, ..default() }, "quiesce"),
        (Config { heartbeat_at_rest: Some(Duration::from_millis(1)), ..default() }, "heartbeat_at_rest"),
    ];
    assert_eq!(default().validate(), Ok(()));
    for (config, option) in cases {
        let error = config.validate().expect_err(option);
        assert!(error.to_string().starts_with(option), "{error} should name {option}");
    }
}
