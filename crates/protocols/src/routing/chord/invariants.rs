//! Zave's invariants, and what follows from them, over all members at one moment. Where one does not hold, its function says which members show it, in a sentence.
//!
//! The identifiers of a node's *extended list* are its own followed by its successors'. Only nodes that are up and members are handed in: a name in a list that is not among
//! them is dead.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use synod_machine::NodeId;

use super::{Chord, Identifier, Peer};

/// What does not hold, and the members whose tables show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disorder {
    /// These members.
    pub nodes: Vec<NodeId>,
    /// What was expected, and what was found.
    pub sentence: String,
}

impl Disorder {
    fn at<'p>(peers: impl IntoIterator<Item = &'p Peer>, sentence: String) -> Self {
        Disorder { nodes: peers.into_iter().map(|peer| peer.node).collect(), sentence }
    }
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// The members at one moment.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    members: BTreeMap<NodeId, &'a Chord>,
}

impl<'a> Members<'a> {
    /// Those of these nodes that are members.
    pub fn of(nodes: impl IntoIterator<Item = &'a Chord>) -> Self {
        let members = nodes.into_iter().filter(|chord| chord.is_member());
        Members { members: members.map(|chord| (chord.me().node, chord)).collect() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn each(&self) -> impl Iterator<Item = &'a Chord> + '_ {
        self.members.values().copied()
    }

    fn live(&self, peer: &Peer) -> bool {
        self.members.contains_key(&peer.node)
    }

    /// The first live successor: Zave's `bestSucc`.
    fn best_successor(&self, chord: &Chord) -> Option<Peer> {
        chord.table().successors.iter().find(|peer| self.live(peer)).copied()
    }

    /// Whose a key is: the first member at or after it.
    pub fn owner(&self, key: Identifier) -> Option<Peer> {
        let distance = |chord: &&Chord| chord.config().ring.distance(key, chord.me().id);
        self.each().min_by_key(distance).map(Chord::me)
    }

    /// *OneLiveSuccessor* (Zave, section 5): every member has a live successor in its list.
    pub fn one_live_successor(&self) -> Result<(), Disorder> {
        match self.each().find(|chord| self.best_successor(chord).is_none()) {
            None => Ok(()),
            Some(chord) => {
                let (me, list) = (chord.me(), &chord.table().successors);
                let sentence =
                    format!("expected a live successor of {me}, found nobody of {} alive", names(list));
                Err(Disorder::at([&me].into_iter().chain(list), sentence))
            }
        }
    }

    /// The principals: members that no member's extended list skips (Zave, section 5).
    pub fn principals(&self) -> Vec<Peer> {
        let all: Vec<Peer> = self.each().map(Chord::me).collect();
        let skipped = |peer: &Peer| {
            self.each().any(|chord| {
                let (ring, list) = (chord.config().ring, extended(chord));
                list.windows(2)
                    .any(|pair| pair[0] != pair[1] && ring.between(pair[0].id, peer.id, pair[1].id))
            })
        };
        all.into_iter().filter(|peer| !skipped(peer)).collect()
    }

    /// *SufficientPrincipals*: at least `successors + 1` of them, or all members where there are fewer.
    pub fn sufficient_principals(&self) -> Result<(), Disorder> {
        let Some(kept) = self.each().map(|chord| chord.config().successors).max() else { return Ok(()) };
        let (principals, least) = (self.principals(), (kept + 1).min(self.len()));
        if principals.len() >= least {
            return Ok(());
        }
        let found = names(&principals);
        let sentence = format!("expected {least} principals among {} members, found {found}", self.len());
        Err(Disorder::at(&principals, sentence))
    }

    /// *NoDuplicates* and *OrderedSuccessorLists*: an extended list goes round the ring once, without a name twice.
    pub fn ordered_lists(&self) -> Result<(), Disorder> {
        for chord in self.each() {
            let (ring, list) = (chord.config().ring, extended(chord));
            let alone = list.len() == 2 && list[0] == list[1];
            let places: Vec<u64> = list.iter().map(|peer| ring.distance(chord.me().id, peer.id)).collect();
            if !alone && places.windows(2).any(|pair| pair[0] >= pair[1]) {
                let (me, found) = (chord.me(), names(&list[1..]));
                let sentence = format!("expected the list of {me} in the order of the ring, found {found}");
                return Err(Disorder::at(&list, sentence));
            }
        }
        Ok(())
    }

    /// *AtLeastOneRing*, *AtMostOneRing*, *OrderedRing* and *ConnectedAppendages* (Zave 2012, section 3): along first live successors all members come to the same cycle, which is
    /// in the order of identifiers and goes round once.
    pub fn one_ordered_ring(&self) -> Result<(), Disorder> {
        let mut rings: BTreeSet<Vec<Peer>> = BTreeSet::new();
        for chord in self.each() {
            rings.insert(self.ring_from(chord)?);
        }
        if rings.len() > 1 {
            let told: Vec<String> = rings.iter().map(|ring| names(ring)).collect();
            let sentence = format!("expected one ring, found {}: {}", told.len(), told.join(" and "));
            return Err(Disorder::at(rings.iter().flatten(), sentence));
        }
        let Some(cycle) = rings.first() else { return Ok(()) };
        // Beginning at the smallest identifier, an ordered cycle only goes up.
        if cycle.windows(2).any(|pair| pair[0].id >= pair[1].id) {
            let sentence = format!("expected a ring in the order of identifiers, found {}", names(cycle));
            return Err(Disorder::at(cycle, sentence));
        }
        Ok(())
    }

    /// The cycle at which a walk from there ends, beginning at its smallest identifier.
    fn ring_from(&self, chord: &Chord) -> Result<Vec<Peer>, Disorder> {
        let mut walk: Vec<Peer> = Vec::from([chord.me()]);
        loop {
            let last = walk[walk.len() - 1];
            let at = self.members.get(&last.node).and_then(|chord| self.best_successor(chord));
            let Some(next) = at else {
                let me = chord.me();
                let sentence = format!("expected a way round the ring from {me}, found it ends at {last}");
                return Err(Disorder::at(&walk, sentence));
            };
            if let Some(begin) = walk.iter().position(|peer| *peer == next) {
                let mut cycle = walk.split_off(begin);
                let least = (0..cycle.len()).min_by_key(|index| cycle[*index]).unwrap_or(0);
                cycle.rotate_left(least);
                return Ok(cycle);
            }
            walk.push(next);
        }
    }

    /// The *ideal* ring, which stabilization comes to when joins and failures pause: exact predecessors, and lists of exactly the next members.
    pub fn ideal(&self) -> Result<(), Disorder> {
        let mut all: Vec<Peer> = self.each().map(Chord::me).collect();
        all.sort();
        for (index, me) in all.iter().enumerate() {
            let chord = self.members[&me.node];
            let others = (1..all.len()).map(|step| all[(index + step) % all.len()]);
            let mut expected: Vec<Peer> = others.take(chord.config().successors).collect();
            if expected.is_empty() {
                expected.push(*me);
            }
            if chord.table().successors != expected {
                let (expected, found) = (names(&expected), names(&chord.table().successors));
                return Err(Disorder::at(
                    [me],
                    format!("expected {me} to be followed by {expected}, found {found}"),
                ));
            }
            let before = all[(index + all.len() - 1) % all.len()];
            if chord.table().predecessor != Some(before) {
                let found =
                    chord.table().predecessor.map_or(String::from("nobody"), |peer| format!("{peer}"));
                return Err(Disorder::at([me], format!("expected {before} before {me}, found {found}")));
            }
        }
        Ok(())
    }

    /// While nobody crashes: no key is served by two nodes.
    pub fn one_owner(&self) -> Result<(), Disorder> {
        let ranges: Vec<(&Chord, _)> =
            self.each().filter_map(|chord| Some((chord, chord.owned_after()?))).collect();
        for (chord, after) in &ranges {
            let (ring, me) = (chord.config().ring, chord.me());
            let inside =
                |other: &&(&Chord, _)| other.0.me() != me && ring.between(*after, other.0.me().id, me.id);
            if let Some((other, _)) = ranges.iter().find(inside) {
                let other = other.me();
                let key = other.id;
                let sentence = format!(
                    "expected one owner of key {key}, found {other} and {me}, which serves all after {after}"
                );
                return Err(Disorder::at([&other, &me], sentence));
            }
        }
        Ok(())
    }

    /// When the ring has settled: every key has an owner, since each serves what follows its predecessor.
    pub fn every_key_owned(&self) -> Result<(), Disorder> {
        for chord in self.each() {
            let expected = chord.table().predecessor.map(|peer| peer.id);
            if chord.owned_after() != expected {
                let (me, found) = (chord.me(), chord.owned_after().map(|id| id.0));
                let expected = expected.map(|id| id.0);
                let sentence = format!("expected {me} to serve all after {expected:?}, found {found:?}");
                return Err(Disorder::at([&me], sentence));
            }
        }
        Ok(())
    }
}

fn extended(chord: &Chord) -> Vec<Peer> {
    core::iter::once(chord.me()).chain(chord.table().successors.iter().copied()).collect()
}

fn names(peers: &[Peer]) -> String {
    let names: Vec<String> = peers.iter().map(|peer| format!("{peer}")).collect();
    format!("[{}]", names.join(", "))
}
