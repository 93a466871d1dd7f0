//! What the catalogue says of the database.

use std::time::Duration;

use super::{LENGTH, planted};
use crate::entry::{About, Family, Parameter, Property};

pub(super) static ABOUT: About = About {
    name: "database",
    family: Family::Database,
    chapter: "end",
    question: "Does the whole database keep every promise, whatever breaks beneath it?",
    source: include_str!("mod.rs"),
    survives: &[
        "crashes, kills, lost power in the middle of a sync, torn and lost sectors, full and stalled disks",
        "partitions, one-way blocks, loss, duplicates, reordering, slow and flapping links",
        "pauses, drift within the stated bound, jumps of wall clocks, upgrades",
        "a minority of disks lost or rotten for good",
    ],
    parameters: &[
        Parameter::integer(
            "nodes",
            3,
            1..=9,
            "Nodes of the cluster; a hunt draws 1, 3 or 5 if it is not set.",
        ),
        Parameter::duration(
            LENGTH,
            Duration::from_secs(2),
            Duration::from_millis(100)..=Duration::from_secs(24 * 3_600),
            "How long faults may strike; a hunt draws 2 s to 20 s if it is not set.",
        ),
    ],
    properties: PROPERTIES,
    papers: &[
        "Ongaro, Ousterhout: In Search of an Understandable Consensus Algorithm. USENIX ATC 2014",
        "Ongaro: Consensus: Bridging Theory and Practice. Thesis, Stanford 2014",
        "etcd 3.5: API reference and guarantees",
    ],
    weaknesses: planted::WEAKNESSES,
    must_exercise: &[
        "note.raft.election",
        "note.raft.truncated",
        "note.raft.snapshot_installed",
        "note.raft.lease_read",
        "note.lease expired",
        "note.lease renewed",
        "disk.torn tails cut",
        "fault.crash",
        "fault.kill",
        "fault.partition",
        "fault.pause",
        "message.duplicated",
        "message.dropped.loss",
        "client.answers judged",
        "client.abandoned",
        "store.compared with the oracle",
        "watch.outputs",
        "watch.compacted",
    ],
    ..About::EMPTY
};

const PROPERTIES: &[Property] = &[
    holds(
        "election safety",
        "At most one leader is elected in a term.",
        "Raft (Ongaro and Ousterhout 2014), figure 3",
    ),
    holds(
        "log matching",
        "Logs with an entry of the same index and term are the same up to it.",
        "Raft, figure 3",
    ),
    holds(
        "leader completeness",
        "What was committed in a term is in the logs of the leaders of all higher terms.",
        "Raft, figure 3",
    ),
    holds("state machine safety", "No two nodes commit different entries at an index.", "Raft, figure 3"),
    holds("durability", "What is committed is on a majority's disks.", "Raft, section 5.3"),
    holds(
        "durability of votes",
        "A restarted node has the term and the vote that it had.",
        "Raft, section 5.2",
    ),
    holds(
        "durability of entries",
        "A restarted node has the entries that were durable.",
        "Raft, section 5.3",
    ),
    holds("monotone commit", "A node's commit index never falls.", "Raft, section 5.3"),
    holds("monotone term", "A node's term never falls.", "Raft, section 5.1"),
    holds(
        "linearizability",
        "All answers together are those of one copy that takes one operation at a time, each between question and answer.",
        "Herlihy and Wing 1990",
    ),
    holds(
        "acknowledged writes are never lost",
        "What was acknowledged is in the store, and what was refused is not.",
        "etcd API guarantees, durability",
    ),
    holds(
        "refused requests have no effect",
        "A request that was refused changes nothing.",
        "etcd API guarantees, atomicity",
    ),
    holds("answers fit their questions", "An answer is of the kind that was asked for.", "etcd API"),
    holds(
        "revisions are dense and increasing",
        "Each change has the next revision; old revisions do not change.",
        "etcd data model",
    ),
    holds(
        "a node's state does not go back",
        "What a node once showed as applied it shows after a restart.",
        "etcd API guarantees",
    ),
    holds(
        "watchers see every event once, in order, without a gap",
        "Also across crashes of their node and installed snapshots.",
        "etcd API guarantees, watch",
    ),
    holds(
        "leases never expire early",
        "But for what the drift of clocks explains; their keys go with them at once.",
        "etcd API guarantees, lease",
    ),
    holds(
        "replicas are equal at equal applied index",
        "Also after restarts and installed snapshots.",
        "state machine replication (Schneider 1990)",
    ),
    holds(
        "log integrity",
        "Log records read back as they were written, or the log is refused.",
        "the format of the write-ahead log",
    ),
    holds("messages survive the wire", "Messages read back as they were sent.", "the format of the wire"),
    holds(
        "liveness",
        "When the faults are over, everything works again within a minute.",
        "Raft, section 5.4.3",
    ),
    holds("no panic", "No invariant inside a node is broken.", "its assertions"),
];

const fn holds(name: &'static str, sentence: &'static str, source: &'static str) -> Property {
    Property { name, sentence, source }
}
