//! Which write a read returned the value of.
//!
//! Where every write of a key has a value of its own (a *differentiated* history) the answer is plain, and the weak
//! models can be decided in polynomial time. Where values repeat, a read has several candidates, and deciding is
//! NP-hard (Bouajjani and others 2017). [`judge`] then does, in this order, what is sound:
//!
//! 1. Reads with several candidates are left out. The models are closed under leaving out reads, so what is broken
//!    without them is broken with them.
//! 2. Each such read gets the candidate that was invoked last before the read returned, which is what a store that
//!    works would have answered. If that keeps the model, the model is kept.
//! 3. If there are few combinations of candidates, all are tried.
//! 4. Otherwise the answer is unknown, with the number of reads that have several candidates.

use super::trace::{INITIAL_VALUE, NO_VALUE, Trace};
use crate::model::{Breach, Finding, Step};

/// No write, or no read: a source that there is none of.
pub(super) const NONE: u32 = u32::MAX;
/// The initial value, as the source of a read.
pub(super) const INITIAL: u32 = u32::MAX - 1;

/// How many combinations of candidates are tried.
const COMBINATIONS_MAX: usize = 512;
/// And for how many operations all together: a bound on time.
const COMBINED_OPERATIONS_MAX: usize = 4_000_000;

/// The sources of all reads.
pub(super) struct Sources {
    /// For each access: the write, [`INITIAL`], or [`NONE`] for writes, open reads, and reads with several candidates.
    settled: Vec<u32>,
    /// Reads with several candidates, and these.
    unsettled: Vec<(u32, Vec<u32>)>,
    /// The first read of a value that nobody wrote.
    thin_air: Option<u32>,
}

impl Sources {
    pub(super) fn new(trace: &Trace<'_>) -> Self {
        let writes = Writes::new(trace);
        let mut sources = Self { settled: vec![NONE; trace.len()], unsettled: Vec::new(), thin_air: None };
        for (index, access) in trace.accesses.iter().enumerate() {
            if access.is_write || access.value == NO_VALUE {
                continue;
            }
            let candidates = writes.of(access.key, access.value);
            match (candidates, access.value == INITIAL_VALUE) {
                ([], true) => sources.settled[index] = INITIAL,
                ([], false) => sources.thin_air = sources.thin_air.or(Some(index as u32)),
                (&[only], false) => sources.settled[index] = only,
                (several, initial) => {
                    let mut candidates = several.to_vec();
                    candidates.extend(initial.then_some(INITIAL));
                    sources.unsettled.push((index as u32, candidates));
                }
            }
        }
        sources
    }

    /// Whether each read has one source.
    pub(super) fn are_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// The sources that are known; [`NONE`] for the others.
    pub(super) fn settled(&self) -> &[u32] {
        &self.settled
    }

    /// The breach of every model that a value out of thin air is.
    pub(super) fn thin_air(&self, trace: &Trace<'_>) -> Option<Breach> {
        let read = self.thin_air?;
        let access = trace.access(read);
        let value = trace.value_text(access.value);
        let sentence = format!("{} returned {value}, which nobody wrote", trace.id(read));
        let step = Step {
            text: format!("No write{} has the value {value}, nor is it the first.", trace.of_key(access.key)),
            operations: vec![trace.id(read)],
        };
        Some(Breach {
            anomaly: Some("ThinAirRead".into()),
            sentence,
            witness: vec![trace.summary(read)],
            steps: vec![step],
        })
    }

    /// What a working store would most likely have answered.
    fn likely(&self, trace: &Trace<'_>) -> Vec<u32> {
        let mut settled = self.settled.clone();
        for (read, candidates) in &self.unsettled {
            let returned = trace.access(*read).returned_rank;
            let invoked = |write: &u32| match *write {
                INITIAL => None,
                write => Some(trace.access(write).invoked_rank),
            };
            let before = candidates.iter().filter(|write| invoked(write) < Some(returned));
            settled[*read as usize] = *before.max_by_key(|write| invoked(write)).unwrap_or(&candidates[0]);
        }
        settled
    }

    /// The number of combinations, if it is small.
    fn combinations(&self) -> Option<usize> {
        let product = |product: usize, (_, candidates): &(u32, Vec<u32>)| {
            product.checked_mul(candidates.len()).filter(|&product| product <= COMBINATIONS_MAX)
        };
        let count = self.unsettled.iter().try_fold(1, product)?;
        (count * self.settled.len() <= COMBINED_OPERATIONS_MAX).then_some(count)
    }

    fn combination(&self, mut number: usize) -> Vec<u32> {
        let mut settled = self.settled.clone();
        for (read, candidates) in &self.unsettled {
            settled[*read as usize] = candidates[number % candidates.len()];
            number /= candidates.len();
        }
        settled
    }
}

/// Decides a model by `decide`, which is given the source of each read and must be right for these. The model has to be
/// closed under leaving out reads.
pub(super) fn judge(
    trace: &Trace<'_>,
    sources: &Sources,
    mut decide: impl FnMut(&[u32]) -> Finding,
) -> Finding {
    if let Some(breach) = sources.thin_air(trace) {
        return Finding::Broken(Box::new(breach));
    }
    let first = decide(&sources.settled);
    if sources.are_settled() || !matches!(first, Finding::Kept) {
        return first;
    }
    if matches!(decide(&sources.likely(trace)), Finding::Kept) {
        return Finding::Kept;
    }
    let unsettled = sources.unsettled.len();
    let reads = if unsettled == 1 { "1 read has".to_owned() } else { format!("{unsettled} reads have") };
    let Some(combinations) = sources.combinations() else {
        let reason = format!(
            "values are written more than once, so {reads} several possible sources: too many combinations to try"
        );
        return Finding::Unknown { reason };
    };
    let mut last = None;
    for number in 0..combinations {
        match decide(&sources.combination(number)) {
            Finding::Broken(breach) => last = Some(breach),
            other => return other,
        }
    }
    let mut breach = last.expect("there is at least one combination");
    breach.sentence = format!(
        "{reads} several possible sources, and none of their {combinations} combinations is possible; in the last, {}",
        breach.sentence
    );
    Finding::Broken(breach)
}

/// The writes of each value of each key.
struct Writes {
    /// By key, value, and place in the trace.
    sorted: Vec<(u32, u32)>,
    indices: Vec<u32>,
    /// Where the accesses of each key begin in the two lists.
    starts: Vec<u32>,
}

impl Writes {
    fn new(trace: &Trace<'_>) -> Self {
        // Two stable counting sorts, by value and then by key: linear, where comparing would not be.
        let writes = (0..trace.len() as u32).filter(|&index| trace.access(index).is_write);
        let by_value = grouped(trace.values_count, writes.map(|index| (trace.access(index).value, index)));
        let by_key = by_value.items.into_iter().map(|index| (trace.access(index).key, index));
        let Grouped { starts, items: indices } = grouped(trace.keys_count, by_key);
        let pair = |&index: &u32| (trace.access(index).key, trace.access(index).value);
        Self { sorted: indices.iter().map(pair).collect(), indices, starts }
    }

    fn of(&self, key: u32, value: u32) -> &[u32] {
        let (from, to) = (self.starts[key as usize] as usize, self.starts[key as usize + 1] as usize);
        let begin = from + self.sorted[from..to].partition_point(|pair| pair.1 < value);
        let end = begin + self.sorted[begin..to].iter().take_while(|pair| pair.1 == value).count();
        &self.indices[begin..end]
    }
}

/// Items in groups: those of group `g` are `items[starts[g]..starts[g + 1]]`, in the order in which they came.
pub(super) struct Grouped {
    pub(super) starts: Vec<u32>,
    pub(super) items: Vec<u32>,
}

impl Grouped {
    pub(super) fn of(&self, group: u32) -> &[u32] {
        &self.items[self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize]
    }
}

pub(super) fn grouped(groups: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Grouped {
    let mut starts = vec![0_u32; groups + 1];
    let mut count = 0;
    for (group, _) in pairs.clone() {
        starts[group as usize + 1] += 1;
        count += 1;
    }
    for group in 0..groups {
        starts[group + 1] += starts[group];
    }
    let mut next = starts.clone();
    let mut items = vec![0; count];
    for (group, item) in pairs {
        items[next[group as usize] as usize] = item;
        next[group as usize] += 1;
    }
    Grouped { starts, items }
}
