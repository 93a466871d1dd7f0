//! Which points of a graph reach which, as a band of bits.
//!
//! A path follows the edges, and so the order that all edges follow: between two points it runs through points that stand
//! between them in that order. So whether a point reaches one of the next thousand is found from those thousand alone,
//! and a band of a matrix is exact where it is kept. What is farther apart counts as not reached: a conclusion that
//! rests on what *is* reached is sound all the same.

use super::graph::View;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// For each point, those after it that it reaches, as far as the band goes.
pub(super) struct Reached {
    /// By point, its place in the order.
    place: Vec<u32>,
    /// Words a row; the first bit of a row stands for the place of its point, rounded down to a whole word.
    words: usize,
    bits: Vec<u64>,
}

impl Reached {
    /// Of the points in an order that all edges should follow; `None` if one does not, for then there is a circle. At
    /// most `words_max` words are kept.
    pub fn new(view: &View<'_>, order: &[u32], words_max: usize) -> Option<Self> {
        let points = view.len();
        let mut place = vec![0u32; points];
        order.iter().enumerate().for_each(|(rank, point)| place[*point as usize] = rank as u32);
        // A row that begins within a word needs one more to have as many places.
        let words = (points / WORD + 1).min((words_max / points.max(1)).max(2));
        let mut reached = Self { place, words, bits: vec![0; words * points] };
        let mut row = vec![0u64; words];
        for (rank, &point) in order.iter().enumerate().rev() {
            row.fill(0);
            let mut cursor = 0;
            while let Some((to, _, next)) = view.next(point, cursor) {
                cursor = next;
                let target = reached.place[to as usize] as usize;
                if target <= rank {
                    return None;
                }
                let skipped = target / WORD - rank / WORD;
                if skipped < words {
                    row[skipped] |= 1 << (target % WORD);
                    let begin = target * words;
                    let further = &reached.bits[begin..begin + words - skipped];
                    row[skipped..].iter_mut().zip(further).for_each(|(own, other)| *own |= other);
                }
            }
            reached.bits[rank * words..(rank + 1) * words].copy_from_slice(&row);
        }
        Some(reached)
    }

    /// Whether a point is known to reach another.
    pub fn has(&self, from: u32, to: u32) -> bool {
        let (from, to) = (self.place[from as usize] as usize, self.place[to as usize] as usize);
        if to <= from {
            return false;
        }
        let skipped = to / WORD - from / WORD;
        skipped < self.words && self.bits[from * self.words + skipped] >> (to % WORD) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::anomaly::Dependency;
    use super::super::graph::{GraphBuilder, Kinds, Label, Points};
    use super::*;
    use crate::generate::Random;

    /// By trying all paths.
    fn reaches(edges: &[(u32, u32)], from: u32, to: u32) -> bool {
        let mut seen = vec![from];
        let mut next = 0;
        while let Some(&point) = seen.get(next) {
            next += 1;
            for &(_, target) in edges.iter().filter(|(begin, _)| *begin == point) {
                if !seen.contains(&target) {
                    seen.push(target);
                }
            }
        }
        from != to && seen.contains(&to)
    }

    #[test]
    fn a_band_is_exact_where_it_is_kept() {
        const POINTS: u32 = 400;
        let mut random = Random::new(5);
        let mut order: Vec<u32> = (0..POINTS).collect();
        for index in 0..order.len() {
            order.swap(index, random.below(u64::from(POINTS)) as usize);
        }
        let edges: Vec<(u32, u32)> = (0..600)
            .map(|_| {
                let from = random.below(u64::from(POINTS) - 1);
                let to = (from + 1 + random.below(30)).min(u64::from(POINTS) - 1);
                (order[from as usize], order[to as usize])
            })
            .collect();
        let mut builder = GraphBuilder::new(POINTS);
        for &(from, to) in &edges {
            builder.edge(from, to, Label::new(Dependency::WriteWrite, 0));
        }
        let graph = builder.finish();
        let view = View { graph: &graph, kinds: Kinds::DATA, points: Points::One };
        for (words_max, span) in [(usize::MAX, POINTS as usize), (POINTS as usize * 3, 128), (0, 64)] {
            let reached = Reached::new(&view, &order, words_max).expect("all edges follow the order");
            for (one, &from) in order.iter().enumerate() {
                for (two, &to) in order.iter().enumerate() {
                    let is_kept = two.saturating_sub(one) <= span;
                    let expected = reaches(&edges, from, to);
                    assert!(!reached.has(from, to) || expected, "{from} does not reach {to}");
                    assert!(!is_kept || reached.has(from, to) == expected, "{from} reaches {to}: {expected}");
                }
            }
        }
        order.reverse();
        assert!(Reached::new(&view, &order, usize::MAX).is_none());
    }
}
