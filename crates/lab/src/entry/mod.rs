//! What an entry of the catalogue is: a mechanism with everything that the laboratory knows of it.
//!
//! Two layers. A mechanism's folder implements the typed [`Mechanism`]: what is said about it ([`About`], a value), the space of worlds in which it
//! is hunted, and its subject. A blanket adaptor makes of it an [`Entry`], which has no types of the mechanism and so can stand in a
//! list, be asked for by name, hunted, replayed, broken and measured by one command line. `docs/adding-a-mechanism.md` shows the way.

mod about;
mod adaptor;
mod experiment;
mod exploration;
mod family;
mod parameter;
mod sample;
mod settings;
mod trial;
mod weakness;

pub use about::{About, Cost, Figure, Property};
pub use adaptor::{Entry, Mechanism};
pub use experiment::{Expected, Experiment, Row, Tolerance, Value};
pub use exploration::Exploration;
pub use family::Family;
pub use parameter::{Domain, Parameter};
pub use sample::{Measured, Sample};
pub use settings::{SettingError, Settings};
pub use trial::Trial;
pub use weakness::{Origin, Weakness, nothing_more};

pub use synod_sim::{Ensemble, Invariant, Nodes, Staged};
