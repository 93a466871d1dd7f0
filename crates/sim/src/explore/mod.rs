//! Every order of events, for small worlds.
//!
//! A hunt looks at some of the runs of a large world; this looks at all of them in a small one. [`Explore`] goes breadth first through the states of a [`Model`] and holds each
//! against the model's [`Property`]s: what holds *always*, what is owed where nothing more will happen (*eventually*), and what must be reached at all (*sometimes*), so that
//! silence means something. The first violation is a shortest one, and comes back as a [`Path`] that can be gone again.
//!
//! A [`SmallWorld`] is a model made of machines of the contract: two to four of the compiled mechanisms, with the messages under way, armed timers, disks, and budgets of what
//! may go wrong. What a mechanism writer adds is how nodes boot, what clients ask, and what must hold.
//!
//! Actions that commute are taken in one order ([`Footprint`]); no state is left out, and no path gets longer. Of states that differ in the names of interchangeable nodes one is
//! looked at ([`Orbit`]). The set of states seen keeps 64 bits for each (Holzmann 1998, "hash compaction"), so that two states may be taken for one: with n states the odds are below
//! n²/2⁶⁵, and are told. Verdicts, counts and paths do not depend on the number of threads.

mod footprint;
mod frontier;
mod hashing;
mod memory;
mod model;
mod path;
mod report;
mod search;
mod seen;
mod sleepers;
mod small_world;
mod worker;

pub use footprint::Footprint;
pub use hashing::FastHasher;
pub use model::{End, Model, Orbit, Property, fingerprint};
pub use path::{Path, Walk};
pub use report::{Counterexample, Counts, Report, Verdict};
pub use search::Explore;
pub use small_world::{Action, Budgets, Explorable, Observation, Remembers, SmallWorld, State, View, What};
