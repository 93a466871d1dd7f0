//! Request sets: for each process the processes whose permission it asks, any two sets with a member in common.
//!
//! Maekawa 1985, section 2, asks for: (a) every two sets meet, which exclusion rests on; (b) each process is in its own set, which saves it
//! messages; (c) all sets are of one size K and (d) each process is in K sets, so that all bear the same load. Projective planes give all four with the least K. Garcia-Molina
//! and Barbara ("How to Assign Votes in a Distributed System", 1985) call such a family a coterie.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use synod_machine::NodeId;

use super::plane::{ORDER_MAX, difference_set, points};

/// The request sets of the processes `n1` to `nN`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coterie {
    sets: Vec<BTreeSet<NodeId>>,
}

impl Coterie {
    /// The projective plane of that order: N = q² + q + 1 processes, K = q + 1; any two sets share exactly one process, each
    /// process is in exactly K. Order 1 is the triangle, (N, K) = (3, 2).
    ///
    /// # Errors
    ///
    /// The order is not one for which a plane is built here.
    ///
    /// ```
    /// use synod_protocols::mutex::maekawa::Coterie;
    /// let sizes = [1, 2, 3, 4, 5].map(|order| {
    ///     let plane = Coterie::plane(order).expect("a prime power");
    ///     (plane.processes(), plane.largest_set())
    /// });
    /// assert_eq!(sizes, [(3, 2), (7, 3), (13, 4), (21, 5), (31, 6)]);
    /// ```
    pub fn plane(order: u32) -> Result<Self, CoterieError> {
        let line = difference_set(order).ok_or(CoterieError::Order(order))?;
        Ok(Self::shifts(&line, points(order), points(order)))
    }

    /// For any number of processes: the smallest plane with room for them, where process i also plays those points i + N, i + 2N … that
    /// nobody else plays (Maekawa's "degenerate" sets, section 4). Sets still meet, for a map of points keeps common points; loads differ a little. Exact where a plane of
    /// that size exists.
    ///
    /// # Errors
    ///
    /// No processes, or more than the largest plane has points.
    pub fn folded_plane(processes: u32) -> Result<Self, CoterieError> {
        if processes == 0 {
            return Err(CoterieError::Empty);
        }
        if processes == 1 {
            return Ok(Coterie { sets: Vec::from([BTreeSet::from([NodeId(1)])]) });
        }
        (1..=ORDER_MAX)
            .filter(|order| points(*order) >= processes)
            .find_map(|order| Some(Self::shifts(&difference_set(order)?, points(order), processes)))
            .ok_or(CoterieError::TooMany(processes))
    }

    /// A grid with a row and a column for each set: K = 2√N - 1 for a square number of processes. The last row may be short.
    ///
    /// # Errors
    ///
    /// No processes, or more than the largest plane has points.
    pub fn grid(processes: u32) -> Result<Self, CoterieError> {
        if processes == 0 {
            return Err(CoterieError::Empty);
        }
        if processes > points(ORDER_MAX) {
            return Err(CoterieError::TooMany(processes));
        }
        let mut width = 1;
        while width * width < processes {
            width += 1;
        }
        let alike = |a: u32, b: u32| a / width == b / width || a % width == b % width;
        let set = |own: u32| (0..processes).filter(|other| alike(own, *other)).map(process).collect();
        Ok(Coterie { sets: (0..processes).map(set).collect() })
    }

    /// Sets of your own, the first for `n1`.
    ///
    /// # Errors
    ///
    /// A process that does not exist, one that is not in its own set, or two sets without a common member.
    pub fn of(sets: Vec<BTreeSet<NodeId>>) -> Result<Self, CoterieError> {
        if sets.is_empty() {
            return Err(CoterieError::Empty);
        }
        let (coterie, known) =
            (Coterie { sets }, |node: &NodeId, count: usize| node.0 >= 1 && node.0 <= count as u64);
        for (own, set) in coterie.iter() {
            if let Some(stranger) = set.iter().find(|node| !known(node, coterie.sets.len())) {
                return Err(CoterieError::Unknown { set: own, stranger: *stranger });
            }
            if !set.contains(&own) {
                return Err(CoterieError::NotInOwn(own));
            }
            for (other, others) in coterie.iter() {
                if set.is_disjoint(others) {
                    return Err(CoterieError::Disjoint(own, other));
                }
            }
        }
        Ok(coterie)
    }

    fn shifts(line: &[u32], points: u32, processes: u32) -> Self {
        let set = |own: u32| line.iter().map(|point| process((point + own) % points % processes)).collect();
        Coterie { sets: (0..processes).map(set).collect() }
    }

    /// The request set of a process; empty for one that does not exist.
    pub fn set(&self, node: NodeId) -> BTreeSet<NodeId> {
        let place = usize::try_from(node.0).ok().and_then(|number| number.checked_sub(1));
        place.and_then(|place| self.sets.get(place)).cloned().unwrap_or_default()
    }

    /// Each process with its set.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &BTreeSet<NodeId>)> {
        (1..).map(NodeId).zip(&self.sets)
    }

    /// N.
    pub fn processes(&self) -> usize {
        self.sets.len()
    }

    /// K: members of the largest set.
    pub fn largest_set(&self) -> usize {
        self.sets.iter().map(BTreeSet::len).max().unwrap_or(0)
    }

    /// In how many sets a process is: what it bears of the load.
    pub fn load(&self, node: NodeId) -> usize {
        self.sets.iter().filter(|set| set.contains(&node)).count()
    }

    /// The processes that two processes both ask.
    pub fn common(&self, one: NodeId, other: NodeId) -> BTreeSet<NodeId> {
        self.set(one).intersection(&self.set(other)).copied().collect()
    }
}

fn process(place: u32) -> NodeId {
    NodeId(u64::from(place) + 1)
}

/// Request sets that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoterieError {
    /// No plane of that order.
    Order(u32),
    /// More processes than the largest plane has points.
    TooMany(u32),
    /// Nobody.
    Empty,
    /// A set names a process that is not there.
    Unknown {
        /// Whose set.
        set: NodeId,
        /// Whom it names.
        stranger: NodeId,
    },
    /// A process that is not in its own set.
    NotInOwn(NodeId),
    /// Two processes that could enter at once.
    Disjoint(NodeId, NodeId),
}

impl fmt::Display for CoterieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CoterieError::Order(order) => {
                let near: Vec<u32> = (1..=ORDER_MAX)
                    .filter(|near| near.abs_diff(*order) < 4 && difference_set(*near).is_some())
                    .collect();
                let near =
                    if near.is_empty() { String::new() } else { alloc::format!("; near it: {near:?}") };
                write!(f, "a plane's order is 1 or a prime power up to {ORDER_MAX}, found {order}{near}")
            }
            CoterieError::TooMany(count) => {
                write!(f, "at most {} processes, found {count}", points(ORDER_MAX))
            }
            CoterieError::Empty => f.write_str("at least one process, found none"),
            CoterieError::Unknown { set, stranger } => {
                write!(f, "the set of {set} names {stranger}, which is not there")
            }
            CoterieError::NotInOwn(node) => write!(f, "{node} is not in its own set"),
            CoterieError::Disjoint(one, other) => {
                write!(f, "the sets of {one} and {other} have no common member: both could enter at once")
            }
        }
    }
}

impl core::error::Error for CoterieError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(coterie: &Coterie) {
        let sets = coterie.sets.clone();
        assert_eq!(Coterie::of(sets).as_ref(), Ok(coterie));
    }

    #[test]
    fn planes_have_the_four_properties() {
        for order in [1, 2, 3, 4, 5, 7, 8, 9] {
            let plane = Coterie::plane(order).expect("a prime power");
            sound(&plane);
            for (node, set) in plane.iter() {
                assert_eq!((set.len(), plane.load(node)), (order as usize + 1, order as usize + 1));
                for (other, _) in plane.iter().filter(|(other, _)| *other != node) {
                    assert_eq!(plane.common(node, other).len(), 1, "order {order}: {node} and {other}");
                }
            }
        }
    }

    #[test]
    fn grids_of_square_size_ask_a_row_and_a_column() {
        for side in 1..=8u32 {
            let grid = Coterie::grid(side * side).expect("some processes");
            assert!(grid.iter().all(|(_, set)| set.len() == 2 * side as usize - 1));
        }
    }

    #[test]
    fn any_number_of_processes_has_sets_that_meet() {
        for processes in 1..=70 {
            sound(&Coterie::grid(processes).expect("some processes"));
            sound(&Coterie::folded_plane(processes).expect("some processes"));
        }
        assert_eq!(Coterie::folded_plane(13), Coterie::plane(3));
    }

    #[test]
    fn sets_that_do_not_meet_are_refused() {
        let set = |nodes: &[u64]| nodes.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        assert_eq!(Coterie::of(Vec::new()), Err(CoterieError::Empty));
        assert_eq!(
            Coterie::of(Vec::from([set(&[2])])),
            Err(CoterieError::Unknown { set: NodeId(1), stranger: NodeId(2) })
        );
        assert_eq!(Coterie::of(Vec::from([set(&[2]), set(&[2])])), Err(CoterieError::NotInOwn(NodeId(1))));
        assert_eq!(
            Coterie::of(Vec::from([set(&[1]), set(&[2])])),
            Err(CoterieError::Disjoint(NodeId(1), NodeId(2)))
        );
        let error = alloc::string::ToString::to_string(&CoterieError::Order(6));
        assert_eq!(
            error,
            "a plane's order is 1 or a prime power up to 32, found 6; near it: [3, 4, 5, 7, 8, 9]"
        );
    }
}
