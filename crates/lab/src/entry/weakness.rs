//! Where a mechanism breaks: shown, not hidden.

use synod_sim::{Plan, Run, Swarm};

/// A way to break a mechanism, or a bug that can be put back into it. It bends settings, space and plan so that the violation shows; nothing of
/// it points at a single moment: it is where somebody would look who doubts that part.
#[derive(Clone, Copy, Debug)]
pub struct Weakness {
    /// Its name: words with hyphens.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub sentence: &'static str,
    /// Why it is one.
    pub origin: Origin,
    /// Properties that it violates: it is found when one of them is.
    pub violates: &'static [&'static str],
    /// Parameters with other values than their defaults.
    pub settings: &'static [(&'static str, &'static str)],
    /// Bends the space from which plans are drawn; [`nothing_more`] if it need not.
    pub space: fn(&mut Swarm),
    /// Bends a drawn plan.
    pub plan: fn(&mut Plan),
}

/// Why something breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The world breaks one of the machine's `NEEDS`, named by its field.
    Need(&'static str),
    /// It is known of the mechanism; where it is described.
    Known(&'static str),
    /// A mistake that is not in the mechanism, put into it to see it found.
    Planted,
}

/// What a weakness does to a space or a plan that it leaves as it is.
pub fn nothing_more<T>(_: &mut T) {}

impl Weakness {
    /// What a weakness that is not special in anything looks like: the rest of a struct expression.
    pub const EMPTY: Weakness = Weakness {
        name: "",
        sentence: "",
        origin: Origin::Planted,
        violates: &[],
        settings: &[],
        space: nothing_more,
        plan: nothing_more,
    };

    /// Whether what a run found is what the weakness violates.
    pub fn explains(&self, run: &Run) -> bool {
        run.found.as_ref().is_some_and(|found| self.violates.contains(&found.violation.property.as_str()))
    }
}
