//! Who is right: intersection, clustering, combining (RFC 5905, section 11.2; Marzullo 1984).
//!
//! Each server claims an interval that holds the true time. Servers that are right have a point in common; those that are wrong need not. The largest set with
//! a common point, if it is a majority, are the *truechimers*. Clustering throws out who disagrees most with the rest, as long as that helps, and
//! the rest is averaged by quality.

use alloc::vec::Vec;

use synod_machine::NodeId;

/// A server that could be followed. All in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// Hops to its reference clock.
    pub stratum: u8,
    /// How far it is ahead of this node's clock.
    pub offset: f64,
    /// True time is within `offset ± distance` if it is right (root distance).
    pub distance: f64,
    /// Of its samples.
    pub jitter: f64,
}

/// The interval that the most intervals have in common, and how many those are (Marzullo 1984). Of several the first.
pub fn marzullo(intervals: &[(f64, f64)]) -> Option<(f64, f64, usize)> {
    let mut edges: Vec<(f64, i32)> = Vec::new();
    for (low, high) in intervals {
        edges.push((*low, -1));
        edges.push((*high, 1));
    }
    // Lower edges first, so that intervals that touch share the point.
    edges.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let (mut count, mut best) = (0, None::<(f64, f64, i32)>);
    for (place, (edge, kind)) in edges.iter().enumerate() {
        count -= kind;
        if *kind == -1 && best.is_none_or(|(_, _, most)| count > most) {
            best = Some((*edge, edges[place + 1].0, count));
        }
    }
    best.map(|(low, high, count)| (low, high, count.unsigned_abs() as usize))
}

/// Where the truechimers agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intersection {
    /// From here, in seconds.
    pub low: f64,
    /// To here.
    pub high: f64,
    /// Candidates that may be wrong: less than half. The true time is in the interval if no more are.
    pub falsetickers: usize,
}

/// The intersection algorithm: from the lowest to the highest point that all but the falsetickers have in common, and outside of which no more midpoints lie than
/// there are falsetickers; `None` without a majority. Allows as few falsetickers as possible. The test of success is the appendix's, low before high, with equality
/// admitted for intervals that touch in a point.
pub fn intersection(candidates: &[Candidate]) -> Option<Intersection> {
    let mut edges: Vec<(f64, i32)> = Vec::new();
    for candidate in candidates {
        edges.push((candidate.offset - candidate.distance, -1));
        edges.push((candidate.offset, 0));
        edges.push((candidate.offset + candidate.distance, 1));
    }
    edges.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let count = candidates.len() as i32;
    for allowed in (0..count).take_while(|allowed| 2 * allowed < count) {
        let wanted = count - allowed;
        let (mut found, mut chime, mut low, mut high) = (0, 0, None, None);
        for (edge, kind) in &edges {
            chime -= kind;
            if chime >= wanted {
                low = Some(*edge);
                break;
            }
            found += i32::from(*kind == 0);
        }
        chime = 0;
        for (edge, kind) in edges.iter().rev() {
            chime += kind;
            if chime >= wanted {
                high = Some(*edge);
                break;
            }
            found += i32::from(*kind == 0);
        }
        if let (Some(low), Some(high)) = (low, high)
            && found <= allowed
            && low <= high
        {
            return Some(Intersection { low, high, falsetickers: allowed.unsigned_abs() as usize });
        }
    }
    None
}

/// The truechimers: those whose midpoint lies in the intersection. The best first: by stratum, then by distance.
pub fn truechimers(candidates: &[Candidate], distance_max: f64) -> Vec<Candidate> {
    let Some(Intersection { low, high, .. }) = intersection(candidates) else { return Vec::new() };
    let mut chimers: Vec<Candidate> =
        candidates.iter().filter(|c| (low..=high).contains(&c.offset)).copied().collect();
    let metric = |c: &Candidate| distance_max * f64::from(c.stratum) + c.distance;
    chimers.sort_by(|one, other| metric(one).total_cmp(&metric(other)));
    chimers
}

/// Throws out who disagrees most with the others, until that would no longer lower the error: until the largest selection jitter is below the
/// smallest jitter of a server's own samples, or `survivors_min` are left. Keeps the order.
pub fn cluster(mut survivors: Vec<Candidate>, survivors_min: usize) -> Vec<Candidate> {
    while survivors.len() > survivors_min.max(1) {
        let selection_jitter = |c: &Candidate| {
            let squares: f64 =
                survivors.iter().map(|other| (c.offset - other.offset) * (c.offset - other.offset)).sum();
            libm::sqrt(squares / (survivors.len() - 1) as f64)
        };
        let smallest = survivors.iter().map(|c| c.jitter).fold(f64::INFINITY, f64::min);
        let jitters: Vec<f64> = survivors.iter().map(selection_jitter).collect();
        let worst = (0..jitters.len()).max_by(|one, other| jitters[*one].total_cmp(&jitters[*other]));
        match worst {
            Some(worst) if jitters[worst] >= smallest => drop(survivors.remove(worst)),
            _ => break,
        }
    }
    survivors
}

/// What the survivors say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combined {
    /// The mean of their offsets, weighted by the inverse of their distances, in seconds.
    pub offset: f64,
    /// How far they differ from the one that is followed, in seconds.
    pub jitter: f64,
}

/// Averages the survivors, `followed` among them.
pub fn combine(survivors: &[Candidate], followed: &Candidate) -> Combined {
    let (mut weights, mut offsets, mut squares) = (0.0, 0.0, 0.0);
    for survivor in survivors {
        let weight = 1.0 / survivor.distance.max(1e-9);
        weights += weight;
        offsets += survivor.offset * weight;
        squares += (survivor.offset - followed.offset) * (survivor.offset - followed.offset) * weight;
    }
    if weights <= 0.0 {
        return Combined { offset: followed.offset, jitter: 0.0 };
    }
    Combined { offset: offsets / weights, jitter: libm::sqrt(squares / weights) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(node: u64, low: f64, high: f64) -> Candidate {
        let (offset, distance) = (f64::midpoint(low, high), (high - low) / 2.0);
        Candidate { node: NodeId(node), stratum: 1, offset, distance, jitter: 0.001 }
    }

    #[test]
    fn marzullos_example() {
        assert_eq!(marzullo(&[(8.0, 12.0), (11.0, 13.0), (14.0, 15.0)]), Some((11.0, 12.0, 2)));
        assert_eq!(marzullo(&[(8.0, 12.0), (11.0, 13.0), (10.0, 12.0)]), Some((11.0, 12.0, 3)));
        assert_eq!(marzullo(&[]), None);
    }

    #[test]
    fn one_falseticker_of_four_is_thrown_out() {
        let servers = [
            candidate(1, -1.0, 1.0),
            candidate(2, -0.8, 1.1),
            candidate(3, -0.95, 1.1),
            candidate(4, 9.0, 11.0),
        ];
        let chimers: Vec<u64> = truechimers(&servers, 1.0).iter().map(|c| c.node.0).collect();
        assert_eq!(chimers, [2, 1, 3]);
        assert!(truechimers(&[servers[0], servers[3]], 1.0).is_empty(), "two against each other");
        assert!(truechimers(&[], 1.0).is_empty());
    }

    #[test]
    fn clustering_drops_the_outlier_and_stops() {
        let mut servers: Vec<Candidate> =
            [0.0, 0.001, -0.001, 0.0005, 0.4].map(|offset| candidate(1, offset - 1.0, offset + 1.0)).to_vec();
        let left = cluster(servers.clone(), 3);
        assert!(left.iter().all(|c| c.offset < 0.1), "{left:?}");
        servers.truncate(2);
        assert_eq!(cluster(servers.clone(), 3), servers);
    }

    proptest! {
        /// If no more are wrong than the intersection allows for, it holds the true time; and the largest set that agrees is at least that of those who are right.
        #[test]
        fn the_truth_is_where_the_right_agree(
            right in prop::collection::vec((-1.0..1.0_f64, 0.0..1.0_f64), 1..8),
            wrong in prop::collection::vec((-50.0..50.0_f64, 0.01..5.0_f64), 0..7),
        ) {
            let mut all: Vec<Candidate> = Vec::new();
            for (offset, more) in &right {
                all.push(candidate(1, offset - offset.abs() - more, offset + offset.abs() + more));
            }
            for (offset, distance) in wrong.iter().take(right.len() - 1) {
                all.push(candidate(2, offset - distance, offset + distance));
            }
            let falsetickers = all.len() - right.len();
            if let Some(found) = intersection(&all).filter(|found| found.falsetickers >= falsetickers) {
                prop_assert!(found.low <= 1e-9 && found.high >= -1e-9, "{:?} of {:?}", found, all);
            }
            let (low, high, count) = marzullo(&all.iter().map(|c| (c.offset - c.distance, c.offset + c.distance)).collect::<Vec<_>>()).expect("not empty");
            prop_assert!(count >= right.len() && low <= high);
        }
    }
}
