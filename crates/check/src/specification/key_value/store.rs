//! The state of an etcd-like store, and what a request does to it.
//!
//! One revision counts the changes: a request that changes anything raises it by one, and every key that it changes
//! carries that revision. An empty store is at revision 1.

use crate::ordered_map::OrderedMap;

use super::request::{Blob, Compare, LeaseId, Operand, Pair, Relation, Reply, Request, Span, SpanEnd};

/// The store at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// The revision of the last change.
    pub revision: u64,
    pairs: OrderedMap<Blob, Stored>,
}

/// What is at a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stored {
    value: Blob,
    create_revision: u64,
    mod_revision: u64,
    version: u64,
    lease: LeaseId,
}

impl Default for Store {
    fn default() -> Self {
        Self { revision: 1, pairs: OrderedMap::default() }
    }
}

impl Store {
    /// What is at `key`.
    pub fn get(&self, key: &[u8]) -> Option<Pair> {
        let stored = self.pairs.get(key)?;
        Some(pair(&key.into(), stored))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether no key is there.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Puts a pair as it is, with its numbers: for a check that begins with a store that is not empty. The revision
    /// is raised to the pair's, if it is below.
    pub fn restore(&mut self, pair: Pair) {
        self.revision = self.revision.max(pair.mod_revision);
        let Pair { key, value, create_revision, mod_revision, version, lease } = pair;
        self.pairs.insert(key, Stored { value, create_revision, mod_revision, version, lease });
    }

    /// The same without a key, at the same revision.
    pub fn without(&self, key: &[u8]) -> Self {
        let mut pairs = self.pairs.clone();
        pairs.remove(key);
        Self { revision: self.revision, pairs }
    }

    /// Executes a request: the store after it, and the reply.
    pub fn execute(&self, request: &Request) -> (Self, Reply) {
        let mut execution =
            Execution { pairs: self.pairs.clone(), revision: self.revision + 1, changed: false };
        let reply = execution.execute(request);
        let revision = if execution.changed { execution.revision } else { self.revision };
        (Self { revision, pairs: execution.pairs }, reply)
    }
}

fn pair(key: &Blob, stored: &Stored) -> Pair {
    Pair {
        key: key.clone(),
        value: stored.value.clone(),
        create_revision: stored.create_revision,
        mod_revision: stored.mod_revision,
        version: stored.version,
        lease: stored.lease,
    }
}

/// A request under way: its later parts see what its earlier parts did.
struct Execution {
    pairs: OrderedMap<Blob, Stored>,
    /// What the store's revision will be if anything changes.
    revision: u64,
    changed: bool,
}

impl Execution {
    fn execute(&mut self, request: &Request) -> Reply {
        match request {
            Request::Range { span, limit, count_only } => self.range(span, *limit, *count_only),
            Request::Put { key, value, lease, return_previous } => {
                self.put(key, value, *lease, *return_previous)
            }
            Request::Delete { span, return_previous } => self.delete(span, *return_previous),
            Request::Txn { compares, success, failure } => {
                let succeeded = compares.iter().all(|compare| self.holds(compare));
                let branch = if succeeded { success } else { failure };
                let replies = branch.iter().map(|request| self.execute(request)).collect();
                Reply::Txn { succeeded, replies }
            }
            Request::Revoke { lease } => {
                let mut attached = Vec::new();
                self.pairs.visit_all(|key, stored| {
                    if stored.lease == *lease {
                        attached.push(key.clone());
                    }
                });
                self.remove(&attached);
                Reply::Revoke
            }
        }
    }

    fn range(&self, span: &Span, limit: u64, count_only: bool) -> Reply {
        let (mut pairs, mut count) = (Vec::new(), 0);
        self.visit(span, |key, stored| {
            count += 1;
            if !count_only && (limit == 0 || count <= limit) {
                pairs.push(pair(key, stored));
            }
            true
        });
        Reply::Range { pairs, count }
    }

    fn put(&mut self, key: &Blob, value: &Blob, lease: LeaseId, return_previous: bool) -> Reply {
        let before = self.pairs.get(&**key);
        let previous = before.filter(|_| return_previous).map(|stored| pair(key, stored));
        let (create_revision, version) =
            before.map_or((self.revision, 1), |stored| (stored.create_revision, stored.version + 1));
        let mod_revision = self.revision;
        self.pairs.insert(
            key.clone(),
            Stored { value: value.clone(), create_revision, mod_revision, version, lease },
        );
        self.changed = true;
        Reply::Put { previous }
    }

    fn delete(&mut self, span: &Span, return_previous: bool) -> Reply {
        let (mut keys, mut previous) = (Vec::new(), Vec::new());
        self.visit(span, |key, stored| {
            keys.push(key.clone());
            if return_previous {
                previous.push(pair(key, stored));
            }
            true
        });
        self.remove(&keys);
        Reply::Delete { deleted: keys.len() as u64, previous }
    }

    fn remove(&mut self, keys: &[Blob]) {
        for key in keys {
            self.pairs.remove(&**key);
        }
        self.changed |= !keys.is_empty();
    }

    fn holds(&self, compare: &Compare) -> bool {
        let (mut found, mut all) = (false, true);
        self.visit(&compare.span, |_, stored| {
            found = true;
            all = holds_for(compare, Some(stored));
            all
        });
        if found { all } else { holds_for(compare, None) }
    }

    fn visit<'a>(&'a self, span: &Span, mut visit: impl FnMut(&'a Blob, &'a Stored) -> bool) {
        match &span.end {
            SpanEnd::Single => self.pairs.visit_range(&*span.from, None, |key, stored| {
                *key == span.from && {
                    visit(key, stored);
                    false
                }
            }),
            SpanEnd::Before(before) => self.pairs.visit_range(&*span.from, Some(&**before), visit),
            SpanEnd::Unbounded => self.pairs.visit_range(&*span.from, None, visit),
        }
    }
}

fn holds_for(compare: &Compare, stored: Option<&Stored>) -> bool {
    let ordering = match &compare.operand {
        Operand::Version(version) => stored.map_or(0, |stored| stored.version).cmp(version),
        Operand::CreateRevision(revision) => stored.map_or(0, |stored| stored.create_revision).cmp(revision),
        Operand::ModRevision(revision) => stored.map_or(0, |stored| stored.mod_revision).cmp(revision),
        Operand::Lease(lease) => stored.map_or(0, |stored| stored.lease).cmp(lease),
        Operand::Value(value) => match stored {
            Some(stored) => stored.value.cmp(value),
            None => return false,
        },
    };
    match compare.relation {
        Relation::Equal => ordering.is_eq(),
        Relation::NotEqual => ordering.is_ne(),
        Relation::Greater => ordering.is_gt(),
        Relation::Less => ordering.is_lt(),
    }
}
