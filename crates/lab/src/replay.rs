//! One run again, to be looked at: byte for byte what it was, with its last moments kept.
//!
//! A replay is made twice. The first run keeps moments for a picture and may write a trace; the second does neither, and must come to the same
//! records all the same: looking changes nothing, and what a seed found it finds on any machine with the same build.

use std::fmt;

use synod_sim::{Diagram, Plan, PlanError, Run, Subject, World};

/// What to look at.
#[derive(Clone, Debug)]
pub struct Look {
    /// Moments kept before the end; of them the picture shows the last and the weightiest.
    pub moments_max: usize,
    /// How they are drawn.
    pub diagram: Diagram,
}

impl Default for Look {
    fn default() -> Self {
        Look { moments_max: 400, diagram: Diagram::default() }
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
}

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
) -> Result<Replayed, PlanError> {
    let mut world = World::new(plan.clone(), make(&plan))?;
    world.keep(look.moments_max);
    if let Some(out) = trace {
        // A sink that takes nothing says so itself, and the run is as good without it.
        let _ = world.trace_to(name, out);
    }
    let run = world.run();
    let picture = world.draw(&look.diagram);
    let subject = make(&plan);
    let again = World::new(plan, subject)?.run();
    Ok(Replayed { same: run == again, again: again.fingerprint, run, picture })
}
