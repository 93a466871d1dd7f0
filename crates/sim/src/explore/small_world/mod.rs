//! A [`SmallWorld`]: a few machines of the contract with everything that can happen to them, as a [`Model`].

mod actions;
mod budgets;
mod perform;
mod script;
mod state;
mod symmetry;
mod tell;
mod view;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use synod_machine::{Machine, NodeId, RequestId};

use super::{End, Explore, Footprint, Model, Orbit, Path, Property, Report};
pub use actions::{Action, What};
pub use budgets::Budgets;
use perform::Silent;
use script::Script;
pub use state::State;
use symmetry::Symmetry;
pub use view::View;

/// A machine that can be explored: a value that can be copied and hashed. Its worker is as slow as a worker may be: jobs are taken, and never done.
pub trait Explorable:
    Machine<
        Message: Send + Sync,
        Timer: Send + Sync,
        Command: Send + Sync,
        Reply: Send + Sync,
        Event: Send + Sync,
        Write: Send + Sync,
    > + Clone
    + Hash
    + Send
    + Sync
    + 'static
{
}

impl<M> Explorable for M where
    M: Machine<
            Message: Send + Sync,
            Timer: Send + Sync,
            Command: Send + Sync,
            Reply: Send + Sync,
            Event: Send + Sync,
            Write: Send + Sync,
        > + Clone
        + Hash
        + Send
        + Sync
        + 'static
{
}

/// What remembers observations: part of the state, so that it should be small, and forget what no property asks for.
pub trait Remembers: Clone + Hash + Send + Sync + 'static {}
impl<H: Clone + Hash + Send + Sync + 'static> Remembers for H {}

/// Something that is seen from outside, in the order in which it happens.
#[derive(Debug)]
pub enum Observation<'a, M: Machine> {
    /// A client's command reached the node.
    Command {
        /// Where.
        node: NodeId,
        /// Counts the world's commands in the order in which they were listed, from 1.
        id: RequestId,
        /// What was asked.
        command: &'a M::Command,
    },
    /// An answer left the node.
    Reply {
        /// Where.
        node: NodeId,
        /// The command's.
        id: RequestId,
        /// The answer.
        reply: &'a M::Reply,
    },
    /// The machine told whoever embeds it.
    Event {
        /// Where.
        node: NodeId,
        /// What.
        event: &'a M::Event,
    },
    /// The node crashed.
    Crash {
        /// Which.
        node: NodeId,
    },
    /// The node started again.
    Restart {
        /// Which.
        node: NodeId,
    },
}

/// What a client asks.
struct Asked<M: Machine> {
    id: RequestId,
    command: M::Command,
    /// For the answer to the one before.
    waits: bool,
}

type Boot<M> = Box<dyn Fn(NodeId) -> M + Send + Sync>;
type Observe<M, H> = Box<dyn Fn(&mut H, Observation<'_, M>) + Send + Sync>;
type Within<M, H> = Box<dyn Fn(&View<'_, M, H>) -> bool + Send + Sync>;

/// Two to four nodes with one mechanism, what clients ask of them, what may go wrong, and what must hold.
///
/// ```
/// # use synod_machine::*;
/// use synod_sim::explore::{Budgets, Explore, SmallWorld};
/// # #[derive(Clone, Hash)] struct Register(u8);
/// # impl Machine for Register {
/// #     type Message = u8; type Timer = Never; type Command = u8; type Reply = Never; type Event = Never;
/// #     type Write = Never; type Job = Never; type Done = Never;
/// #     const NEEDS: Needs = Needs { fifo: false, reliable: false, bounded_delay: false, bounded_drift: false,
/// #         stable_storage: false, wall_clock: false };
/// #     fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
/// #         match input {
/// #             Input::Command { command, .. } => { self.0 = command; fx.send(NodeId(3 - cx.me.0), command); }
/// #             Input::Receive { message, .. } => self.0 = message,
/// #             _ => {}
/// #         }
/// #     }
/// #     fn inspect(&self, _: &mut View) {}
/// # }
///
/// // Two nodes, each with a write of its own that it tells the other: do they agree in the end?
/// let world = SmallWorld::new(2, |_| Register(0))
///     .command(NodeId(1), 7)
///     .command(NodeId(2), 8)
///     .budgets(Budgets { losses: 1, ..Budgets::NONE })
///     .eventually("agreement", |view| {
///         let values: Vec<u8> = view.machines().map(|(_, register)| register.0).collect();
///         if values[0] == values[1] { Ok(()) } else { Err(format!("the nodes are left with {values:?}")) }
///     });
/// let report = Explore::default().run(&world);
/// assert_eq!(report.assert_violates("agreement").path.steps(), 4); // The writes cross.
/// ```
pub struct SmallWorld<M: Explorable, H: Remembers = ()> {
    nodes: Vec<NodeId>,
    boot: Boot<M>,
    /// By node.
    commands: Vec<Vec<Asked<M>>>,
    budgets: Budgets,
    fifo: bool,
    timers_wait: bool,
    synchronous_disk: bool,
    clock_step: Duration,
    remembers: H,
    observe: Option<Observe<M, H>>,
    within: Option<Within<M, H>>,
    symmetry: Option<Symmetry<M, H>>,
    role: Box<dyn Fn(&M) -> char + Send + Sync>,
    properties: Vec<Property<Self>>,
}

/// More nodes than this have no hope to be seen in full.
const NODES_MAX: usize = 16;

impl<M: Explorable> SmallWorld<M> {
    /// A world of nodes `1..=count`. `boot` gives a machine as it is before `Input::Start`, at the first start and at each restart.
    /// Nothing goes wrong in it before [`SmallWorld::budgets`] says so.
    ///
    /// # Panics
    /// When `count` is not in 1 to 16: a larger world has no hope to be seen in full.
    pub fn new(count: usize, boot: impl Fn(NodeId) -> M + Send + Sync + 'static) -> Self {
        SmallWorld::remembering(count, boot, (), |(), _| {})
    }
}

impl<M: Explorable, H: Remembers> SmallWorld<M, H> {
    /// A world with a memory: `observe` changes it at everything that is seen from outside, and properties may look at it. What nodes have long forgotten (the
    /// value that was once decided) is kept there.
    ///
    /// # Panics
    /// As [`SmallWorld::new`].
    pub fn remembering(
        count: usize,
        boot: impl Fn(NodeId) -> M + Send + Sync + 'static,
        memory: H,
        observe: impl Fn(&mut H, Observation<'_, M>) + Send + Sync + 'static,
    ) -> Self {
        assert!((1..=NODES_MAX).contains(&count), "a small world has 1 to {NODES_MAX} nodes, not {count}");
        let world = SmallWorld {
            nodes: (1..=count as u64).map(NodeId).collect(),
            boot: Box::new(boot),
            commands: (0..count).map(|_| Vec::new()).collect(),
            budgets: Budgets::NONE,
            fifo: M::NEEDS.fifo,
            timers_wait: M::NEEDS.bounded_delay,
            synchronous_disk: false,
            clock_step: Duration::ZERO,
            remembers: memory,
            observe: (size_of::<H>() > 0).then(|| Box::new(observe) as Observe<M, H>),
            within: None,
            symmetry: None,
            role: Box::new(|_| '·'),
            properties: Vec::new(),
        };
        world.always(NO_PANIC, |view| view.panic().map_or(Ok(()), |message| Err(message.to_owned())))
    }

    /// A client asks this of `node` at any moment at which it is up. Commands at one node come in the order in which they are listed.
    ///
    /// # Panics
    /// When the world has no such node.
    pub fn command(self, node: NodeId, command: M::Command) -> Self {
        self.asked(node, command, false)
    }

    /// The same, but not before the command listed before it at that node was answered.
    ///
    /// # Panics
    /// When the world has no such node.
    pub fn then(self, node: NodeId, command: M::Command) -> Self {
        self.asked(node, command, true)
    }

    fn asked(mut self, node: NodeId, command: M::Command, waits: bool) -> Self {
        let id = RequestId(1 + self.commands.iter().map(|listed| listed.len() as u64).sum::<u64>());
        let place = self.index(node).unwrap_or_else(|| panic!("the world has no {node}"));
        self.commands[place].push(Asked { id, command, waits });
        self
    }

    /// What may go wrong, and how often in one run.
    pub fn budgets(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }

    /// Messages of one link overtake each other, though the machine needs them not to.
    pub fn unordered(mut self) -> Self {
        self.fifo = false;
        self
    }

    /// Messages of one link keep their order, though the machine does not need it: fewer states.
    pub fn fifo(mut self) -> Self {
        self.fifo = true;
        self
    }

    /// Whether timers fire only when nothing else can happen, because every timeout is longer than anything else takes. At first this is
    /// what the machine needs (`bounded_delay`); otherwise an armed timer may fire at any moment.
    pub fn timers_wait(mut self, wait: bool) -> Self {
        self.timers_wait = wait;
        self
    }

    /// Writes are durable at once: a step and the sync of its writes are one moment, in which no crash falls. For machines whose sends all wait for
    /// their writes this hides little and saves many states.
    pub fn synchronous_disk(mut self) -> Self {
        self.synchronous_disk = true;
        self
    }

    /// Each timer that fires takes its node's clock on by so much; otherwise clocks stand still. For machines that look at the time when a timer fires, to see
    /// whether it is one that counts. Clocks of different nodes have nothing to do with each other.
    pub fn clock_step(mut self, step: Duration) -> Self {
        self.clock_step = step;
        self
    }

    /// States for which this is false are judged, and not looked beyond: a bound for worlds that would be endless.
    pub fn within(mut self, within: impl Fn(&View<'_, M, H>) -> bool + Send + Sync + 'static) -> Self {
        self.within = Some(Box::new(within));
        self
    }

    /// A machine's part at the moment as a letter, for diagrams.
    pub fn role(mut self, role: impl Fn(&M) -> char + Send + Sync + 'static) -> Self {
        self.role = Box::new(role);
        self
    }

    /// Safety: holds in every state. The error says what was expected and what was found.
    pub fn always(
        mut self,
        name: &str,
        judge: impl Fn(&View<'_, M, H>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.properties.push(Property::always(name, move |world: &Self, state| judge(&world.view(state))));
        self
    }

    /// Progress: holds wherever nothing more will happen. The error says what is still owed.
    pub fn eventually(
        mut self,
        name: &str,
        judge: impl Fn(&View<'_, M, H>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.properties
            .push(Property::eventually(name, move |world: &Self, state| judge(&world.view(state))));
        self
    }

    /// Coverage: some state shows it.
    pub fn sometimes(
        mut self,
        name: &str,
        test: impl Fn(&View<'_, M, H>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.properties.push(Property::sometimes(name, move |world: &Self, state| test(&world.view(state))));
        self
    }

    /// The machine's needs that this world does not meet, in words: a violation in it says nothing against the machine.
    pub fn broken_needs(&self) -> Vec<String> {
        let (needs, budgets) = (M::NEEDS, &self.budgets);
        let mut broken = Vec::new();
        let mut note = |breaks: bool, what: &str| {
            if breaks {
                broken.push(what.to_owned());
            }
        };
        note(needs.fifo && !self.fifo, "fifo: messages of one link overtake each other");
        note(needs.reliable && budgets.losses > 0, "reliable: messages are lost");
        note(needs.reliable && budgets.duplicates > 0, "reliable: messages are duplicated");
        note(
            needs.bounded_delay && !self.timers_wait && budgets.timeouts > 0,
            "bounded delay: timers fire before messages arrive",
        );
        note(needs.stable_storage && budgets.wipes > 0, "stable storage: disks are wiped");
        broken
    }

    /// Sees all of it, with the usual bounds.
    pub fn explore(&self) -> Report {
        Explore::default().run(self)
    }

    fn view<'a>(&'a self, state: &'a State<M, H>) -> View<'a, M, H> {
        View { nodes: &self.nodes, state }
    }

    fn index(&self, node: NodeId) -> Option<usize> {
        let place = usize::try_from(node.0.checked_sub(1)?).ok()?;
        (place < self.nodes.len()).then_some(place)
    }
}

/// The property that every world has: no machine meets a state in which it must give up.
const NO_PANIC: &str = "no panic";

impl<M: Explorable, H: Remembers> Model for SmallWorld<M, H> {
    type State = State<M, H>;
    type Action = Action;

    fn initial(&self) -> Vec<State<M, H>> {
        let (mut script, mut states) = (Script::default(), Vec::new());
        loop {
            states.push(self.start(&mut script, &mut Silent));
            if !script.advance() {
                return states;
            }
        }
    }

    fn actions(&self, state: &State<M, H>, actions: &mut Vec<Action>) {
        self.list(state, actions);
    }

    fn apply(&self, state: &State<M, H>, action: &Action, next: &mut Vec<State<M, H>>) {
        let mut script = Script::default();
        loop {
            next.push(self.perform(state, *action, &mut script, &mut Silent));
            if !script.advance() {
                return;
            }
        }
    }

    fn properties(&self) -> &[Property<Self>] {
        &self.properties
    }

    fn fingerprint(&self, state: &State<M, H>) -> u64 {
        state.fingerprint()
    }

    fn end(&self, state: &State<M, H>, actions: &[Action]) -> End {
        self.ended(state, actions)
    }

    fn has_footprints(&self) -> bool {
        // Beyond a bound nothing is looked at, in whatever order it would have been reached.
        self.within.is_none()
    }

    fn footprint(&self, state: &State<M, H>, action: &Action) -> Footprint {
        self.footprint_of(state, *action)
    }

    fn touched(&self, before: &State<M, H>, after: &State<M, H>) -> u32 {
        if Arc::ptr_eq(&before.memory, &after.memory) { 0 } else { 1 << actions::MEMORY }
    }

    fn has_symmetry(&self) -> bool {
        self.assert_begins_symmetric();
        self.symmetry.as_ref().is_some_and(|symmetry| symmetry.permutations.len() > 1)
    }

    fn orbit(&self, state: &State<M, H>) -> Orbit {
        self.orbit_of(state)
    }

    fn symmetry(&self) -> Option<String> {
        let symmetry = self.symmetry.as_ref()?;
        let (nodes, ways) = (symmetry.said(), symmetry.permutations.len());
        Some(format!("{nodes} are interchangeable ({ways} ways to name them)"))
    }

    fn remarks(&self) -> Vec<String> {
        self.broken_needs()
            .into_iter()
            .map(|need| format!("this world breaks what the machine needs, {need}"))
            .collect()
    }

    fn tell(&self, path: &Path) -> Vec<String> {
        self.told(path).unwrap_or_else(|lost| vec![lost])
    }

    fn draw(&self, path: &Path) -> Option<String> {
        let steps = crate::Diagram { steps: true, ..crate::Diagram::default() };
        self.drawn(path, &steps).ok()
    }
}
