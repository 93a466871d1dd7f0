//! What was meant by a mistyped name.

use synod_lab::suggest::{nearest, unknown};

#[test]
fn what_was_meant_is_suggested_and_nothing_far() {
    let known = ["raft", "paxos", "two-phase-commit", "chandy-lamport"];
    assert_eq!(nearest("ratf", known), Some("raft"));
    assert_eq!(nearest("two-phase-comit", known), Some("two-phase-commit"));
    assert_eq!(nearest("lamport", known), Some("chandy-lamport"));
    assert_eq!(nearest("frobnicate", known), None);
    assert_eq!(nearest("", known), None);
    assert_eq!(unknown("mechanism", "rfat", known), "no such mechanism: rfat; did you mean raft?");
    assert_eq!(unknown("bug", "x", []), "no such bug: x; there is none");

    let flags = ["name", "data-dir", "listen-client-urls", "listen-peer-urls"];
    assert_eq!(nearest("listen-client-url", flags), Some("listen-client-urls"));
    assert_eq!((nearest("datadir", flags), nearest("nam", flags)), (Some("data-dir"), Some("name")));
}
