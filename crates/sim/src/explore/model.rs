//! [`Model`]: a transition system, and the [`Property`] that its states are held against.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use super::{FastHasher, Footprint, Path};

/// A system as states and the actions that lead from one to the next. It must be a function of its arguments: the same state has the same
/// actions in the same order, and the same action leads to the same states.
pub trait Model: Sync + Sized {
    /// All that matters of the system at a moment.
    type State: Clone + Send + Sync;
    /// What can happen in a state.
    type Action: Clone + PartialEq + Debug + Send + Sync;

    /// The states that it may begin in.
    fn initial(&self) -> Vec<Self::State>;

    /// Adds everything that can happen in `state`.
    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>);

    /// Adds the states that `action`, one of those above, may lead to: one, or one for each free choice. None if it changes nothing.
    fn apply(&self, state: &Self::State, action: &Self::Action, next: &mut Vec<Self::State>);

    /// What must hold.
    fn properties(&self) -> &[Property<Self>];

    /// 64 bits that stand for the state in the set of those seen. States with the same bits are taken for one.
    fn fingerprint(&self, state: &Self::State) -> u64;

    /// Whether the run is over in `state`, where `actions` are possible. What is only possible, like a crash, need not be waited for.
    fn end(&self, state: &Self::State, actions: &[Self::Action]) -> End {
        let _ = state;
        if actions.is_empty() { End::Over } else { End::Open }
    }

    /// Whether actions have footprints, by which some orders of actions need not be taken.
    fn has_footprints(&self) -> bool {
        false
    }

    /// What `action` is in every state, and what it may read or change in this one.
    fn footprint(&self, state: &Self::State, action: &Self::Action) -> Footprint {
        let _ = (state, action);
        Footprint { identity: 0, touches: Footprint::EVERYTHING }
    }

    /// What an action turned out to touch besides.
    fn touched(&self, before: &Self::State, after: &Self::State) -> u32 {
        let _ = (before, after);
        0
    }

    /// Whether states that differ in names alone are known by [`Model::orbit`].
    fn has_symmetry(&self) -> bool {
        false
    }

    /// What is common to all states that differ from this one in the names of interchangeable parts alone. To rename must be an automorphism: it takes the initial states to
    /// initial states, the successors of a state to the successors of the renamed one, and every property holds of both or of neither.
    fn orbit(&self, state: &Self::State) -> Orbit {
        Orbit { fingerprint: self.fingerprint(state), states: 1 }
    }

    /// What is interchangeable, in a sentence.
    fn symmetry(&self) -> Option<String> {
        None
    }

    /// What a reader of the verdict must know of the model.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// A path in words, a line an action.
    fn tell(&self, path: &Path) -> Vec<String> {
        match path.walk(self) {
            Ok(walk) => walk.actions.iter().map(|action| format!("{action:?}")).collect(),
            Err(lost) => vec![lost],
        }
    }

    /// A path as a picture, if the model has one.
    fn draw(&self, path: &Path) -> Option<String> {
        let _ = path;
        None
    }
}

/// A fingerprint by the state's own `Hash`: what most models want for [`Model::fingerprint`].
pub fn fingerprint(state: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = FastHasher::default();
    state.hash(&mut hasher);
    hasher.finish()
}

/// States that differ in names alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orbit {
    /// 64 bits that stand for all of them.
    pub fingerprint: u64,
    /// How many they are.
    pub states: u32,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Something will happen.
    Open,
    /// Nothing more needs to happen: what the system owes by its end it owes now.
    Over,
    /// More would happen, but the model's bounds forbid it: nothing is owed yet, and what lies beyond is not seen.
    Cut,
}

/// A sentence that says what was expected and found.
type Judge<M> = Box<dyn Fn(&M, &<M as Model>::State) -> Result<(), String> + Send + Sync>;
type Test<M> = Box<dyn Fn(&M, &<M as Model>::State) -> bool + Send + Sync>;

/// What must hold of a model.
pub struct Property<M: Model> {
    pub(super) name: String,
    pub(super) demand: Demand<M>,
}

pub(super) enum Demand<M: Model> {
    Always(Judge<M>),
    Eventually(Judge<M>),
    Sometimes(Test<M>),
}

impl<M: Model> Property<M> {
    /// Safety: holds in every state. The error says what was expected and what was found.
    pub fn always(
        name: &str,
        judge: impl Fn(&M, &M::State) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Property { name: name.to_owned(), demand: Demand::Always(Box::new(judge)) }
    }

    /// Progress: holds wherever a run is [`End::Over`]. A run that goes on for ever is not judged. The error says what is still owed.
    pub fn eventually(
        name: &str,
        judge: impl Fn(&M, &M::State) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Property { name: name.to_owned(), demand: Demand::Eventually(Box::new(judge)) }
    }

    /// Coverage: some state shows it. A safety property proves little in a world where nothing of interest ever happens.
    pub fn sometimes(name: &str, test: impl Fn(&M, &M::State) -> bool + Send + Sync + 'static) -> Self {
        Property { name: name.to_owned(), demand: Demand::Sometimes(Box::new(test)) }
    }

    /// Whether it holds of a state, or is shown by it.
    pub(super) fn says(&self, model: &M, state: &M::State) -> bool {
        match &self.demand {
            Demand::Always(judge) | Demand::Eventually(judge) => judge(model, state).is_ok(),
            Demand::Sometimes(test) => test(model, state),
        }
    }

    /// Its name, a term of the literature where there is one.
    pub fn name(&self) -> &str {
        &self.name
    }
}
