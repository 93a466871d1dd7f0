//! Small worlds of a mechanism that are seen in full.

use std::fmt;

use synod_sim::explore::{Counts, Explore, Report};

use super::{Parameter, Settings};

/// A small world with parameters. `run` builds it (a [`SmallWorld`](synod_sim::explore::SmallWorld) in most mechanisms) and explores it.
#[derive(Clone, Copy)]
pub struct Exploration {
    /// Its name: a word, with hyphens.
    pub name: &'static str,
    /// What is in the world, and what is asked of it.
    pub sentence: &'static str,
    /// What can be set. With the defaults it is seen in full within seconds.
    pub parameters: &'static [Parameter],
    /// The property that is violated with the defaults: for a world that shows a weakness. Such a world is only explored if it is named.
    pub violates: Option<&'static str>,
    /// Sees all of it.
    pub run: fn(&Settings, &Explore, &mut dyn FnMut(&Counts)) -> Report,
}

impl Exploration {
    /// Nothing yet: the rest of a struct expression.
    ///
    /// # Panics
    /// When it is run as it is.
    pub const EMPTY: Exploration = Exploration {
        name: "",
        sentence: "",
        parameters: &[],
        violates: None,
        run: |_, _, _| panic!("expected a world to explore, found an empty entry"),
    };

    /// The defaults of its parameters.
    pub fn settings(&self) -> Settings {
        Settings::of(self.parameters)
    }
}

impl fmt::Debug for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exploration").field("name", &self.name).finish_non_exhaustive()
    }
}
