//! The node, scripted: what it promises, one promise a test.

mod driver;

use std::time::Duration;

use synod_database::proposal::{Change, Envelope};
use synod_database::*;
use synod_machine::*;
use synod_storage::mvcc::{KeyRange, Operation, Outcome, PutRequest, RangeRequest};

use self::driver::{Driver, ME, PEER};

fn put(key: &'static str, value: &'static str) -> Operation {
    Operation::Put(PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() })
}

fn get(key: &'static str) -> Query {
    let range = KeyRange { key: key.into(), ..KeyRange::default() };
    Query::Range(RangeRequest { range, ..RangeRequest::default() })
}

fn read(key: &'static str) -> Command {
    Command::Read { query: get(key), consistency: Consistency::Linearizable }
}

/// The value in an answer to a read.
fn found(replies: &[Reply]) -> Option<&[u8]> {
    let [Reply::Read { answer: Ok(Answer::Range(range)), .. }] = replies else { panic!("found {replies:?}") };
    range.kvs.first().map(|kv| &kv.value[..])
}

/// How many entries in the log end that lease.
fn revokes(driver: &Driver, id: i64) -> usize {
    let needle = Change::Store(Operation::LeaseRevoke { id });
    let entries = driver.log.values().filter_map(|write| match write {
        Write::Raft { write: raft::Write::Append(entries), .. } => Some(entries),
        _ => None,
    });
    let commands = entries.flatten().filter_map(|entry| match &entry.payload {
        raft::Payload::Command(bytes) => Envelope::decode(bytes.clone()),
        _ => None,
    });
    commands.filter(|envelope| envelope.change == needle).count()
}

#[test]
fn nothing_leaves_before_the_boot_number_is_durable() {
    let mut driver = Driver::new(&[ME, PEER]);
    driver.start();
    let refused = Input::Receive {
        from: PEER,
        message: Message::Lease { group: GroupId(0), boot: 1, id: RequestId(1), lease: 7, renew: true },
    };
    driver.step(refused);
    driver.fire_next();
    assert_eq!(driver.sent, [], "an election, and an answer to a peer, and no word of either");
    driver.sync();
    assert!(driver.sent.len() >= 2, "found {:?}", driver.sent);
    assert!(matches!(driver.log.values().next(), Some(Write::Boot { number: 1 })));
}

#[test]
fn a_change_is_answered_when_it_is_durable_and_applied() {
    let mut driver = Driver::leading();
    let id = driver.command(Command::Propose(put("k", "v")));
    assert!(
        driver.jobs.is_empty() && !driver.unsynced.is_empty(),
        "one voter must not commit before its disk"
    );
    driver.sync();
    assert!(matches!(driver.jobs.front(), Some(Job::Apply { .. })));
    assert_eq!(driver.answers(id), []);
    driver.run();
    let [Reply::Applied { revision: 2, outcome: Ok(Outcome::Put(_)) }] = &driver.answers(id)[..] else {
        panic!("expected an answer")
    };
    let mut view = View::default();
    driver.node.inspect(&mut view);
    assert!(view.entries.contains(&("g0.proposals waiting".to_owned(), "0".to_owned())), "found {view:?}");
}

#[test]
fn a_read_waits_for_what_was_committed_before_it() {
    let mut driver = Driver::leading();
    driver.command(Command::Propose(put("k", "v")));
    driver.sync();
    let read = driver.command(read("k"));
    assert!(!driver.jobs.iter().any(|job| matches!(job, Job::Read { .. })), "the change is not applied yet");
    driver.run();
    assert_eq!(found(&driver.answers(read)), Some(&b"v"[..]));
}

#[test]
fn a_serializable_read_waits_for_nothing() {
    let mut driver = Driver::new(&[ME, PEER]);
    driver.start();
    driver.run();
    let read = Command::Read { query: get("k"), consistency: Consistency::Serializable };
    let read = driver.command(read);
    driver.run();
    assert_eq!(found(&driver.answers(read)), None);
}

#[test]
fn an_expired_lease_is_ended_by_one_entry_and_never_early() {
    let mut driver = Driver::leading();
    let grant = Operation::LeaseGrant { id: 7, ttl_seconds: 10 };
    driver.command(Command::Propose(grant));
    driver.command(Command::Propose(Operation::Put(PutRequest {
        key: "leased".into(),
        lease: 7,
        ..PutRequest::default()
    })));
    driver.run();
    driver.pass(Duration::from_secs(6));
    let renewed = driver.command(Command::LeaseRenew(7));
    driver.run();
    let full = Duration::from_secs(10);
    assert_eq!(driver.answers(renewed), [Reply::Lease(Some(LeaseTime { granted: full, remaining: full }))]);
    driver.pass(Duration::from_millis(9_999));
    assert_eq!(revokes(&driver, 7), 0);
    driver.pass(Duration::from_millis(1));
    assert_eq!(revokes(&driver, 7), 1);
    driver.pass(Duration::from_secs(60));
    assert_eq!(revokes(&driver, 7), 1);
    let (gone, read) = (driver.command(Command::LeaseTime(7)), driver.command(read("leased")));
    driver.run();
    assert_eq!(driver.answers(gone), [Reply::Lease(None)]);
    assert_eq!(found(&driver.answers(read)), None, "its key went with it");
    assert_eq!(driver.notes["lease expired"], 1);
}

#[test]
fn a_crash_keeps_what_was_acknowledged_and_begins_another_session() {
    let mut driver = Driver::leading();
    let id = driver.command(Command::Propose(put("k", "v")));
    driver.run();
    assert_eq!(driver.answers(id).len(), 1);
    driver.command(Command::Propose(put("lost", "v")));
    let mut driver = driver.crash(&[ME]);
    driver.start();
    driver.run();
    assert!(driver.log.values().any(|write| matches!(write, Write::Boot { number: 2 })));
    driver.fire_next();
    driver.run();
    let (kept, lost) = (driver.command(read("k")), driver.command(read("lost")));
    driver.run();
    assert_eq!(found(&driver.answers(kept)), Some(&b"v"[..]));
    assert_eq!(found(&driver.answers(lost)), None);
    // Its ids begin anew, and are not taken for copies of the earlier life's.
    let id = driver.command(Command::Propose(put("k", "w")));
    driver.run();
    assert!(matches!(driver.answers(id)[..], [Reply::Applied { revision: 3, .. }]));
}

#[test]
fn without_a_leader_requests_are_answered_when_their_time_is_up() {
    let mut driver = Driver::new(&[ME, PEER]);
    driver.start();
    driver.run();
    let ids = [
        driver.command(Command::Propose(put("k", "v"))),
        driver.command(read("k")),
        driver.command(Command::LeaseRenew(7)),
    ];
    driver.pass(Duration::from_millis(6_999));
    assert_eq!(driver.replies, []);
    driver.pass(Duration::from_millis(1));
    for id in ids {
        let refusal = Refusal::TimedOut { leader_known: false };
        assert_eq!(driver.answers(id), [Reply::Refused(refusal)], "{id:?}");
    }
}

#[test]
fn an_answer_to_an_earlier_life_is_not_taken_for_one_to_this() {
    let mut driver = Driver::new(&[ME, PEER]);
    driver.start();
    driver.run();
    let mut driver = driver.crash(&[ME, PEER]);
    driver.start();
    driver.run();
    let id = driver.command(Command::LeaseRenew(7));
    let full = Duration::from_secs(10);
    let time = Some(LeaseTime { granted: full, remaining: full });
    let answer = |boot| Input::Receive {
        from: PEER,
        message: Message::LeaseAnswer { group: GroupId(0), boot, id, lease: 7, time },
    };
    driver.step(answer(1));
    assert_eq!(driver.answers(id), [], "its renewal counts from before this life's question");
    driver.step(answer(2));
    assert_eq!(driver.answers(id), [Reply::Lease(time)]);
}

#[test]
fn what_a_peer_forwards_gets_into_the_log_only_if_it_can_be_read_back() {
    let mut driver = Driver::leading();
    let written = driver.log.len();
    let change = Change::Store(put("k", "v"));
    let good = Envelope { origin: PEER, boot: 1, sequence: 1, floor: 1, change }.encode();
    let forward =
        |envelopes| Input::Receive { from: PEER, message: Message::Forward { group: GroupId(0), envelopes } };
    driver.step(forward(vec![good.slice(..good.len() - 1)]));
    driver.run();
    assert_eq!((driver.log.len(), driver.notes["forwarded bytes that are no envelope"]), (written, 1));
    driver.step(forward(vec![good.slice(1..), good.clone(), good]));
    driver.run();
    assert_eq!(driver.replica().view().revision(), 2, "the good one, once");
}

#[test]
fn a_copy_of_what_is_under_way_takes_no_second_place_in_the_log() {
    let mut driver = Driver::leading();
    let forwarded = || {
        let change = Change::Store(put("k", "v"));
        let envelope = Envelope { origin: PEER, boot: 1, sequence: 64, floor: 64, change };
        let message = Message::Forward { group: GroupId(0), envelopes: vec![envelope.encode()] };
        Input::Receive { from: PEER, message }
    };
    let entries = |driver: &Driver| {
        let writes = driver.log.values().chain(driver.unsynced.values());
        let appends = writes.filter_map(|write| match write {
            Write::Raft { write: raft::Write::Append(entries), .. } => Some(entries),
            _ => None,
        });
        appends.flatten().filter(|entry| matches!(entry.payload, raft::Payload::Command(_))).count()
    };
    driver.step(forwarded());
    driver.step(forwarded());
    assert_eq!(entries(&driver), 1, "the first copy waits for the disk");
    driver.run();
    driver.step(forwarded());
    driver.run();
    assert_eq!(entries(&driver), 2, "once committed it is not remembered here: the session table stops it");
}
