//! What the consensus of three members costs without networks and disks: `cargo bench -p synod-protocols`.
//!
//! A step here is a round: the leader takes a batch of commands of 256 bytes, all three members append and acknowledge it, it is
//! committed, and the log is cut behind it. Messages and writes arrive at once, in order.

use std::{collections::VecDeque, hint::black_box, time::Duration};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use synod_machine::{Buffer, Context, Effect, First, Input, Machine, Mono, NodeId, RequestId, Ticket};
use synod_protocols::consensus::raft::{Command, Config, Configuration, Event, Raft, SnapshotPoint, Timer};

const COMMAND_BYTES: usize = 256;
const MEMBERS: u64 = 3;
const LEADER: NodeId = NodeId(1);

/// Members whose messages and writes arrive at once.
struct Group {
    members: Vec<(Raft, Buffer<Raft, First>)>,
    inputs: VecDeque<(NodeId, Input<Raft>)>,
    committed: u64,
    requests: u64,
    time: Duration,
}

impl Group {
    fn new() -> Self {
        let configuration = Configuration::of((1..=MEMBERS).map(NodeId));
        let point = SnapshotPoint { configuration, ..SnapshotPoint::default() };
        // Nothing is kept behind the cut: what to keep is counted from the end at each.
        let config = Config { retained_entries_max: 0, ..Config::default() };
        let member = |number| {
            (Raft::new(NodeId(number), config.clone(), point.clone()), Buffer::new(First, Ticket(1)))
        };
        let members = (1..=MEMBERS).map(member).collect();
        let mut group =
            Group { members, inputs: VecDeque::new(), committed: 0, requests: 0, time: Duration::ZERO };
        for number in 1..=MEMBERS {
            group.inputs.push_back((NodeId(number), Input::Start { saved: Vec::new() }));
        }
        group.settle();
        // Past the time in which followers of a leader would not vote for another.
        group.time += Duration::from_secs(10);
        group.inputs.push_back((LEADER, Input::Fire(Timer::Election)));
        group.settle();
        assert!(group.committed > 0, "expected a leader that has committed its first entry");
        group
    }

    /// Commits a batch at all members.
    fn commit(&mut self, commands: Vec<Bytes>) {
        let before = self.committed;
        let expected = MEMBERS * commands.len() as u64;
        self.requests += commands.len() as u64;
        let command = Command::ProposeBatch(commands);
        self.inputs.push_back((LEADER, Input::Command { id: RequestId(self.requests), command }));
        self.settle();
        if self.committed - before < expected {
            // The followers hear of the commit with the next message.
            self.time += Config::default().heartbeat;
            self.inputs.push_back((LEADER, Input::Fire(Timer::Heartbeat)));
            self.settle();
        }
        assert_eq!(self.committed - before, expected, "committed at all members");
    }

    fn settle(&mut self) {
        while let Some((node, input)) = self.inputs.pop_front() {
            let (raft, buffer) = &mut self.members[node.0 as usize - 1];
            raft.step(&Context::at(node, Mono::from_start(self.time)), input, &mut buffer.effects());
            for effect in std::mem::take(&mut buffer.effects) {
                match effect {
                    Effect::Send { to, message, .. } => {
                        self.inputs.push_back((to, Input::Receive { from: node, message }));
                    }
                    Effect::Write { ticket, write } => {
                        drop(black_box(write));
                        self.inputs.push_back((node, Input::Durable(ticket)));
                    }
                    Effect::Emit(Event::Committed(entries)) => {
                        self.committed += entries.len() as u64;
                        if let Some(last) = entries.last() {
                            let (index, term) = (last.index, last.term);
                            let configuration = Configuration::of((1..=MEMBERS).map(NodeId));
                            let command = Command::Compact(SnapshotPoint { index, term, configuration });
                            self.inputs.push_back((node, Input::Command { id: RequestId(0), command }));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn rounds(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("raft round of three");
    for commands in [1usize, 64, 1_024] {
        let mut group = Group::new();
        let batch = vec![Bytes::from(vec![7u8; COMMAND_BYTES]); commands];
        bench.throughput(Throughput::Elements(commands as u64));
        bench.bench_function(commands.to_string(), |bencher| {
            bencher.iter(|| group.commit(batch.clone()));
        });
    }
    bench.finish();
}

criterion_group!(benches, rounds);
criterion_main!(benches);
