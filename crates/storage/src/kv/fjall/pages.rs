//! What scans have read of a base, kept for the next ones.
//!
//! # Problem
//! A scan of sorted tables finds each entry anew: it merges as many runs as there are, takes blocks out of their cache and keys apart.
//! That is two thirds of the cost of a list of a hundred keys, which clients ask again and again while nothing changes.
//!
//! # How it works
//! A base never changes, so what a scan has read of it stays true. Scans leave what they read as pages: entries, and the span of which these are
//! all. Pages do not overlap. A scan takes what pages have, and reads the tables for the gaps between them. With the next layer on disk there is
//! another base, and its pages are empty.
//!
//! # What it costs
//! At most [`BYTES_MAX`] and the last page, by keys, values and places; blocks of tables whose slices they are stay in memory as long. When it is full all
//! pages go. A scan that finds no page pays for leaving one: two counters an entry. Who reads more than [`SCAN_ENTRIES_MAX`] leaves nothing: who reads
//! everything does not want it again.
//!
//! # Left out
//! Backward scans, and spaces other than that of the newest versions, which nobody lists.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{Entry, KvError, Span};

/// Bytes that the pages of a base take.
const BYTES_MAX: usize = 16 << 20;
/// A scan that reads more leaves nothing of it.
const SCAN_ENTRIES_MAX: usize = 1_024;
/// A page with fewer entries is joined to the one before it.
const JOINED_ENTRIES_MAX: usize = 256;

/// The pages of a base.
#[derive(Default)]
pub struct Pages(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// By the first key of their spans.
    pages: BTreeMap<Bytes, Arc<Page>>,
    bytes: usize,
}

/// All entries from a page's first key on, below its end.
struct Page {
    entries: Vec<Entry>,
    end: Bytes,
}

impl Page {
    fn bytes(&self) -> usize {
        self.entries.iter().map(|(key, value)| key.len() + value.len() + size_of::<Entry>()).sum()
    }
}

/// What is known from a key on.
enum Known {
    Page(Arc<Page>),
    /// Nothing, up to a key or for good.
    Nothing(Option<Bytes>),
}

impl Pages {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, key: &Bytes) -> Known {
        let inner = self.lock();
        let before = inner.pages.range::<Bytes, _>(..=key).next_back();
        if let Some((_, page)) = before.filter(|(_, page)| page.end > *key) {
            return Known::Page(Arc::clone(page));
        }
        let after = inner.pages.range::<Bytes, _>((Bound::Excluded(key), Bound::Unbounded)).next();
        Known::Nothing(after.map(|(start, _)| start.clone()))
    }

    /// Keeps that these are all entries from `start` on, below `end`.
    fn keep(&self, start: Bytes, mut entries: Vec<Entry>, end: Bytes) {
        let mut inner = self.lock();
        if inner.bytes >= BYTES_MAX {
            *inner = Inner::default();
        }
        let before = inner.pages.range::<Bytes, _>(..=&start).next_back();
        let after = inner.pages.range::<Bytes, _>(&start..).next();
        if before.is_some_and(|(_, page)| page.end > start) || after.is_some_and(|(next, _)| *next < end) {
            // Another scan read the same meanwhile.
            return;
        }
        let joined = before.filter(|(_, page)| page.end == start && page.entries.len() < JOINED_ENTRIES_MAX);
        let (start, page) = match joined {
            Some((first, page)) if entries.len() < JOINED_ENTRIES_MAX => {
                let mut joined = Vec::with_capacity(page.entries.len() + entries.len());
                joined.extend_from_slice(&page.entries);
                joined.append(&mut entries);
                (first.clone(), Page { entries: joined, end })
            }
            _ => (start, Page { entries, end }),
        };
        inner.bytes += page.bytes();
        if let Some(replaced) = inner.pages.insert(start, Arc::new(page)) {
            inner.bytes -= replaced.bytes();
        }
    }
}

/// A forward scan that takes from pages what they have. `read` reads a span from the tables.
pub struct PagedScan<F, I> {
    pages: Arc<Pages>,
    read: F,
    /// What is not given yet; empty when all is.
    left: Span,
    source: Source<I>,
    /// With so many more entries read it leaves nothing.
    leaves: usize,
}

enum Source<I> {
    None,
    Page(Arc<Page>, usize),
    /// A span that no page has, with what it leaves, and its end.
    Tables(I, Option<Leaving>, Option<Bytes>),
}

/// What a scan has read from a key on; it becomes a page when the scan is over.
struct Leaving {
    pages: Arc<Pages>,
    start: Bytes,
    read: Vec<Entry>,
    /// If all was read. Otherwise it is known up to the last key.
    end: Option<Bytes>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let end = self.end.take().or_else(|| self.read.last().map(|(last, _)| after(last)));
        if let Some(end) = end {
            self.pages.keep(std::mem::take(&mut self.start), std::mem::take(&mut self.read), end);
        }
    }
}

impl<F, I> PagedScan<F, I>
where
    F: Fn(Span) -> I,
    I: Iterator<Item = Result<Entry, KvError>>,
{
    /// Of a span.
    pub fn new(pages: Arc<Pages>, span: Span, read: F) -> Self {
        Self { pages, read, left: span, source: Source::None, leaves: SCAN_ENTRIES_MAX }
    }

    /// Finds out where the next entries come from.
    fn look(&mut self) {
        let start = self.left.start.clone();
        self.source = match self.pages.known(&start) {
            Known::Page(page) => {
                let at = page.entries.partition_point(|(key, _)| *key < start);
                Source::Page(page, at)
            }
            Known::Nothing(next) => {
                let end = match (next, &self.left.end) {
                    (Some(next), Some(end)) => Some(next.min(end.clone())),
                    (next, end) => next.or_else(|| end.clone()),
                };
                let tables = (self.read)(Span { start: start.clone(), end: end.clone() });
                let pages = Arc::clone(&self.pages);
                let leaving = Leaving { pages, start, read: Vec::new(), end: None };
                Source::Tables(tables, Some(leaving).filter(|_| self.leaves > 0), end)
            }
        };
    }

    /// The next entry of the source; none when it has no more, and what is left then begins behind it.
    fn next_of_source(&mut self) -> Option<Result<Entry, KvError>> {
        match &mut self.source {
            Source::None => None,
            Source::Page(page, at) => {
                let entry = page.entries.get(*at).cloned();
                *at += 1;
                if entry.is_none() {
                    self.left.start = page.end.clone();
                }
                entry.map(Ok)
            }
            Source::Tables(tables, leaving, end) => match tables.next() {
                Some(Ok(entry)) => {
                    if let Some(leaves) = leaving {
                        leaves.read.push(entry.clone());
                        self.leaves -= 1;
                        if self.leaves == 0 {
                            leaves.read = Vec::new();
                            *leaving = None;
                        }
                    }
                    Some(Ok(entry))
                }
                Some(Err(error)) => {
                    self.left = NOTHING;
                    Some(Err(error))
                }
                None => {
                    if let Some(leaving) = leaving {
                        leaving.end = end.clone();
                    }
                    match end.take() {
                        Some(end) => self.left.start = end,
                        None => self.left = NOTHING,
                    }
                    None
                }
            },
        }
    }
}

impl<F, I> Iterator for PagedScan<F, I>
where
    F: Fn(Span) -> I,
    I: Iterator<Item = Result<Entry, KvError>>,
{
    type Item = Result<Entry, KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.left.is_empty() {
            match self.next_of_source() {
                Some(Ok((key, _))) if self.left.end.as_ref().is_some_and(|end| key >= *end) => {
                    self.left = NOTHING;
                }
                Some(found) => return Some(found),
                None => {
                    self.source = Source::None;
                    if !self.left.is_empty() {
                        self.look();
                    }
                }
            }
        }
        None
    }
}

/// A span that no key is in.
const NOTHING: Span = Span { start: Bytes::new(), end: Some(Bytes::new()) };

fn after(key: &[u8]) -> Bytes {
    let mut after = Vec::with_capacity(key.len() + 1);
    after.extend_from_slice(key);
    after.push(0);
    after.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u16) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    proptest! {
        /// Whatever was read before, and whether scans were ended early, they give what is there.
        #[test]
        fn pages_change_nothing(
            keys in prop::collection::btree_set(0..400u16, 0..200),
            scans in prop::collection::vec((0..400u16, prop::option::of(0..400u16), 0..300usize), 1..40),
        ) {
            let content: BTreeMap<Bytes, Bytes> = keys.iter().map(|number| (key(*number), key(number + 1))).collect();
            let read = |span: Span| {
                let found: Vec<_> =
                    content.iter().filter(|(key, _)| span.contains(key)).map(|(k, v)| Ok((k.clone(), v.clone()))).collect();
                found.into_iter()
            };
            let pages = Arc::new(Pages::default());
            for (start, end, take) in scans {
                let span = Span { start: key(start), end: end.map(key) };
                let found: Vec<Entry> =
                    PagedScan::new(Arc::clone(&pages), span.clone(), read).take(take).map(Result::unwrap).collect();
                let expected: Vec<Entry> = read(span).take(take).map(Result::unwrap).collect();
                prop_assert_eq!(found, expected);
            }
            // No page meets the next, and each has all of its span.
            let inner = pages.lock();
            let mut last: Option<Bytes> = None;
            for (start, page) in &inner.pages {
                prop_assert!(last.is_none_or(|end| end <= *start) && *start < page.end);
                let span = Span { start: start.clone(), end: Some(page.end.clone()) };
                prop_assert_eq!(&page.entries, &read(span).map(Result::unwrap).collect::<Vec<_>>());
                last = Some(page.end.clone());
            }
        }
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let read = |span: Span| {
            let entries =
                (0..100).map(|number| (key(number), Bytes::new())).filter(move |(key, _)| span.contains(key));
            entries.map(Ok)
        };
        let none = |span: Span| {
            assert!(span.start >= key(70), "{span:?} was read before");
            read(span)
        };
        let pages = Arc::new(Pages::default());
        let span = |from, to| Span { start: key(from), end: Some(key(to)) };
        for (from, to) in [(0, 40), (50, 70), (20, 60)] {
            assert_eq!(
                PagedScan::new(Arc::clone(&pages), span(from, to), read).count(),
                usize::from(to - from)
            );
        }
        assert_eq!(PagedScan::new(Arc::clone(&pages), span(0, 70), none).count(), 70);
        assert_eq!(PagedScan::new(Arc::clone(&pages), span(60, 80), none).count(), 20);
    }

    #[test]
    fn pages_are_bounded() {
        let value = Bytes::from(vec![0; 64 << 10]);
        let read = |span: Span| {
            let value = value.clone();
            let entries = (0..u16::MAX).map(move |number| (key(number), value.clone()));
            entries.filter(move |(key, _)| span.contains(key)).map(Ok)
        };
        let pages = Arc::new(Pages::default());
        for from in (0..5_000).step_by(100) {
            PagedScan::new(Arc::clone(&pages), Span { start: key(from), end: None }, read)
                .take(100)
                .for_each(drop);
            let kept: usize = pages.lock().pages.values().map(|page| page.bytes()).sum();
            assert_eq!(kept, pages.lock().bytes);
            assert!(kept <= BYTES_MAX + 101 * ((64 << 10) + 100), "{kept} bytes");
        }
    }
}
