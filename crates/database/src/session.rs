//! Which proposals were let through: at-most-once for changes that are sent again.
//!
//! One session a node, replaced when the node starts anew. Within a session the table holds what was applied at or above
//! the floor that the node itself declares, so its size is bounded by what a node may have in flight. The table is part of
//! the replicated state and travels with snapshots: a table that were lost there would let old copies through.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use synod_machine::NodeId;

use crate::proposal::Envelope;

/// Origin of what a group proposes by itself, once and in its own term (a lease's end): no session stands behind it.
pub const INTERNAL: NodeId = NodeId(0);

/// The replicated table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sessions {
    sessions: BTreeMap<NodeId, Session>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Session {
    boot: u64,
    floor: u64,
    /// At or above the floor.
    applied: BTreeSet<u64>,
}

impl Sessions {
    /// Whether this is the first copy of a proposal that its origin may still wait for; remembers it if so.
    pub fn admit(&mut self, envelope: &Envelope) -> bool {
        if envelope.origin == INTERNAL {
            return true;
        }
        let session = self.sessions.entry(envelope.origin).or_default();
        if envelope.boot < session.boot {
            return false;
        }
        if envelope.boot > session.boot {
            *session = Session { boot: envelope.boot, floor: 0, applied: BTreeSet::new() };
        }
        if envelope.sequence < session.floor || !session.applied.insert(envelope.sequence) {
            return false;
        }
        if envelope.floor > session.floor {
            session.floor = envelope.floor;
            session.applied = session.applied.split_off(&envelope.floor);
        }
        true
    }

    /// For the store's `meta`.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32_le(self.sessions.len() as u32);
        for (node, session) in &self.sessions {
            for number in [node.0, session.boot, session.floor, session.applied.len() as u64] {
                out.put_u64_le(number);
            }
            for sequence in &session.applied {
                out.put_u64_le(*sequence);
            }
        }
        out.freeze()
    }

    /// Reads what [`Sessions::encode`] wrote; `None` for anything else.
    pub fn decode(mut bytes: Bytes) -> Option<Sessions> {
        let mut sessions = BTreeMap::new();
        for _ in 0..bytes.try_get_u32_le().ok()? {
            let node = NodeId(bytes.try_get_u64_le().ok()?);
            let boot = bytes.try_get_u64_le().ok()?;
            let floor = bytes.try_get_u64_le().ok()?;
            let mut applied = BTreeSet::new();
            for _ in 0..bytes.try_get_u64_le().ok()? {
                applied.insert(bytes.try_get_u64_le().ok()?);
            }
            sessions.insert(node, Session { boot, floor, applied });
        }
        bytes.is_empty().then_some(Sessions { sessions })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Attributes;
    use crate::proposal::Change;

    fn envelope(origin: u64, boot: u64, sequence: u64, floor: u64) -> Envelope {
        let change = Change::Publish(Attributes::default());
        Envelope { origin: NodeId(origin), boot, sequence, floor, change }
    }

    /// A node that proposes, gives up, restarts; copies of what it sent stay in the network for ever.
    #[derive(Clone, Debug)]
    enum Step {
        Propose,
        /// The oldest that is waited for was applied or given up: the floor rises.
        Settle,
        Restart,
        /// Some copy that is under way arrives; it may arrive again.
        Arrive(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = (u64, Step)> {
        let step = prop_oneof![
            4 => Just(Step::Propose),
            2 => Just(Step::Settle),
            1 => Just(Step::Restart),
            8 => any::<prop::sample::Index>().prop_map(Step::Arrive),
        ];
        (1..3u64, step)
    }

    #[derive(Default)]
    struct Origin {
        boot: u64,
        next: u64,
        waiting: BTreeSet<u64>,
    }

    proptest! {
        #[test]
        fn a_proposal_is_let_through_at_most_once(steps in prop::collection::vec(steps(), 1..200)) {
            let mut sessions = Sessions::default();
            let mut origins: BTreeMap<u64, Origin> = BTreeMap::new();
            let mut copies: Vec<Envelope> = Vec::new();
            let mut admitted: BTreeSet<(NodeId, u64, u64)> = BTreeSet::new();
            for (node, step) in steps {
                let origin = origins.entry(node).or_default();
                match step {
                    Step::Propose => {
                        let floor = origin.waiting.first().copied().unwrap_or(origin.next);
                        copies.push(envelope(node, origin.boot, origin.next, floor));
                        origin.waiting.insert(origin.next);
                        origin.next += 1;
                    }
                    Step::Settle => drop(origin.waiting.pop_first()),
                    Step::Restart => *origin = Origin { boot: origin.boot + 1, ..Origin::default() },
                    Step::Arrive(_) if copies.is_empty() => {}
                    Step::Arrive(which) => {
                        let copy = which.get(&copies);
                        let name = (copy.origin, copy.boot, copy.sequence);
                        let newest = admitted.range(..=(copy.origin, u64::MAX, 0)).next_back().copied();
                        let newest_boot = newest.filter(|name| name.0 == copy.origin).map_or(0, |name| name.1);
                        let session = sessions.sessions.get(&copy.origin);
                        let floor = session.filter(|s| s.boot == copy.boot).map_or(0, |s| s.floor);
                        let is_first = !admitted.contains(&name);
                        let expected = is_first && copy.boot >= newest_boot && copy.sequence >= floor;
                        prop_assert_eq!(sessions.admit(copy), expected, "{:?}", copy);
                        if expected {
                            admitted.insert(name);
                        }
                    }
                }
                // A snapshot or a restart at any moment changes nothing.
                sessions = Sessions::decode(sessions.encode()).expect("it was encoded just now");
                for session in sessions.sessions.values() {
                    prop_assert!(session.applied.first().is_none_or(|first| *first >= session.floor));
                }
            }
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>) {
            if let Some(sessions) = Sessions::decode(bytes.clone().into()) {
                prop_assert_eq!(Sessions::decode(sessions.encode()), Some(sessions));
            }
        }
    }

    #[test]
    fn the_table_holds_what_is_at_or_above_the_floor_and_nothing_of_earlier_lives() {
        let mut sessions = Sessions::default();
        for sequence in 0..10_000 {
            assert!(sessions.admit(&envelope(1, 1, sequence, sequence.saturating_sub(10))));
            assert!(sessions.sessions[&NodeId(1)].applied.len() <= 11);
        }
        assert!(!sessions.admit(&envelope(1, 1, 5, 0)), "below the floor, whatever floor the old copy has");
        assert!(sessions.admit(&envelope(1, 2, 0, 0)));
        assert_eq!(sessions.sessions[&NodeId(1)].applied.len(), 1);
        assert!(!sessions.admit(&envelope(1, 1, 10_000, 0)), "of an earlier life");
    }

    #[test]
    fn what_a_group_proposes_by_itself_has_no_session() {
        let mut sessions = Sessions::default();
        let internal = envelope(INTERNAL.0, 0, 0, 0);
        assert!(sessions.admit(&internal) && sessions.admit(&internal));
        assert_eq!(sessions, Sessions::default());
    }

    #[test]
    fn what_follows_the_table_is_refused() {
        let mut bytes = Sessions::default().encode().to_vec();
        bytes.push(0);
        assert_eq!(Sessions::decode(bytes.into()), None);
    }
}
