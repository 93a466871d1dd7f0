//! One run again, to be looked at: byte for byte what it was, with its last moments kept.
//!
//! A replay is made twice. The first run keeps moments for a picture and may write a trace; the second does neither, and must come to the same
//! records all the same: looking changes nothing, and what a seed found it finds on any machine with the same build.

use std::fmt;

use synod_sim::{Diagram, Film, Plan, PlanError, Run, Subject, World};

use crate::chronicle::Chronicle;
use crate::scenario::{Comparison, Marks, Parting};

/// What to look at.
#[derive(Clone, Debug)]
pub struct Look {
    /// Moments kept before the end; of them the picture shows the last and the weightiest.
    pub moments_max: usize,
    /// Keep the state of a machine with each of its steps.
    pub states: bool,
    /// Keep what clients ask and are answered.
    pub history: bool,
    /// How they are drawn.
    pub diagram: Diagram,
    /// The marks of a saved run, to be compared with.
    pub marks: Marks,
}

impl Default for Look {
    fn default() -> Self {
        Look {
            moments_max: 400,
            states: false,
            history: false,
            diagram: Diagram::default(),
            marks: Marks::default(),
        }
    }
}

impl Look {
    /// At all of a run, with the states of its machines.
    pub fn whole() -> Self {
        Look { moments_max: usize::MAX, states: true, ..Look::default() }
    }
}

/// What a replay came to.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The run.
    pub run: Run,
    /// The fingerprint of the same run without a look.
    pub again: u64,
    /// Whether both came to the same in everything.
    pub same: bool,
    /// The space-time diagram of its last moments.
    pub picture: String,
    /// The kept moments without types.
    pub film: Film,
    /// Marks of the run, to be saved with it.
    pub marks: Marks,
    /// Where it parts from the marks that it was compared with.
    pub parting: Option<Parting>,
    /// What clients asked and were answered, if that was wanted; or why there is no such history.
    pub history: Option<Result<Chronicle, &'static str>>,
}

/// Where a subject keeps what clients do, or why it does not.
type KeptIn<S> = fn(&mut S) -> Result<&mut Chronicle, &'static str>;

/// Replays a plan: once with a look, once without.
///
/// # Errors
/// When the plan cannot be run.
pub fn replay<S: Subject>(
    plan: Plan,
    make: impl Fn(&Plan) -> S,
    name: &str,
    look: &Look,
    trace: Option<Box<dyn fmt::Write>>,
    kept_in: KeptIn<S>,
) -> Result<Replayed, PlanError> {
    let mut subject = make(&plan);
    if let (true, Ok(chronicle)) = (look.history, kept_in(&mut subject)) {
        chronicle.keep();
    }
    let mut world = World::new(plan.clone(), subject)?;
    world.keep(look.moments_max);
    if look.states {
        world.keep_states();
    }
    if let Some(out) = trace {
        // A sink that takes nothing says so itself, and the run is as good without it.
        let _ = world.trace_to(name, out);
    }
    let mut marks = Marks::default();
    let mut comparison = Comparison::with(&look.marks);
    loop {
        let goes_on = world.advance();
        marks.note(world.records(), world.fingerprint());
        comparison.note(world.records(), world.fingerprint());
        if !goes_on {
            break;
        }
    }
    let run = world.report();
    let (picture, film) = (world.draw(&look.diagram), world.film());
    let parting = comparison.end();
    let history = look.history.then(|| kept_in(&mut world.into_subject()).cloned());
    let subject = make(&plan);
    let again = World::new(plan, subject)?.run();
    Ok(Replayed { same: run == again, again: again.fingerprint, run, picture, film, marks, parting, history })
}
