//! A replica that epidemics feed: keys with their newest known version, deletions that do not come undone, and a Merkle tree over all.
//!
//! # The problem
//!
//! Updates arrive by many ways, late, repeatedly and in any order, and in the end every site must hold the same. Deleting is the hard part: a site that was away still has
//! the old value, and epidemics would spread it again as if it were news.
//!
//! # The rules
//!
//! Demers et al. 1987 ("Epidemic algorithms for replicated database maintenance", sections 1.1 and 2).
//!
//! - Every update has a unique [`Stamp`], and of two versions the one with the later stamp wins: [`Replica::apply`].
//! - A deletion is a *death certificate* with a stamp: it replaces older versions like any update.
//! - Certificates are dropped τ₁ after they were issued, when they have long reached everybody: [`Lifetimes::active`]. Some *retention sites* keep them for τ₂ longer,
//!   *dormant*: they neither spread nor count in comparisons: [`Lifetimes::dormant`].
//! - If a dormant certificate meets an older version of its key, it is awakened: it gets a new *activation* time and spreads once more. Its stamp stays as it
//!   was, so that it does not delete what was written since (section 2.2).
//!
//! The Merkle tree holds what takes part in comparisons: everything but the dormant and what is too old to be passed on.
//!
//! # What is guaranteed
//!
//! Applying is commutative, associative and idempotent: replicas that have seen the same updates hold the same. A deleted key does not return as long as some site
//! with a certificate hears of the old value within τ₁ + τ₂ of the deletion.
//!
//! # What is assumed
//!
//! Wall clocks are right to within much less than τ₁, and every update reaches every live site that is not cut off within τ₁. A stamp is not given twice: what a site
//! wrote is durable before others hear of it.
//!
//! # What it costs
//!
//! A stamp a key; a certificate's space for τ₁ at every site, for τ₂ at the retention sites. With r of n sites certificates can be kept n/r times as long in the same space.
//!
//! # What is left out
//!
//! Siblings: here the last writer wins. Who must not lose concurrent updates takes [`crate::clocks::Siblings`].

mod entry;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Data, NodeId};

pub use entry::{Certificate, Content, Entry, EntryVersion, Stamp};

use crate::clocks::HybridClock;
use crate::merkle::{MerkleTree, Range, digest_of};

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// How long death certificates live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifetimes {
    /// At every site, spreading: τ₁.
    pub active: Duration,
    /// After that at the retention sites, asleep: τ₂.
    pub dormant: Duration,
}

/// What became of a version that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It was news, and is kept.
    News,
    /// It was known.
    Known,
    /// What is here is newer.
    Obsolete,
    /// It was older than a dormant certificate, which is awake again and must spread.
    Awakened,
    /// A certificate that is too old to be taken up again.
    Expired,
}

/// One site's keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica<K: Ord, V> {
    site: NodeId,
    clock: HybridClock,
    lifetimes: Lifetimes,
    entries: BTreeMap<K, Entry<V>>,
    /// Keys by their positions in the tree: those that take part in comparisons.
    positions: BTreeMap<u64, BTreeSet<K>>,
    tree: MerkleTree,
}

/// How far ahead of the wall clock a stamp may be. Beyond it the sender's clock is broken; the version is taken, but this site's clock does not follow.
const STAMP_AHEAD_MAX: Duration = Duration::from_secs(60);

impl<K: Data + Ord, V: Data> Replica<K, V> {
    /// An empty replica, with so many levels in its Merkle tree: the same at all sites.
    pub fn new(site: NodeId, lifetimes: Lifetimes, levels: u8) -> Self {
        Replica {
            site,
            clock: HybridClock::default(),
            lifetimes,
            entries: BTreeMap::new(),
            positions: BTreeMap::new(),
            tree: MerkleTree::new(levels),
        }
    }

    /// The version of a key, dead ones as well.
    pub fn entry(&self, key: &K) -> Option<&Entry<V>> {
        self.entries.get(key)
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)?.value()
    }

    /// All keys with their versions, dead ones and dormant ones as well.
    pub fn entries(&self) -> impl Iterator<Item = (&K, &Entry<V>)> {
        self.entries.iter()
    }

    /// How many versions there are, dead and dormant ones as well.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What takes part in comparisons.
    pub fn tree(&self) -> &MerkleTree {
        &self.tree
    }

    /// The keys in a range of the tree, with their versions.
    pub fn in_range(&self, range: Range) -> impl Iterator<Item = (&K, &Entry<V>)> {
        let (first, last) = range.bounds();
        let keys = self.positions.range(first..=last).flat_map(|(_, keys)| keys);
        keys.filter_map(|key| Some((key, self.entries.get(key)?)))
    }

    /// Whether a version may be passed on: all but the dormant.
    pub fn spreads(&self, entry: &Entry<V>, wall: Duration) -> bool {
        entry.certificate().is_none_or(|certificate| wall < certificate.activated + self.lifetimes.active)
    }

    /// Writes a value, when the wall clock shows `wall`; gives the new version.
    pub fn write(&mut self, key: K, value: V, wall: Duration) -> Entry<V> {
        self.store(key, Content::Value(value), wall)
    }

    /// Deletes a key; `retention` are the sites that keep the certificate asleep.
    pub fn delete(&mut self, key: K, retention: BTreeSet<NodeId>, wall: Duration) -> Entry<V> {
        self.store(key, Content::Death(Certificate { activated: wall, retention }), wall)
    }

    /// Takes in a version of a key from another site, or from this site's log.
    pub fn apply(&mut self, key: K, entry: Entry<V>, wall: Duration) -> Applied {
        // The next update here must win over everything that is known here.
        let _ = self.clock.receive(entry.stamp.time, wall, STAMP_AHEAD_MAX);
        let expired = !self.spreads(&entry, wall) && !self.retains(&entry, wall);
        let version = entry.version();
        let applied = match self.entries.get_mut(&key) {
            Some(known) if known.version() == version => return Applied::Known,
            Some(known) if known.version() > version => {
                let dormant = |c: &Certificate| wall >= c.activated + self.lifetimes.active;
                match &mut known.content {
                    Content::Death(certificate) if known.stamp > entry.stamp && dormant(certificate) => {
                        certificate.activated = wall;
                        Applied::Awakened
                    }
                    _ => return Applied::Obsolete,
                }
            }
            _ if expired => return Applied::Expired,
            _ => {
                self.entries.insert(key.clone(), entry);
                Applied::News
            }
        };
        self.place(&key, wall);
        applied
    }

    /// Lets certificates fall asleep and go. Gives how many are gone.
    pub fn expire(&mut self, wall: Duration) -> usize {
        let old: Vec<K> = self
            .entries
            .iter()
            .filter(|(_, entry)| !self.spreads(entry, wall))
            .map(|(key, _)| key.clone())
            .collect();
        let mut gone = 0;
        for key in old {
            if self.entries.get(&key).is_some_and(|entry| !self.retains(entry, wall)) {
                self.entries.remove(&key);
                gone += 1;
            }
            self.place(&key, wall);
        }
        gone
    }

    /// Takes a version from this site's own log. Unlike others' stamps, its own are believed however far ahead they are: they must not be given twice.
    pub fn restore(&mut self, key: K, entry: Entry<V>, wall: Duration) {
        if entry.stamp.site == self.site {
            self.clock = HybridClock::at(entry.stamp.time.max(self.clock.now()));
        }
        self.apply(key, entry, wall);
    }

    fn store(&mut self, key: K, content: Content<V>, wall: Duration) -> Entry<V> {
        // What replaces a version is later than it, also if that came from a clock which is wrong.
        if let Some(known) = self.entries.get(&key).filter(|known| known.stamp.time > self.clock.now()) {
            self.clock = HybridClock::at(known.stamp.time);
        }
        let stamp = Stamp { time: self.clock.tick(wall), site: self.site };
        let entry = Entry { stamp, content };
        self.entries.insert(key.clone(), entry.clone());
        self.place(&key, wall);
        entry
    }

    /// Whether this site keeps a certificate that spreads no more.
    fn retains(&self, entry: &Entry<V>, wall: Duration) -> bool {
        entry.certificate().is_some_and(|certificate| {
            certificate.retention.contains(&self.site)
                && wall < certificate.activated + self.lifetimes.active + self.lifetimes.dormant
        })
    }

    /// Brings the tree in line with a key's version.
    fn place(&mut self, key: &K, wall: Duration) {
        let position = digest_of(key);
        let compared = self.entries.get(key).is_some_and(|entry| self.spreads(entry, wall));
        let keys = self.positions.entry(position).or_default();
        if compared {
            keys.insert(key.clone());
        } else {
            keys.remove(key);
        }
        if keys.is_empty() {
            self.positions.remove(&position);
            self.tree.put(position, 0);
            return;
        }
        let versions: Vec<(&K, EntryVersion)> =
            keys.iter().filter_map(|key| Some((key, self.entries.get(key)?.version()))).collect();
        let digest = digest_of(&versions);
        self.tree.put(position, digest);
    }
}
