//! A key-value store of texts, with what the answers of a history prove.
//!
//! Appends that run side by side may take effect in any order, and each order leaves another text. Until a get tells which it
//! was, the number of texts that are possible multiplies with every such append. But the answers are known, and so
//! [`Texts::for_history`] looks at them first. A text is *seen* if a get returned it or a compare-and-swap expected it; it is
//! *alive* if some text seen begins with it. Then
//!
//! - texts that are not alive are all alike: whatever is appended, they do not become one that was seen, and until the
//!   next put they answer no get and let no compare-and-swap succeed;
//! - where a key is only got and appended to, its text only grows, and the longest one seen was there at some time. What
//!   neither begins it nor begins with it could not become it, and is refused.
//!
//! That loses no explanation, and leaves one text for each append that was seen, and one for all the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Bound;
use std::sync::Arc;

use super::{At, Effect, Entry, EntryInput, EntryOutput, Keyed, Specification};
use crate::history::History;

/// A text, or nothing, at every key.
#[derive(Clone, Debug)]
pub struct Texts<K> {
    store: Keyed<Entry, K>,
    futures: BTreeMap<K, Future>,
}

/// What the answers prove of one key.
#[derive(Clone, Debug)]
struct Future {
    seen: BTreeSet<Arc<str>>,
    /// The longest text seen, where the key is only got and appended to.
    longest: Option<Arc<str>>,
    /// Stands for all texts that are not alive, and is none that is.
    dead: Arc<str>,
}

impl Future {
    fn new(seen: BTreeSet<Arc<str>>, is_only_appended_to: bool) -> Self {
        let longest = seen.iter().max_by_key(|text| text.len()).filter(|_| is_only_appended_to).cloned();
        let mut future = Self { seen, longest, dead: Arc::from("") };
        let mut dead = String::from("…");
        while future.is_alive(&dead) {
            dead.push('…');
        }
        future.dead = dead.into();
        future
    }

    /// Whether some text seen begins with this one.
    fn is_alive(&self, text: &str) -> bool {
        let first = self.seen.range::<str, _>((Bound::Included(text), Bound::Unbounded)).next();
        first.is_some_and(|first| first.starts_with(text))
    }

    /// Whether this text is on the way to the longest one, or behind it.
    fn is_possible(&self, text: &str) -> bool {
        self.longest.as_deref().is_none_or(|longest| longest.starts_with(text) || text.starts_with(longest))
    }
}

impl<K: Clone + Ord> Texts<K> {
    /// A store in which every key begins as `entry` says, with what the answers of `history` prove. It must be used with
    /// that history alone.
    pub fn for_history(entry: Entry, history: &History<At<K, EntryInput>, EntryOutput>) -> Self {
        let mut seen: BTreeMap<K, BTreeSet<Arc<str>>> = BTreeMap::new();
        let mut replaced = BTreeSet::new();
        for operation in history.operations() {
            let At { key, input } = &operation.input;
            let of_key = seen.entry(key.clone()).or_default();
            match (input, operation.output()) {
                (EntryInput::Get, Some(EntryOutput::Value(Some(text)))) => {
                    of_key.insert(Arc::clone(text));
                }
                (EntryInput::CompareAndSwap { expected, .. }, _) => {
                    of_key.extend(expected.clone());
                    replaced.insert(key.clone());
                }
                (EntryInput::Put(_) | EntryInput::Delete, _) => {
                    replaced.insert(key.clone());
                }
                (EntryInput::Get | EntryInput::Append(_), _) => {}
            }
        }
        let future = |(key, seen)| {
            let is_only_appended_to = !replaced.contains(&key);
            (key, Future::new(seen, is_only_appended_to))
        };
        Self { store: Keyed::new(entry), futures: seen.into_iter().map(future).collect() }
    }

    fn is_dead(&self, key: &K, text: Option<&str>) -> bool {
        self.futures.get(key).is_some_and(|future| Some(&*future.dead) == text)
    }
}

type State<K> = <Keyed<Entry, K> as Specification>::State;

impl<K: Clone + Debug + Ord + Hash> Specification for Texts<K> {
    type Input = At<K, EntryInput>;
    type Output = EntryOutput;
    type State = State<K>;
    type Partition = K;

    fn initial(&self) -> State<K> {
        self.store.initial()
    }

    fn step(
        &self,
        state: &State<K>,
        input: &At<K, EntryInput>,
        output: Option<&EntryOutput>,
    ) -> Option<State<K>> {
        let before = state.get(&input.key).and_then(Option::as_deref);
        if matches!(input.input, EntryInput::Append(_)) && self.is_dead(&input.key, before) {
            return matches!(output, None | Some(EntryOutput::Done)).then(|| state.clone());
        }
        let mut after = self.store.step(state, input, output)?;
        let text = after.get(&input.key).and_then(Option::as_deref);
        if let (Some(text), Some(future)) = (text, self.futures.get(&input.key)) {
            let is_new = !matches!(input.input, EntryInput::Get);
            if is_new && !future.is_possible(text) {
                return None;
            }
            if is_new && !future.is_alive(text) {
                after.insert(input.key.clone(), Some(Arc::clone(&future.dead)));
            }
        }
        Some(after)
    }

    fn effect(&self, input: &At<K, EntryInput>, output: Option<&EntryOutput>) -> Effect {
        self.store.effect(input, output)
    }

    fn effect_within_partition(&self, input: &At<K, EntryInput>, output: Option<&EntryOutput>) -> Effect {
        self.store.effect_within_partition(input, output)
    }

    fn partition(&self, input: &At<K, EntryInput>) -> Option<K> {
        self.store.partition(input)
    }

    fn is_source(
        &self,
        other: &At<K, EntryInput>,
        input: &At<K, EntryInput>,
        output: &EntryOutput,
    ) -> Option<bool> {
        self.store.is_source(other, input, output)
    }

    fn objection(&self, state: &State<K>, input: &At<K, EntryInput>, output: &EntryOutput) -> String {
        let text = state.get(&input.key).and_then(Option::as_deref);
        if self.is_dead(&input.key, text) {
            return "it would have found something that nobody had seen".to_owned();
        }
        self.store.objection(state, input, output)
    }

    fn describe_operation(&self, input: &At<K, EntryInput>, output: Option<&EntryOutput>) -> String {
        self.store.describe_operation(input, output)
    }

    fn describe_state(&self, state: &State<K>) -> String {
        let describe = |(key, text): (&K, &Option<Arc<str>>)| {
            if self.is_dead(key, text.as_deref()) {
                return format!("{key:?}: a text that nobody had seen");
            }
            format!("{key:?}: {}", self.store.inner.describe_state(text))
        };
        format!("{{{}}}", state.iter().map(describe).collect::<Vec<_>>().join(", "))
    }
}
