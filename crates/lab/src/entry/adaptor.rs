//! The typed trait that a mechanism's folder implements, and the facade without types that the catalogue holds.

use std::fmt;

use synod_machine::{Machine, Needs};
use synod_sim::{Hunt, Plan, PlanError, Report, Run, Subject, Swarm};

use super::{About, Origin, Settings};
use crate::chronicle::Chronicle;
use crate::replay::{Look, Replayed, replay};

/// A mechanism in the laboratory. Implemented by a unit struct in the mechanism's folder.
pub trait Mechanism: Sync + 'static {
    /// The machines with their clients and properties: mostly [`Staged`](super::Staged)`<…>`.
    type Subject: Subject;

    /// What is said about it.
    const ABOUT: &'static About;

    /// The subject of a run.
    fn subject(&self, plan: &Plan, settings: &Settings) -> Self::Subject;

    /// The space from which hunts draw their worlds: cluster sizes, lengths, and what the mechanism claims to survive beyond its `NEEDS`.
    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: <Self::Subject as Subject>::Machine::NEEDS,
            nodes: settings.sizes(&[3, 5]),
            ..Swarm::default()
        }
    }

    /// What settings change in any plan, drawn or calm.
    fn shape(&self, plan: &mut Plan, settings: &Settings) {
        let _ = (plan, settings);
    }

    /// Where what clients do is kept, as a history that `synod check` reads.
    ///
    /// # Errors
    /// Why there is none: a clause, without a full stop.
    fn chronicle(subject: &mut Self::Subject) -> Result<&mut Chronicle, &'static str> {
        let _ = subject;
        Err("its clients use no object that synod check knows")
    }

    /// Shapes the calm world that `synod lab run` shows, further than [`Mechanism::shape`]: short enough to be looked at.
    fn stage(&self, plan: &mut Plan, settings: &Settings) {
        let _ = (plan, settings);
    }
}

/// An entry of the catalogue, whatever its mechanism. Every [`Mechanism`] is one.
pub trait Entry: Sync {
    /// What is said about it.
    fn about(&self) -> &'static About;

    /// The assumptions of its machine.
    fn needs(&self) -> Needs;

    /// The plan of a seed, as hunts draw it; bent towards the weakness that the settings show.
    fn plan(&self, seed: u64, settings: &Settings) -> Plan;

    /// A calm and short world, to be looked at.
    fn story(&self, seed: u64, settings: &Settings) -> Plan;

    /// Whether what clients do can be written as a history, with the default settings.
    fn has_history(&self) -> bool;

    /// One run.
    ///
    /// # Errors
    /// When the plan cannot be run.
    fn run(&self, plan: Plan, settings: &Settings) -> Result<Run, PlanError>;

    /// Many runs. `progress` sees each in the order of seeds, and ends the hunt by answering no.
    ///
    /// # Errors
    /// When a plan cannot be run.
    fn hunt(
        &self,
        hunt: &Hunt,
        settings: &Settings,
        progress: &mut (dyn FnMut(&Report, &Run) -> bool + Send),
    ) -> Result<Report, PlanError>;

    /// One run, made twice: looked at, and compared.
    ///
    /// # Errors
    /// When the plan cannot be run.
    fn replay(
        &self,
        plan: Plan,
        settings: &Settings,
        look: &Look,
        trace: Option<Box<dyn fmt::Write>>,
    ) -> Result<Replayed, PlanError>;
}

impl dyn Entry + '_ {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.about().name
    }

    /// The defaults of its parameters.
    pub fn settings(&self) -> Settings {
        Settings::of(self.about().parameters)
    }
}

impl<M: Mechanism> Entry for M {
    fn about(&self) -> &'static About {
        M::ABOUT
    }

    fn needs(&self) -> Needs {
        <M::Subject as Subject>::Machine::NEEDS
    }

    fn plan(&self, seed: u64, settings: &Settings) -> Plan {
        let mut space = self.space(settings);
        if let Some(weakness) = settings.weakness() {
            (weakness.space)(&mut space);
        }
        let mut plan = space.plan(seed);
        plan.faults.faults.retain(|fault| settings.keeps(fault.what.name()));
        self.shape(&mut plan, settings);
        bend(&mut plan, settings);
        plan
    }

    fn story(&self, seed: u64, settings: &Settings) -> Plan {
        let space = self.space(settings);
        let nodes = match settings.iter().find(|(name, _)| *name == "nodes") {
            Some(_) => settings.integer("nodes"),
            None => space.nodes.first().copied().unwrap_or(3),
        };
        let mut plan = Plan::calm(seed, nodes);
        plan.network.fifo = self.needs().fifo;
        plan.tolerance = space.tolerance;
        plan.safety = STORY;
        self.shape(&mut plan, settings);
        self.stage(&mut plan, settings);
        bend(&mut plan, settings);
        plan
    }

    fn has_history(&self) -> bool {
        let settings = Settings::of(M::ABOUT.parameters);
        let mut subject = self.subject(&self.story(0, &settings), &settings);
        M::chronicle(&mut subject).is_ok()
    }

    fn run(&self, plan: Plan, settings: &Settings) -> Result<Run, PlanError> {
        synod_sim::run(plan, |plan| self.subject(plan, settings))
    }

    fn hunt(
        &self,
        hunt: &Hunt,
        settings: &Settings,
        progress: &mut (dyn FnMut(&Report, &Run) -> bool + Send),
    ) -> Result<Report, PlanError> {
        hunt.go(|seed| self.plan(seed, settings), |plan| self.subject(plan, settings), progress)
    }

    fn replay(
        &self,
        plan: Plan,
        settings: &Settings,
        look: &Look,
        trace: Option<Box<dyn fmt::Write>>,
    ) -> Result<Replayed, PlanError> {
        replay(plan, |plan| self.subject(plan, settings), M::ABOUT.name, look, trace, M::chronicle)
    }
}

/// How long a story is, in simulated time.
const STORY: std::time::Duration = std::time::Duration::from_millis(500);

fn bend(plan: &mut Plan, settings: &Settings) {
    if let Some(weakness) = settings.weakness() {
        (weakness.plan)(plan);
        // A world that breaks a need is refused unless that is the point.
        plan.break_assumptions |= matches!(weakness.origin, Origin::Need(_));
    }
}
