//! What an etcd-like store is asked and what it answers, as far as it matters to consistency.
//!
//! Options that only shape an answer (sorting, keys only, filters by revision) are left out: a history is recorded
//! with what the answer says about the store. Leases appear as a number on a key and as [`Request::Revoke`].

use std::fmt;
use std::sync::Arc;

/// A key or a value. A recorder of large values may record their digests instead: only equality matters.
pub type Blob = Arc<[u8]>;

/// A number that names a lease; 0 is no lease.
pub type LeaseId = i64;

/// Which keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first key.
    pub from: Blob,
    /// Where the keys end.
    pub end: SpanEnd,
}

/// Where a [`Span`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpanEnd {
    /// After the one key.
    Single,
    /// Before this key.
    Before(Blob),
    /// Nowhere.
    Unbounded,
}

impl Span {
    /// One key.
    pub fn key(key: impl AsRef<[u8]>) -> Self {
        Self { from: key.as_ref().into(), end: SpanEnd::Single }
    }

    /// The keys from the first up to, and without, the second.
    pub fn between(from: impl AsRef<[u8]>, before: impl AsRef<[u8]>) -> Self {
        Self { from: from.as_ref().into(), end: SpanEnd::Before(before.as_ref().into()) }
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        // The smallest key above them all: the prefix with its last byte raised; 0xff cannot be raised and is dropped.
        let kept = prefix.iter().rposition(|byte| *byte != u8::MAX);
        let end = kept.map_or(SpanEnd::Unbounded, |last| {
            let mut before = prefix[..=last].to_vec();
            before[last] += 1;
            SpanEnd::Before(before.into())
        });
        Self { from: prefix.into(), end }
    }

    /// All keys.
    pub fn everything() -> Self {
        Self { from: Arc::from([]), end: SpanEnd::Unbounded }
    }

    /// Whether `key` is among them.
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            SpanEnd::Single => *key == *self.from,
            SpanEnd::Before(before) => *key >= *self.from && *key < **before,
            SpanEnd::Unbounded => *key >= *self.from,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            SpanEnd::Single => write!(f, "{}", Text(&self.from)),
            SpanEnd::Before(before) => write!(f, "[{}, {})", Text(&self.from), Text(before)),
            SpanEnd::Unbounded => write!(f, "[{}, …)", Text(&self.from)),
        }
    }
}

/// Shows bytes as text, with escapes where they are none.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("\"\"") } else { self.0.escape_ascii().fmt(f) }
    }
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Return the pairs in a span, linearizably. (Serializable reads and reads at an old revision are not about the
    /// present state; [`crate::etcd::old_reads`] judges the latter.)
    Range {
        /// Which keys.
        span: Span,
        /// At most so many pairs; 0 means all.
        limit: u64,
        /// Return only the number of keys.
        count_only: bool,
    },
    /// Put a value at a key.
    Put {
        /// Where.
        key: Blob,
        /// What.
        value: Blob,
        /// The lease that the key is attached to.
        lease: LeaseId,
        /// Return what was there before.
        return_previous: bool,
    },
    /// Delete the keys in a span.
    Delete {
        /// Which keys.
        span: Span,
        /// Return what was there.
        return_previous: bool,
    },
    /// Execute one of two lists of requests, at one revision.
    Txn {
        /// All must hold for the first list.
        compares: Vec<Compare>,
        /// What is done if they do.
        success: Vec<Request>,
        /// What is done if they do not.
        failure: Vec<Request>,
    },
    /// Delete all keys that are attached to a lease. The expiry of a lease is one that nobody asked for: record it
    /// as an open operation from the moment at which the lease was granted.
    Revoke {
        /// Which lease.
        lease: LeaseId,
    },
}

impl Request {
    /// Return what is at one key.
    pub fn get(key: impl AsRef<[u8]>) -> Self {
        Self::range(Span::key(key))
    }

    /// Return what is in a span.
    pub fn range(span: Span) -> Self {
        Self::Range { span, limit: 0, count_only: false }
    }

    /// Put a value at a key, without lease.
    pub fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self::Put { key: key.as_ref().into(), value: value.as_ref().into(), lease: 0, return_previous: false }
    }

    /// Delete one key.
    pub fn delete(key: impl AsRef<[u8]>) -> Self {
        Self::Delete { span: Span::key(key), return_previous: false }
    }

    /// Put `value` at `key` if it was last changed at `mod_revision` (0: if it is not there), else read it.
    pub fn put_if_unchanged(key: impl AsRef<[u8]>, mod_revision: u64, value: impl AsRef<[u8]>) -> Self {
        Self::Txn {
            compares: vec![Compare {
                span: Span::key(&key),
                operand: Operand::ModRevision(mod_revision),
                relation: Relation::Equal,
            }],
            success: vec![Self::put(&key, value)],
            failure: vec![Self::get(&key)],
        }
    }

    /// Whether it could change the store.
    pub fn may_change(&self) -> bool {
        match self {
            Self::Range { .. } => false,
            Self::Put { .. } | Self::Delete { .. } | Self::Revoke { .. } => true,
            Self::Txn { success, failure, .. } => success.iter().chain(failure).any(Self::may_change),
        }
    }
}

/// A condition of a transaction. It must hold for every key of the span; where the span is empty, it must hold for a
/// key whose numbers are all 0, and a comparison of values fails.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Compare {
    /// Which keys.
    pub span: Span,
    /// What of them is compared, and with what.
    pub operand: Operand,
    /// How.
    pub relation: Relation,
}

/// The right-hand side of a [`Compare`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The number of changes since the key was created.
    Version(u64),
    /// The revision at which the key was created.
    CreateRevision(u64),
    /// The revision at which the key was last changed.
    ModRevision(u64),
    /// The value.
    Value(Blob),
    /// The lease.
    Lease(LeaseId),
}

/// How the store's side compares to the request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// =
    Equal,
    /// ≠
    NotEqual,
    /// The store's is greater.
    Greater,
    /// The store's is less.
    Less,
}

/// A key, its value and what the store knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The key.
    pub key: Blob,
    /// The value.
    pub value: Blob,
    /// The revision at which the key was created.
    pub create_revision: u64,
    /// The revision at which it was last changed.
    pub mod_revision: u64,
    /// The number of changes since it was created, which counts.
    pub version: u64,
    /// The lease that it is attached to.
    pub lease: LeaseId,
}

/// What a client is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The revision in the answer's header: the store's, after the request.
    pub revision: u64,
    /// What was asked for.
    pub reply: Reply,
}

/// The answer to one request, or to one within a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// To a range.
    Range {
        /// The pairs in the order of their keys, up to the limit; none if only their number was asked for.
        pairs: Vec<Pair>,
        /// How many keys are in the span, whatever the limit.
        count: u64,
    },
    /// To a put.
    Put {
        /// What was there before, if it was asked for.
        previous: Option<Pair>,
    },
    /// To a delete.
    Delete {
        /// How many keys were deleted.
        deleted: u64,
        /// What was there, if it was asked for.
        previous: Vec<Pair>,
    },
    /// To a transaction.
    Txn {
        /// Whether the compares held.
        succeeded: bool,
        /// The answers of the list that was executed.
        replies: Vec<Reply>,
    },
    /// To a revocation.
    Revoke,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { span, limit: 0, count_only: false } => write!(f, "get {span}"),
            Self::Range { span, count_only: true, .. } => write!(f, "count {span}"),
            Self::Range { span, limit, .. } => write!(f, "get {span} limit {limit}"),
            Self::Put { key, value, lease: 0, .. } => write!(f, "put {} {}", Text(key), Text(value)),
            Self::Put { key, value, lease, .. } => {
                write!(f, "put {} {} lease {lease}", Text(key), Text(value))
            }
            Self::Delete { span, .. } => write!(f, "delete {span}"),
            Self::Txn { compares, success, failure } => {
                f.write_str("txn if ")?;
                list(f, compares)?;
                f.write_str(" then ")?;
                list(f, success)?;
                f.write_str(" else ")?;
                list(f, failure)
            }
            Self::Revoke { lease } => write!(f, "revoke lease {lease}"),
        }
    }
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.relation {
            Relation::Equal => "=",
            Relation::NotEqual => "≠",
            Relation::Greater => ">",
            Relation::Less => "<",
        };
        match &self.operand {
            Operand::Version(version) => write!(f, "version({}) {relation} {version}", self.span),
            Operand::CreateRevision(revision) => write!(f, "create({}) {relation} {revision}", self.span),
            Operand::ModRevision(revision) => write!(f, "mod({}) {relation} {revision}", self.span),
            Operand::Value(value) => write!(f, "value({}) {relation} {}", self.span, Text(value)),
            Operand::Lease(lease) => write!(f, "lease({}) {relation} {lease}", self.span),
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} (mod {})", Text(&self.key), Text(&self.value), self.mod_revision)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at revision {}", self.reply, self.revision)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { pairs, count } if pairs.is_empty() => write!(f, "{count} keys"),
            Self::Range { pairs, count } => {
                list(f, pairs)?;
                if pairs.len() as u64 == *count { Ok(()) } else { write!(f, " of {count} keys") }
            }
            Self::Put { previous: None } => f.write_str("ok"),
            Self::Put { previous: Some(previous) } => write!(f, "ok, before: {previous}"),
            Self::Delete { deleted, .. } => write!(f, "{deleted} deleted"),
            Self::Txn { succeeded, replies } => {
                f.write_str(if *succeeded { "then " } else { "else " })?;
                list(f, replies)
            }
            Self::Revoke => f.write_str("revoked"),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    f.write_str("{")?;
    for (index, item) in items.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { "; " })?;
        item.fmt(f)?;
    }
    f.write_str("}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_last_byte_is_raised() {
        assert_eq!(Span::prefix("ab").end, SpanEnd::Before(b"ac"[..].into()));
        assert_eq!(Span::prefix(b"a\xff\xff").end, SpanEnd::Before(b"b"[..].into()));
        assert_eq!(Span::prefix(b"\xff").end, SpanEnd::Unbounded);
        assert_eq!(Span::prefix("").end, SpanEnd::Unbounded);
        assert!(Span::prefix("ab").contains(b"ab\xff\xff") && !Span::prefix("ab").contains(b"ac"));
    }

    #[test]
    fn a_request_reads_as_a_client_would_write_it() {
        let text = Request::put_if_unchanged("k", 7, "new").to_string();
        assert_eq!(text, "txn if {mod(k) = 7} then {put k new} else {get k}");
        assert_eq!(Request::range(Span::prefix(b"\xf0")).to_string(), "get [\\xf0, \\xf1)");
    }
}
