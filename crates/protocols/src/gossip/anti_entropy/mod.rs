//! Anti-entropy: two sites compare all they have and settle the difference.
//!
//! # The problem
//!
//! News gets lost: by rumors that die out, by messages that do not arrive, by sites that were away. In the end every site shall hold the same all the same.
//!
//! # The rules
//!
//! Demers et al. 1987, section 1.3. Now and then a site picks another at random, and they resolve the differences of their replicas: by *push* the one that began sends what
//! the other lacks, by *pull* it fetches what it lacks itself, by *push-pull* both. What is exchanged to find the differences, [`Comparison`]:
//!
//! - *Full*: everything. Right for little data.
//! - *Digest*: the version of every key; then only entries that differ (as Cassandra's gossip and Scuttlebutt do, van Renesse et al. 2008).
//! - *Merkle*: digests of ranges, from the root down where they differ, until a range is small; then its versions. The cost follows the differences, not the data (DeCandia et al. 2007, section 4.7).
//!
//! An exchange is a conversation without memory: every [`Message`] says all that its answer needs, so a lost one ends the conversation, and the next exchange repairs it. A site answers from what it has at
//! the moment; changes meanwhile do no harm. `Exchange::answer` is the whole of it.
//!
//! # What is guaranteed
//!
//! After an undisturbed push-pull exchange both replicas hold the later version of each key that either had. With partners chosen at random every update reaches every site with probability one, in a
//! time that is logarithmic in the number of sites: push needs log₂ n + ln n + 1.18 cycles (Pittel 1987, after the paper's section 1.3): [`push_cycles`].
//!
//! # What is assumed
//!
//! That any two sites can talk at some time. Nothing of order or loss.
//!
//! # What it costs
//!
//! Full: the data a contact. Digest: a version a key and contact. Merkle: nothing but the root if nothing differs; else at most [`crate::merkle::FANOUT`] digests a level and differing range.
//! Bounded messages: at most [`ITEMS_MAX`] items each; what does not fit goes into more.
//!
//! # What is left out
//!
//! Checksums with recent update lists and peel-back order (section 1.3): the tree does what they do, and keeps doing it when replicas have been apart for long.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::Data;

use super::replica::{Entry, EntryVersion, Replica};
use super::rumor::Direction;
use crate::merkle::{Digest, Range};

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// Items of one message: entries, versions or digests.
pub const ITEMS_MAX: usize = 256;
/// A range with so few keys, on the side that looks, is compared key by key instead of going down.
pub const SMALL_RANGE_KEYS: usize = 16;

/// How differences are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// By sending everything.
    Full,
    /// By sending all versions.
    Digest,
    /// By going down a Merkle tree.
    Merkle,
}

/// Whether the sender wants news, and whether it gives: seen from the sender, whoever began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The sender gives what the receiver lacks.
    pub gives: bool,
    /// The sender wants what it lacks.
    pub wants: bool,
}

impl Terms {
    /// The terms of the site that begins.
    pub const fn of(direction: Direction) -> Self {
        Terms { gives: direction.pushes(), wants: direction.pulls() }
    }

    /// The same, seen from the other side.
    pub const fn reversed(self) -> Self {
        Terms { gives: self.wants, wants: self.gives }
    }
}

/// What two sites say in an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message<K, V> {
    /// Everything in a range of keys' positions; who wants news answers with what is newer there.
    Everything {
        /// Under which terms.
        terms: Terms,
        /// Which part of the whole this is.
        range: Range,
        /// All entries of the range that spread.
        entries: Vec<(K, Entry<V>)>,
    },
    /// The versions of all keys in a range.
    Versions {
        /// Under which terms.
        terms: Terms,
        /// The range.
        range: Range,
        /// What the sender has there.
        versions: Vec<(K, EntryVersion)>,
    },
    /// The digests of the children of a range.
    Tree {
        /// Under which terms.
        terms: Terms,
        /// The range.
        range: Range,
        /// Its children that hold something.
        children: Vec<(Range, Digest)>,
    },
    /// The root's digest: where a comparison by the tree begins.
    Root {
        /// Under which terms.
        terms: Terms,
        /// The digest of everything.
        digest: Digest,
    },
    /// Send me these keys.
    Want(Vec<K>),
    /// Here are entries that you seem to lack.
    Entries(Vec<(K, Entry<V>)>),
}

/// One side of exchanges: answers out of a replica.
pub struct Exchange<'a, K: Ord, V> {
    /// What there is to compare.
    pub replica: &'a Replica<K, V>,
    /// The wall clock, since 1970.
    pub wall: Duration,
}

impl<K: Data + Ord, V: Data> Exchange<'_, K, V> {
    /// The first messages of an exchange.
    pub fn begin(&self, direction: Direction, comparison: Comparison) -> Vec<Message<K, V>> {
        let terms = Terms::of(direction);
        match comparison {
            Comparison::Full => {
                self.pieces(Range::ALL).into_iter().map(|range| self.everything(terms, range)).collect()
            }
            Comparison::Digest => {
                self.pieces(Range::ALL).into_iter().map(|range| self.versions(terms, range)).collect()
            }
            Comparison::Merkle => {
                vec![Message::Root { terms, digest: self.replica.tree().digest(Range::ALL) }]
            }
        }
    }

    /// The answers to a message: none if nothing differs. [`Message::Entries`], and those of [`Message::Everything`], are for the caller to apply first.
    pub fn answer(&self, message: &Message<K, V>) -> Vec<Message<K, V>> {
        match message {
            Message::Everything { terms, range, entries } => {
                let theirs = entries.iter().map(|(key, entry)| (key, entry.version())).collect();
                if terms.wants {
                    in_messages(self.newer(*range, &theirs), Message::Entries)
                } else {
                    Vec::new()
                }
            }
            Message::Versions { terms, range, versions } => self.compare(*terms, *range, versions),
            Message::Root { terms, digest } => {
                let same = self.replica.tree().digest(Range::ALL) == *digest;
                if same { Vec::new() } else { vec![self.descend(terms.reversed(), Range::ALL)] }
            }
            Message::Tree { terms, range, children } if range.is_sound(self.replica.tree().levels()) => {
                let differing = self.replica.tree().differing(children, *range);
                differing.into_iter().map(|child| self.descend(terms.reversed(), child)).collect()
            }
            Message::Tree { .. } | Message::Entries(_) => Vec::new(),
            Message::Want(keys) => {
                let known = keys.iter().filter_map(|key| Some((key, self.replica.entry(key)?)));
                in_messages(self.spreading(known), Message::Entries)
            }
        }
    }

    /// A differing range: its versions if it is small, its children otherwise.
    fn descend(&self, terms: Terms, range: Range) -> Message<K, V> {
        let few = self.replica.in_range(range).take(SMALL_RANGE_KEYS + 1).count() <= SMALL_RANGE_KEYS;
        if few || self.replica.tree().is_leaf(range) {
            return self.versions(terms, range);
        }
        Message::Tree { terms, range, children: self.replica.tree().children(range) }
    }

    /// Both sides' versions of a range are known here: give what the other lacks, ask for what this side lacks.
    fn compare(&self, terms: Terms, range: Range, versions: &[(K, EntryVersion)]) -> Vec<Message<K, V>> {
        let mut messages = Vec::new();
        if terms.wants {
            let theirs = versions.iter().map(|(key, version)| (key, *version)).collect();
            messages.extend(in_messages(self.newer(range, &theirs), Message::Entries));
        }
        if terms.gives {
            let older = |key: &K, version: &EntryVersion| {
                self.replica.entry(key).is_none_or(|known| known.version() < *version)
            };
            let wanted =
                versions.iter().filter(|(key, version)| older(key, version)).map(|(key, _)| key.clone());
            messages.extend(in_messages(wanted.collect(), Message::Want));
        }
        messages
    }

    /// What is newer here than there, in a range.
    fn newer(&self, range: Range, theirs: &BTreeMap<&K, EntryVersion>) -> Vec<(K, Entry<V>)> {
        let ours = self.replica.in_range(range);
        let newer =
            ours.filter(|(key, entry)| theirs.get(key).is_none_or(|version| *version < entry.version()));
        self.spreading(newer)
    }

    fn spreading<'e>(&self, entries: impl Iterator<Item = (&'e K, &'e Entry<V>)>) -> Vec<(K, Entry<V>)>
    where
        K: 'e,
        V: 'e,
    {
        let spread = entries.filter(|(_, entry)| self.replica.spreads(entry, self.wall));
        spread.map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    fn everything(&self, terms: Terms, range: Range) -> Message<K, V> {
        // Who only asks need not send what it has: its versions say what it lacks.
        if !terms.gives {
            return self.versions(terms, range);
        }
        Message::Everything { terms, range, entries: self.spreading(self.replica.in_range(range)) }
    }

    fn versions(&self, terms: Terms, range: Range) -> Message<K, V> {
        let versions = self.replica.in_range(range).map(|(key, entry)| (key.clone(), entry.version()));
        Message::Versions { terms, range, versions: versions.collect() }
    }

    /// Ranges that together are `range`, none with more than [`ITEMS_MAX`] keys unless it is a leaf.
    fn pieces(&self, range: Range) -> Vec<Range> {
        let mut pieces = Vec::new();
        let mut open = vec![range];
        while let Some(range) = open.pop() {
            let few = self.replica.in_range(range).take(ITEMS_MAX + 1).count() <= ITEMS_MAX;
            if few || self.replica.tree().is_leaf(range) {
                pieces.push(range);
            } else {
                open.extend(range.children());
            }
        }
        pieces
    }
}

/// Cycles that push takes until every of n sites has an update that one had: log₂ n + ln n + 1.18.
pub fn push_cycles(sites: u64) -> f64 {
    const LN_2: f64 = core::f64::consts::LN_2;
    /// The constant of the fitted formula; Pittel's theorem leaves it open.
    const CONSTANT: f64 = 1.18;
    let ln = natural_logarithm(sites.max(1));
    ln / LN_2 + ln + CONSTANT
}

/// ln n without the standard library: n = 2^e · m, and the series of artanh for m.
fn natural_logarithm(n: u64) -> f64 {
    let exponent = n.ilog2();
    let mantissa = n as f64 / (1_u64 << exponent) as f64;
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut power, mut sum) = (ratio, 0.0);
    for odd in (1..40).step_by(2) {
        sum += power / f64::from(odd);
        power *= ratio * ratio;
    }
    2.0 * sum + f64::from(exponent) * core::f64::consts::LN_2
}

/// Items in as many messages as they need; none for none.
fn in_messages<K, V, T>(mut items: Vec<T>, message: impl Fn(Vec<T>) -> Message<K, V>) -> Vec<Message<K, V>> {
    let mut messages = Vec::new();
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(ITEMS_MAX));
        messages.push(message(items));
        items = rest;
    }
    messages
}
