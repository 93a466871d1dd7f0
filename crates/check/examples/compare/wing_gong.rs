//! The search of Wing and Gong with Lowe's memo, as the best known checkers have it: the peer to be measured against.
//!
//! Depth first over the ends of the operations in real-time order: an operation that was invoked before the first return
//! that is left is tried next. The memo holds each set of operations placed so far, with the state it led to, so that
//! none is tried twice ("Testing for linearizability", 2017). Operations that were never answered return at the end.
//! Written after the paper, without any rule that the paper does not have; one set of bits over all operations for
//! each entry of the memo is what it costs.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use synod_check::history::{Event, History};
use synod_check::specification::Specification;

/// What a check may cost.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub time_max: Duration,
    /// Of the memo alone.
    pub memory_bytes_max: usize,
}

/// Operations placed.
type Placed = Box<[u64]>;

/// Whether the history is linearizable; nothing when a bound was met.
pub fn check<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    bounds: Bounds,
) -> Option<bool> {
    let begun = Instant::now();
    let mut ends = Ends::of(history);
    let mut placed: Placed = vec![0; history.len().div_ceil(64)].into_boxed_slice();
    let mut memo = Memo::default();
    let mut stack: Vec<(usize, S::State)> = Vec::new();
    let mut state = spec.initial();
    let mut at = ends.next[HEAD];
    while ends.next[HEAD] != NONE {
        if ends.is_return[at] {
            let Some((back, before)) = stack.pop() else { return Some(false) };
            state = before;
            flip(&mut placed, ends.operation[back]);
            ends.unlift(back);
            at = ends.next[back];
            continue;
        }
        let asked = &history.operations()[ends.operation[at]];
        if let Some(after) = spec.step(&state, &asked.input, asked.output()) {
            flip(&mut placed, ends.operation[at]);
            if memo.is_new(&placed, &after) {
                stack.push((at, std::mem::replace(&mut state, after)));
                ends.lift(at);
                at = ends.next[HEAD];
                if memo.len.is_multiple_of(1024)
                    && (begun.elapsed() > bounds.time_max || memo.bytes() > bounds.memory_bytes_max)
                {
                    return None;
                }
                continue;
            }
            flip(&mut placed, ends.operation[at]);
        }
        at = ends.next[at];
    }
    Some(true)
}

fn flip(placed: &mut Placed, operation: usize) {
    placed[operation / 64] ^= 1 << (operation % 64);
}

/// Sets of operations placed, with the state that each led to.
struct Memo<T> {
    by_hash: HashMap<u64, Vec<(Placed, T)>>,
    hashes: RandomState,
    len: usize,
    placed_bytes: usize,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { by_hash: HashMap::new(), hashes: RandomState::new(), len: 0, placed_bytes: 0 }
    }
}

impl<T: Clone + Eq + Hash> Memo<T> {
    fn is_new(&mut self, placed: &Placed, state: &T) -> bool {
        let known = self.by_hash.entry(self.hashes.hash_one((placed, state))).or_default();
        if known.iter().any(|(other, led_to)| other == placed && led_to == state) {
            return false;
        }
        known.push((placed.clone(), state.clone()));
        self.len += 1;
        self.placed_bytes = placed.len() * 8;
        true
    }

    /// What the entries take at least.
    fn bytes(&self) -> usize {
        self.len * (self.placed_bytes + size_of::<(Placed, T)>() + size_of::<(u64, Vec<T>)>())
    }
}

const HEAD: usize = 0;
const NONE: usize = usize::MAX;

/// A doubly linked list of the ends of operations, from which a call and its return can be taken out and put back.
struct Ends {
    operation: Vec<usize>,
    is_return: Vec<bool>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// By call: where its return is.
    return_of: Vec<usize>,
}

impl Ends {
    fn of<I, O>(history: &History<I, O>) -> Self {
        let mut ends = vec![(NONE, false)];
        let mut answered = vec![false; history.len()];
        for event in history.events() {
            match *event {
                Event::Invoked(index) => ends.push((index, false)),
                Event::Returned(index) => {
                    answered[index] = true;
                    ends.push((index, true));
                }
            }
        }
        ends.extend((0..history.len()).filter(|&index| !answered[index]).map(|index| (index, true)));
        let len = ends.len();
        let mut return_at = vec![NONE; history.len()];
        for (position, &(operation, _)) in ends.iter().enumerate().filter(|(_, end)| end.1) {
            return_at[operation] = position;
        }
        Self {
            return_of: ends
                .iter()
                .map(
                    |&(operation, is_return)| {
                        if operation == NONE || is_return { NONE } else { return_at[operation] }
                    },
                )
                .collect(),
            operation: ends.iter().map(|end| end.0).collect(),
            is_return: ends.iter().map(|end| end.1).collect(),
            next: (1..len).chain([NONE]).collect(),
            previous: [NONE].into_iter().chain(0..len - 1).collect(),
        }
    }

    fn lift(&mut self, call: usize) {
        self.take_out(call);
        self.take_out(self.return_of[call]);
    }

    fn unlift(&mut self, call: usize) {
        self.put_back(self.return_of[call]);
        self.put_back(call);
    }

    fn take_out(&mut self, end: usize) {
        let (previous, next) = (self.previous[end], self.next[end]);
        self.next[previous] = next;
        if next != NONE {
            self.previous[next] = previous;
        }
    }

    fn put_back(&mut self, end: usize) {
        let (previous, next) = (self.previous[end], self.next[end]);
        self.next[previous] = end;
        if next != NONE {
            self.previous[next] = end;
        }
    }
}
