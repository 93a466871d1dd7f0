//! Known bugs, put back one at a time: what a hunt does not find with them in the code it would not have found without.
//!
//! Each is a mistake that databases of this kind have really made, behind a switch at the one place where the right code stands, or in the
//! driver. With it comes a focus: which faults, limits and load the drawn plans are bent towards, since a hunt that is after something
//! looks where it would be. Nothing in a focus points at the bug itself: it is what somebody would choose who doubts that part of the system.

use synod_sim::{Plan, Run, Swarm};

use super::Setting;
use crate::entry::{Origin, Weakness};

mod catalogue;

pub use catalogue::BUGS;

/// A known bug.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// Its name: words with hyphens.
    pub name: &'static str,
    /// What is wrong with it in, in a sentence.
    pub sentence: &'static str,
    /// Properties that it breaks: it is found when one of them is violated.
    pub breaks: &'static [&'static str],
    /// Bends the space from which plans are drawn.
    pub space: fn(&mut Swarm),
    /// Bends a drawn plan; the place of the driver's own bugs.
    pub plan: fn(&mut Plan),
    /// Puts the bug in, and bends limits, times and load.
    pub setting: fn(&mut Setting),
}

impl Planted {
    /// Whether what a run found is what the bug breaks.
    pub fn explains(&self, run: &Run) -> bool {
        run.found.as_ref().is_some_and(|found| self.breaks.contains(&found.violation.property.as_str()))
    }
}

impl Planted {
    /// The same as the catalogue knows it; its setting is found again by its name.
    const fn weakness(&self) -> Weakness {
        Weakness {
            name: self.name,
            sentence: self.sentence,
            origin: Origin::Planted,
            violates: self.breaks,
            settings: &[],
            space: self.space,
            plan: self.plan,
        }
    }
}

/// Every known bug, for the catalogue.
pub const WEAKNESSES: &[Weakness] = &weaknesses();

const fn weaknesses() -> [Weakness; BUGS.len()] {
    let mut all = [Weakness::EMPTY; BUGS.len()];
    let mut next = 0;
    while next < BUGS.len() {
        all[next] = BUGS[next].weakness();
        next += 1;
    }
    all
}

/// The bug of that name.
pub fn named(name: &str) -> Option<&'static Planted> {
    BUGS.iter().find(|bug| bug.name == name)
}
