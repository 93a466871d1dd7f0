//! Free choices, each way in turn.

use synod_machine::Choices;

use crate::stream::mix;

/// Takes the choices of one run of a step as told, the first option where nothing is told, and counts up to the next run: the tree of choices, depth first.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Taken, and of how many.
    taken: Vec<(u32, u32)>,
    at: usize,
    pub(super) entropy: Entropy,
}

/// Where "random" bits come from: they are unique in a run, and the same whenever the same node asks for its so-manieth.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entropy {
    pub(super) node: u64,
    pub(super) drawn: u64,
}

impl Script {
    /// Turns to the next way; false if that was the last.
    pub(super) fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((taken, options)) = self.taken.pop() {
            if taken + 1 < options {
                self.taken.push((taken + 1, options));
                return true;
            }
        }
        false
    }

    /// The options that were taken.
    pub(super) fn options(&self) -> impl Iterator<Item = u32> {
        self.taken.iter().map(|(taken, _)| *taken)
    }
}

impl Choices for &mut Script {
    fn choose(&mut self, _: &'static str, options: u32) -> u32 {
        if self.at == self.taken.len() {
            self.taken.push((0, options));
        }
        let (taken, _) = self.taken[self.at];
        self.at += 1;
        taken
    }

    fn entropy(&mut self) -> u64 {
        self.entropy.drawn += 1;
        mix(mix(self.entropy.node) ^ self.entropy.drawn)
    }
}
