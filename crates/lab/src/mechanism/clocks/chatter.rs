//! Processes that talk at random: what clocks are put round when nothing else is the point.

use std::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, View};

/// A process that now and then tells some peers something, until it has said enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chatter {
    peers: Vec<NodeId>,
    /// Time between two utterances, at most.
    pace: Duration,
    /// Utterances left.
    left: u64,
    heard: u64,
}

/// Something said; its number among all that its sender said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word(pub u64);

/// One utterance in so many is to two peers, so that a step has two sends.
const TWICE_ONE_IN: u32 = 4;
/// One deadline in so many passes in silence: a local event.
const SILENT_ONE_IN: u32 = 5;
/// Nobody talks before everybody is up.
const FIRST: Duration = Duration::from_millis(15);

impl Chatter {
    /// A process that talks to these, so often.
    pub fn new(peers: Vec<NodeId>, pace: Duration, utterances: u64) -> Self {
        Chatter { peers, pace, left: utterances, heard: 0 }
    }

    fn talk(&mut self, fx: &mut Effects<'_, Self>) {
        if self.peers.is_empty() || fx.choose("silent", SILENT_ONE_IN) == 0 {
            return;
        }
        let listeners = if fx.choose("twice", TWICE_ONE_IN) == 0 { 2 } else { 1 };
        for _ in 0..listeners {
            let peer = self.peers[fx.choose("listener", self.peers.len() as u32) as usize];
            fx.send(peer, Word(self.left));
        }
    }
}

impl Machine for Chatter {
    type Message = Word;
    type Timer = ();
    type Command = Never;
    type Reply = Never;
    type Event = Never;
    type Write = Never;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { .. } => fx.arm((), FIRST..=FIRST + self.pace),
            Input::Fire(()) => {
                self.talk(fx);
                self.left = self.left.saturating_sub(1);
                if self.left > 0 {
                    fx.arm((), Duration::ZERO..=self.pace);
                }
            }
            Input::Receive { .. } => self.heard += 1,
            Input::Command { command, .. } => match command {},
            Input::Done(never) => match never {},
            Input::Durable(_) | Input::Link { .. } => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("left to say", self.left);
        view.show("heard", self.heard);
    }
}
