//! The definitions of the models, tried out order by order.
//!
//! Nothing here is shared with the fast checkers but the trace. Sources of reads are tried in all combinations, causality
//! is a closure by a triple loop, and orders are enumerated. The cost is exponential several times over: for histories of
//! eight operations or so.

use std::time::Duration;

use super::trace::{Access, INITIAL_VALUE, NO_VALUE, Trace};
use crate::model::Model;

/// Whether the history keeps the model, or nothing where there is no definition here (transactions; linearizability,
/// whose definition is tried in [`crate::linearizability::brute_force`]).
pub fn keeps(model: Model, trace: &Trace<'_>) -> Option<bool> {
    let small = Small::new(trace);
    Some(match model {
        Model::Sequential => small.sequential(),
        Model::Eventual { quiet } => small.eventual(quiet),
        Model::StalenessVersions { versions } => small.fresh(versions as usize, Duration::ZERO),
        Model::StalenessTime { age_max } => small.fresh(1, age_max),
        Model::CausalConvergence => small.with_sources(&Small::causal_convergence),
        Model::CausalMemory => small.with_sources(&Small::causal_memory),
        Model::Causal => small.with_sources(&Small::causal),
        Model::Pram => small.with_sources(&Small::pram),
        Model::ReadYourWrites => small.with_sources(&Small::read_your_writes),
        Model::MonotonicReads => small.with_sources(&Small::monotonic_reads),
        Model::MonotonicWrites => small.with_sources(&Small::monotonic_writes),
        Model::WritesFollowReads => small.with_sources(&Small::writes_follow_reads),
        _ => return None,
    })
}

/// Which operations come before which.
type Order = Vec<Vec<bool>>;

/// A small history: reads without an answer are left out, writes without one may be.
struct Small {
    accesses: Vec<Access>,
}

impl Small {
    fn new(trace: &Trace<'_>) -> Self {
        let is_known = |access: &&Access| access.is_write || access.value != NO_VALUE;
        Self { accesses: trace.accesses.iter().filter(is_known).copied().collect() }
    }

    fn count(&self) -> usize {
        self.accesses.len()
    }

    /// Whether one operation is before another in its session: an unanswered one is before none.
    fn session(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.accesses[one], &self.accesses[other]);
        a.session == b.session && one < other && a.returned.is_some()
    }

    fn is_write(&self, index: usize) -> bool {
        self.accesses[index].is_write
    }

    fn key(&self, index: usize) -> u32 {
        self.accesses[index].key
    }

    /// Whether some choice of which unanswered writes happened, and of sources (`None`: the initial value), is right.
    fn with_sources(&self, is_right: &dyn Fn(&Self, &[Option<usize>]) -> bool) -> bool {
        let mut sources = vec![None; self.count()];
        self.choose_source(0, &mut sources, is_right)
    }

    fn choose_source(
        &self,
        index: usize,
        sources: &mut Vec<Option<usize>>,
        is_right: &dyn Fn(&Self, &[Option<usize>]) -> bool,
    ) -> bool {
        let Some(access) = self.accesses.get(index) else { return is_right(self, sources) };
        if access.is_write {
            return self.choose_source(index + 1, sources, is_right);
        }
        let fits = |&write: &usize| {
            let other = &self.accesses[write];
            other.is_write && other.key == access.key && other.value == access.value
        };
        let mut candidates: Vec<Option<usize>> = (0..self.count()).filter(fits).map(Some).collect();
        candidates.extend((access.value == INITIAL_VALUE).then_some(None));
        candidates.into_iter().any(|candidate| {
            sources[index] = candidate;
            self.choose_source(index + 1, sources, is_right)
        })
    }

    /// The least transitive order with these pairs.
    fn closure(&self, holds: impl Fn(usize, usize) -> bool) -> Order {
        let count = self.count();
        let mut order: Order =
            (0..count).map(|one| (0..count).map(|other| holds(one, other)).collect()).collect();
        for middle in 0..count {
            for one in 0..count {
                for other in 0..count {
                    order[one][other] |= order[one][middle] && order[middle][other];
                }
            }
        }
        order
    }

    fn causality(&self, sources: &[Option<usize>]) -> Order {
        self.closure(|one, other| self.session(one, other) || (sources[other] == Some(one)))
    }

    fn is_cyclic(order: &Order) -> bool {
        (0..order.len()).any(|index| order[index][index])
    }

    /// Whether some order of `members`, which respects `order`, has each read among `reads` return its value.
    fn has_view(&self, members: &[usize], order: &Order, reads: &dyn Fn(usize) -> bool) -> bool {
        let fits = |placed: &[usize], next: usize| {
            !reads(next) || self.last_value(placed, next) == self.accesses[next].value
        };
        Self::extend_view(&mut Vec::new(), members, order, &fits)
    }

    /// Whether what is placed can be followed by all other members, each where it fits behind those before it.
    fn extend_view(
        placed: &mut Vec<usize>,
        members: &[usize],
        order: &Order,
        fits: &dyn Fn(&[usize], usize) -> bool,
    ) -> bool {
        if placed.len() == members.len() {
            return true;
        }
        for &next in members {
            let is_due = !placed.contains(&next)
                && members.iter().all(|&other| !order[other][next] || placed.contains(&other));
            if !is_due || !fits(placed, next) {
                continue;
            }
            placed.push(next);
            if Self::extend_view(placed, members, order, fits) {
                return true;
            }
            placed.pop();
        }
        false
    }

    fn last_value(&self, placed: &[usize], read: usize) -> u32 {
        let of_key = |&&index: &&usize| self.is_write(index) && self.key(index) == self.key(read);
        placed.iter().rev().find(of_key).map_or(INITIAL_VALUE, |&write| self.accesses[write].value)
    }

    /// One order for all of the operations that happened. Any of the unanswered writes may not have.
    fn sequential(&self) -> bool {
        let order = self.closure(|one, other| self.session(one, other));
        let unanswered: Vec<usize> =
            (0..self.count()).filter(|&index| self.accesses[index].returned.is_none()).collect();
        (0_u32..1 << unanswered.len()).any(|chosen| {
            let happened = |index: &usize| {
                let place = unanswered.iter().position(|other| other == index);
                place.is_none_or(|place| chosen >> place & 1 == 1)
            };
            let members: Vec<usize> = (0..self.count()).filter(happened).collect();
            self.has_view(&members, &order, &|index| !self.is_write(index))
        })
    }

    /// For each read an order of its past in which it alone has to be right.
    fn causal(&self, sources: &[Option<usize>]) -> bool {
        let causality = self.causality(sources);
        !Self::is_cyclic(&causality)
            && (0..self.count()).filter(|&read| !self.is_write(read)).all(|read| {
                let members: Vec<usize> =
                    (0..self.count()).filter(|&other| other == read || causality[other][read]).collect();
                self.has_view(&members, &causality, &|index| index == read)
            })
    }

    /// One order of all writes that respects causality, in which each read returns the last write of its past.
    fn causal_convergence(&self, sources: &[Option<usize>]) -> bool {
        let causality = self.causality(sources);
        let writes: Vec<usize> = (0..self.count()).filter(|&index| self.is_write(index)).collect();
        !Self::is_cyclic(&causality) && self.arbitrate(&mut Vec::new(), &writes, &causality)
    }

    fn arbitrate(&self, placed: &mut Vec<usize>, writes: &[usize], causality: &Order) -> bool {
        if placed.len() == writes.len() {
            return (0..self.count()).filter(|&read| !self.is_write(read)).all(|read| {
                let seen: Vec<usize> =
                    placed.iter().copied().filter(|&write| causality[write][read]).collect();
                self.last_value(&seen, read) == self.accesses[read].value
            });
        }
        for &next in writes {
            let is_due = !placed.contains(&next)
                && writes.iter().all(|&other| !causality[other][next] || placed.contains(&other));
            if is_due {
                placed.push(next);
                if self.arbitrate(placed, writes, causality) {
                    return true;
                }
                placed.pop();
            }
        }
        false
    }

    /// For each operation an order of its past in which all reads of its session are right.
    fn causal_memory(&self, sources: &[Option<usize>]) -> bool {
        let causality = self.causality(sources);
        !Self::is_cyclic(&causality)
            && (0..self.count()).all(|last| {
                let members: Vec<usize> =
                    (0..self.count()).filter(|&other| other == last || causality[other][last]).collect();
                let own =
                    |index: usize| !self.is_write(index) && (index == last || self.session(index, last));
                self.has_view(&members, &causality, &own)
            })
    }

    /// For each session an order of all writes and its own reads that respects all sessions.
    fn pram(&self, sources: &[Option<usize>]) -> bool {
        let order = self.closure(|one, other| self.session(one, other));
        let seen = |index: usize| sources.contains(&Some(index));
        (0..self.count()).all(|of| {
            let session = self.accesses[of].session;
            let own = |index: usize| self.accesses[index].session == session && !self.is_write(index);
            let happened = |index: usize| self.accesses[index].returned.is_some() || seen(index);
            let members: Vec<usize> = (0..self.count())
                .filter(|&index| own(index) || (self.is_write(index) && happened(index)))
                .collect();
            // The value decides, so that this does not depend on sources for writes that repeat one.
            self.has_view(&members, &order, &own)
        })
    }

    /// Whether what a read returned is older than a write of its key: initial, or earlier in the writer's session.
    fn is_older(&self, source: Option<usize>, write: usize) -> bool {
        source.is_none_or(|source| self.session(source, write) && self.key(source) == self.key(write))
    }

    fn reads(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count()).filter(|&index| !self.is_write(index))
    }

    fn writes_of(&self, key: u32) -> impl Iterator<Item = usize> + '_ {
        (0..self.count()).filter(move |&index| self.is_write(index) && self.key(index) == key)
    }

    fn read_your_writes(&self, sources: &[Option<usize>]) -> bool {
        !self.reads().any(|read| {
            let mut own = self.writes_of(self.key(read)).filter(|&write| self.session(write, read));
            own.any(|write| self.is_older(sources[read], write))
        })
    }

    fn monotonic_reads(&self, sources: &[Option<usize>]) -> bool {
        !self.reads().any(|read| {
            self.reads().filter(|&before| self.session(before, read)).any(|before| {
                let seen = sources[before].filter(|&seen| self.key(seen) == self.key(read));
                seen.is_some_and(|seen| self.is_older(sources[read], seen))
            })
        })
    }

    fn monotonic_writes(&self, sources: &[Option<usize>]) -> bool {
        !self.reads().any(|read| {
            self.reads().filter(|&before| self.session(before, read)).any(|before| {
                let Some(seen) = sources[before].filter(|&seen| self.key(seen) != self.key(read)) else {
                    return false;
                };
                let mut earlier = self.writes_of(self.key(read)).filter(|&write| self.session(write, seen));
                earlier.any(|write| self.is_older(sources[read], write))
            })
        })
    }

    fn writes_follow_reads(&self, sources: &[Option<usize>]) -> bool {
        let follows = |one: usize, other: usize| {
            self.is_write(other)
                && self.reads().any(|read| sources[read] == Some(one) && self.session(read, other))
        };
        let same_versions = |one: usize, other: usize| {
            self.is_write(one)
                && self.is_write(other)
                && self.key(one) == self.key(other)
                && self.session(one, other)
        };
        let order = self.closure(|one, other| follows(one, other) || same_versions(one, other));
        if Self::is_cyclic(&order) {
            return false;
        }
        // What each read has seen: by which reads, of any session, in its past.
        let causality = self.causality(sources);
        !self.reads().any(|read| {
            self.reads().filter(|&before| before == read || causality[before][read]).any(|before| {
                let Some(seen) = sources[before].filter(|&seen| self.key(seen) == self.key(read)) else {
                    return false;
                };
                let is_own = self.accesses[before].session == self.accesses[read].session;
                match sources[read] {
                    None => !is_own,
                    Some(source) if source == seen => false,
                    Some(source) => {
                        let by_session = self.session(source, seen);
                        if by_session {
                            !is_own || self.by_following(source, seen, sources)
                        } else {
                            order[source][seen]
                        }
                    }
                }
            })
        })
    }

    /// Whether a write is followed by a later one of its own session and key through a read, too.
    fn by_following(&self, source: usize, seen: usize, sources: &[Option<usize>]) -> bool {
        let causality = self.causality(sources);
        self.reads().any(|read| {
            let at_or_after = |write: usize| write == source || self.session(source, write);
            let fits =
                sources[read].is_some_and(|write| self.key(write) == self.key(seen) && at_or_after(write));
            fits && causality[read][seen]
        })
    }

    /// One order of all, in which each read returns one of the newest versions, that respects real time if each read
    /// begins so much earlier.
    fn fresh(&self, versions: usize, earlier: Duration) -> bool {
        let begin = |access: &Access| match (access.is_write, earlier.is_zero()) {
            (false, false) => (access.invoked.saturating_sub(earlier), 0, access.invoked_rank),
            _ => (access.invoked, 1, access.invoked_rank),
        };
        let real_time = |one: usize, other: usize| {
            let returned = self.accesses[one].returned;
            returned
                .is_some_and(|at| (at, 1, self.accesses[one].returned_rank) < begin(&self.accesses[other]))
        };
        let order = self.closure(real_time);
        let unanswered: Vec<usize> =
            (0..self.count()).filter(|&index| self.accesses[index].returned.is_none()).collect();
        let fits = |placed: &[usize], next: usize| {
            let of_key = |index: &&usize| self.is_write(**index) && self.key(**index) == self.key(next);
            let values = placed.iter().rev().filter(of_key).map(|&write| self.accesses[write].value);
            let is_recent = |value| value == self.accesses[next].value;
            self.is_write(next) || values.chain([INITIAL_VALUE]).take(versions).any(is_recent)
        };
        (0_u32..1 << unanswered.len()).any(|chosen| {
            let happened = |index: &usize| {
                let place = unanswered.iter().position(|other| other == index);
                place.is_none_or(|place| chosen >> place & 1 == 1)
            };
            let members: Vec<usize> = (0..self.count()).filter(happened).collect();
            Self::extend_view(&mut Vec::new(), &members, &order, &fits)
        })
    }

    /// The reads of a key that began more than a quiet time after all its writes agree. Whatever an unanswered write
    /// that was read did, it did by the end of the first such read.
    fn eventual(&self, quiet: Duration) -> bool {
        let written = |read: &Access| {
            let is_source =
                |write: &&Access| write.is_write && write.key == read.key && write.value == read.value;
            read.value == INITIAL_VALUE || self.accesses.iter().any(|write| is_source(&write))
        };
        if !self.accesses.iter().filter(|access| !access.is_write).all(written) {
            return false;
        }
        (0..self.count()).all(|index| {
            let key = self.key(index);
            let of_key = || self.accesses.iter().filter(move |access| access.key == key);
            let ends = of_key().filter(|access| access.is_write).filter_map(|write| match write.returned {
                Some(at) => Some((write.returned_rank, at)),
                None => {
                    // Where others wrote the same value, each read of it may be the first that saw this write.
                    let same =
                        |other: &&Access| other.is_write == write.is_write && other.value == write.value;
                    let mut reads = of_key().filter(|read| !read.is_write && read.value == write.value);
                    let seen =
                        if of_key().filter(same).count() == 1 { reads.next() } else { reads.next_back() };
                    seen.and_then(|read| Some((read.returned_rank, read.returned?)))
                }
            });
            let end = ends.max();
            let is_quiet = |read: &&Access| {
                !read.is_write
                    && end.is_none_or(|(rank, at)| {
                        read.invoked_rank > rank && (quiet.is_zero() || read.invoked > at + quiet)
                    })
            };
            let values: Vec<u32> = of_key().filter(is_quiet).map(|read| read.value).collect();
            let is_acknowledged = of_key().any(|access| access.is_write && access.returned.is_some());
            values.windows(2).all(|pair| pair[0] == pair[1])
                && !(is_acknowledged && values.first() == Some(&INITIAL_VALUE))
        })
    }
}
