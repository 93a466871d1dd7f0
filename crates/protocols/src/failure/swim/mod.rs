//! SWIM with Lifeguard: who is a member, at any size of the group, by one ping a period.
//!
//! # The problem
//!
//! If everybody sends heartbeats to everybody, a group of `n` costs `n²` messages; if one watches all, it is the one that fails. SWIM (Das, Gupta
//! and Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol", 2002: *the paper*) lets each member probe
//! *one* other a period, and spreads what it finds like a rumour, on the back of the probes. So load a member, time to detect and rate of
//! false alarms do not grow with the group. Lifeguard (Dadgar, Phillips and Currey, "Lifeguard: Local Health Awareness for More
//! Accurate Failure Detection", 2018) repairs its weak spot: a member that is slow itself finds others dead.
//!
//! # The rules, and where they are
//!
//! - **Probe**: ping one member; without an answer in time ask `k` others to ping it; without any answer by the end of the period it is suspect
//!   (paper, section 3.1): `probe.rs`. Whose turn it is: everybody once, in an order drawn anew for each pass (4.3): `order.rs`.
//! - **Spread**: each message carries the rumours that were told least often, each rumour is passed on `lambda · log n` times (4.1, 4.4): `rumours.rs`.
//! - **Suspect first**: a suspect stays a member until its time is over, and may refute (4.2): `suspicion.rs`, `membership.rs`.
//! - **Incarnations**: only a member raises its own; of two statements the one about the higher incarnation counts, and within one incarnation
//!   Alive < Suspect < Failed < Left (4.2): `membership.rs`. They are reserved on disk before they are used, so that no later life gives one again.
//! - **Doubt yourself** (LHA-Probe): `health.rs`. **Wait long if alone with a suspicion** (LHA-Suspicion): `suspicion.rs`. **Tell the suspect when
//!   probing it** (Buddy System): `probe.rs`. Each has its switch in [`Lifeguard`].
//! - **Compare tables** now and then, when joining, and with members that failed, so that what rumours missed and the two halves of a healed
//!   partition meet again; **leave** with a good-bye: `sync.rs`.
//!
//! `table.rs` is who is known, `invariants.rs` what must hold, `cost.rs` what it costs.
//!
//! # What is guaranteed
//!
//! *Strong completeness*: a member that crashed is taken for failed by every member that stays up and in touch. With round-robin each member
//! pings it within `2n - 1` periods; the first does after e/(e-1) = 1.58 periods in the mean. *Eventual accuracy*: once
//! messages arrive in time, members that are up are taken for present by all, whatever was said of them before. An incarnation is its
//! owner's alone, and means one metadata; what a member knows of another never goes back. Who heard a member's
//! good-bye reports it as left, not as failed. Accuracy *at every moment* is not to be had in an asynchronous network: a live member may be suspected, and with bad luck
//! be taken for failed; the shorter the wait, the more often.
//!
//! # What is assumed
//!
//! Messages may be lost, late, doubled and reordered at any rate; clocks may drift, as long as rates are alike enough that a timeout means something.
//! The reserved incarnation is on stable storage: without, two lives may announce different things under one incarnation, and members disagree
//! for ever. Nodes do not lie.
//!
//! # What it costs
//!
//! Per member and period: one ping and one ack sent, and as many received, whatever `n`. A probe without answer: up to `k` requests, `k` pings
//! and their answers more. Until all know a rumour: O(log n) periods. One write per [`Config::reservation`] incarnations. A step is O(log n);
//! comparing tables is O(n) per interval and member.
//!
//! # Where this differs from the papers, and why
//!
//! - *Failed is not for ever.* In the paper it overrides every incarnation, and who failed returns under a new name. Here a higher incarnation brings it back,
//!   since names are those of disks.
//! - *A pass is a keyed permutation*, not a shuffled list: 10,000 members would keep 10,000 lists of 10,000. Who joins during a pass is probed from the
//!   next one on, where the paper inserts it at a random place; the bound of `2n - 1` periods holds for it from then on.
//! - *Gossip beyond probes* and *table comparison* are not in the paper; the implementation that Lifeguard was measured in has both. They can be switched off.
//! - *Who is told of a member that failed or left is also that member*, when it pings: it would otherwise never learn that it must refute.
//! - *A table's word that somebody failed raises a suspicion only*: it may be old, and the member shall have its chance to refute.
//! - A failed probe counts once against the prober, and each helper that was silent once more, as in Lifeguard's text.
//!
//! # What is left out
//!
//! Encryption and keys of the messages, protocol versions, addresses (they are metadata here), fallback pings over another transport, network coordinates, user events.
//!
//! # Example
//!
//! Two members; the first probes the second, which answers.
//!
//! ```
//! use std::sync::Arc;
//! use synod_machine::*;
//! use synod_protocols::failure::swim::*;
//!
//! let (n1, n2) = (NodeId(1), NodeId(2));
//! let everybody: Arc<[Member]> = [Member::new(n1), Member::new(n2)].into();
//! let mut one = Swim::new(n1, Config::default(), Table::new(everybody.clone()), vec![]);
//! let mut out = Buffer::new(First, Ticket(1));
//! let at = |milliseconds| Context::at(n1, Mono::from_start(std::time::Duration::from_millis(milliseconds)));
//!
//! one.step(&at(0), Input::Start { saved: vec![] }, &mut out.effects());
//! one.step(&at(1), Input::Durable(Ticket(1)), &mut out.effects());   // its incarnation can no longer be lost
//! out.effects.clear();
//! one.step(&at(1000), Input::Fire(Timer::Period), &mut out.effects());
//! let ping = out.effects.iter().find_map(|effect| match effect {
//!     Effect::Send { to, message: Message::Ping { probe, .. }, .. } => Some((*to, *probe)),
//!     _ => None,
//! });
//! let Some((to, probe)) = ping else { panic!("expected a ping") };
//! assert_eq!(to, n2);
//! let ack = Message::Ack { probe, rumours: vec![] };
//! one.step(&at(1001), Input::Receive { from: n2, message: ack }, &mut out.effects());
//! assert_eq!(one.table().get(n2).map(|member| member.state), Some(State::Alive));
//! ```

mod config;
pub mod cost;
mod health;
pub mod invariants;
mod membership;
mod order;
mod probe;
mod rumours;
mod suspicion;
mod sync;
mod table;
mod types;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, Ticket, View};

#[doc(hidden)]
pub use config::Flaws;
pub use config::{Config, Gossip, Lifeguard, ProbeOrder};
pub use health::LocalHealth;
pub use rumours::Rumours;
pub use suspicion::Suspicion;
pub use table::Table;
pub use types::*;

use order::Pass;
use probe::{Probe, Relay};

/// This file: the essay above, as text.
pub const SOURCE: &str = include_str!("mod.rs");

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Swim {
    me: NodeId,
    config: Config,
    seeds: Vec<NodeId>,
    phase: Phase,
    table: Table,
    /// Announced.
    incarnation: Incarnation,
    metadata: Bytes,
    reserve: Reserve,
    pass: Pass,
    probe: Option<Probe>,
    /// Number of the last probe, for this member's own and for those it makes for others.
    probes: u64,
    relays: BTreeMap<u64, Relay>,
    suspicions: BTreeMap<NodeId, Suspicion>,
    rumours: Rumours,
    gossiping: bool,
    /// Nobody has told it who is there yet.
    alone: bool,
    health: LocalHealth,
}

/// Incarnations that this life may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Reserve {
    /// Up to here, without waiting.
    upto: Incarnation,
    /// Up to here once that write is durable.
    pending: Option<(Ticket, Incarnation)>,
    /// To be announced as soon as it may be.
    wanted: Option<Incarnation>,
}

type Fx<'a> = Effects<'a, Swim>;

impl Swim {
    /// The member `me`, which knows those in `table` and asks `seeds` for others.
    ///
    /// # Panics
    /// When `config` does not validate.
    pub fn new(me: NodeId, config: Config, table: Table, seeds: Vec<NodeId>) -> Self {
        if let Err(sentence) = config.validate() {
            panic!("{sentence}");
        }
        let health = LocalHealth::new(if config.lifeguard.probe { config.health_max } else { 0 });
        Swim {
            me,
            config,
            seeds,
            phase: Phase::Starting,
            table,
            incarnation: Incarnation::default(),
            metadata: Bytes::new(),
            reserve: Reserve::default(),
            pass: Pass::default(),
            probe: None,
            probes: 0,
            relays: BTreeMap::new(),
            suspicions: BTreeMap::new(),
            rumours: Rumours::default(),
            gossiping: false,
            alone: true,
            health,
        }
    }

    /// The same, saying this about itself from the start.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Bytes) -> Self {
        self.metadata = metadata;
        self
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// Options and limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it stands in its own life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The incarnation that it announced last.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The highest incarnation that this life may announce without another write.
    pub fn reserved(&self) -> Incarnation {
        self.reserve.upto
    }

    /// What it says about itself.
    pub fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// What it knows of everybody.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// How much reason it has to doubt itself.
    pub fn health(&self) -> LocalHealth {
        self.health
    }

    /// Suspicions that run here.
    pub fn suspicions(&self) -> &BTreeMap<NodeId, Suspicion> {
        &self.suspicions
    }

    /// What it passes on.
    pub fn rumours(&self) -> &Rumours {
        &self.rumours
    }

    /// Whom it probes in this period, and whether it has an answer.
    pub fn probing(&self) -> Option<(NodeId, bool)> {
        self.probe.as_ref().map(|probe| (probe.target, probe.answered))
    }

    /// Present members, this one included or not.
    fn present(&self) -> usize {
        self.table.present().max(1)
    }

    /// Somebody present, drawn under `label`; not this node, not among `except`.
    fn draw(&self, label: &'static str, except: &[NodeId], fx: &mut Fx) -> Option<NodeId> {
        let seats = self.table.seats();
        if seats == 0 {
            return None;
        }
        let start = fx.choose(label, seats);
        self.table.walk(start, |member| {
            member.state.is_present() && member.node != self.me && !except.contains(&member.node)
        })
    }

    /// Up to `count` different present members.
    fn draw_several(&self, label: &'static str, count: u32, except: &[NodeId], fx: &mut Fx) -> Vec<NodeId> {
        let mut taken = except.to_vec();
        for _ in 0..count {
            match self.draw(label, &taken, fx) {
                Some(node) => taken.push(node),
                None => break,
            }
        }
        taken.split_off(except.len())
    }

    fn start(&mut self, saved: &[Write], fx: &mut Fx) {
        let before = saved.iter().map(|Write::Reserve(upto)| *upto).max().unwrap_or_default();
        let before = if self.config.flaws.forgetful_incarnation { Incarnation::default() } else { before };
        // Numbers of a former life must not match: an answer to it may still be under way.
        self.probes = fx.entropy() >> 1;
        self.reserve.upto = before;
        self.raise(before.next(), fx);
    }

    /// Its first incarnation is durable: it takes part.
    fn take_part(&mut self, fx: &mut Fx) {
        self.phase = Phase::Member;
        fx.arm(Timer::Period, Duration::ZERO..=self.config.period);
        if !self.seeds.is_empty() || self.config.sync_interval.is_some() {
            fx.arm(Timer::Sync, Duration::ZERO..=self.config.timeout);
        }
    }
}

impl Machine for Swim {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: true,
        wall_clock: false,
    };

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        if self.phase == Phase::Left {
            return self.answer_after_leaving(input, fx);
        }
        match input {
            Input::Start { saved } => self.start(&saved, fx),
            Input::Durable(ticket) => self.reserved_upto(ticket, fx),
            Input::Receive { from, message } if from != self.me => self.receive(from, message, cx, fx),
            Input::Fire(timer) => self.fire(timer, cx, fx),
            Input::Command { id, command } => self.command(id, command, fx),
            // A connection is not what is probed here: datagrams have none.
            Input::Receive { .. } | Input::Link { .. } => {}
            Input::Done(done) => match done {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("phase", self.phase);
        view.show("incarnation", self.incarnation.0);
        view.show("present", self.table.present());
        let others = self.table.members().filter(|member| member.state != State::Alive);
        let listed: Vec<(NodeId, State)> =
            others.map(|member| (member.node, member.state)).take(LISTED_MAX).collect();
        view.show("not alive", listed);
        view.show("probing", self.probe.as_ref().map(|probe| (probe.target, probe.answered)));
        view.show("suspicions", self.suspicions.keys().take(LISTED_MAX).collect::<Vec<_>>());
        view.show("rumours", self.rumours.len());
        view.show("local health", self.health.doubts());
    }
}

/// Members that a view names.
const LISTED_MAX: usize = 16;

impl Swim {
    fn receive(&mut self, from: NodeId, message: Message, cx: &Context<'_>, fx: &mut Fx) {
        match message {
            Message::Ping { probe, rumours } => {
                self.hear_all(rumours, cx, fx);
                let rumours = self.news_for(from, false);
                fx.send(from, Message::Ack { probe, rumours });
            }
            Message::PingRequest { probe, target, patience, rumours } => {
                self.hear_all(rumours, cx, fx);
                self.ping_for(from, probe, target, patience, fx);
            }
            Message::Ack { probe, rumours } => {
                self.hear_all(rumours, cx, fx);
                self.answered(probe, fx);
            }
            Message::Nack { probe } => self.tried(from, probe),
            Message::Gossip { rumours } => self.hear_all(rumours, cx, fx),
            Message::Sync { members, reply } => self.compare(from, members, reply, cx, fx),
        }
    }

    fn fire(&mut self, timer: Timer, cx: &Context<'_>, fx: &mut Fx) {
        match timer {
            Timer::Period => self.begin_period(cx, fx),
            Timer::Direct => self.ask_helpers(fx),
            Timer::Nack(relay) => self.tell_that_it_tried(relay, fx),
            Timer::Suspicion(node) => self.give_up_on(node, cx, fx),
            Timer::Gossip => self.gossip(fx),
            Timer::Sync => self.sync(fx),
            Timer::Forget(node) => self.forget(node),
            Timer::Leave => self.leave_now(fx),
        }
    }

    fn command(&mut self, id: RequestId, command: Command, fx: &mut Fx) {
        match command {
            Command::Members => fx.reply(id, Reply::Members(self.members())),
            Command::SetMetadata(metadata) if metadata.len() > self.config.metadata_bytes_max => {
                fx.reply(id, Reply::Refused(Refusal::MetadataTooLong));
            }
            Command::SetMetadata(_) | Command::Leave if self.phase == Phase::Starting => {
                fx.reply(id, Reply::Refused(Refusal::NotReady));
            }
            Command::SetMetadata(metadata) if self.phase == Phase::Member => {
                self.metadata = metadata;
                let announced = self.raise(self.incarnation.next(), fx);
                fx.reply(id, Reply::Announced(announced));
            }
            Command::Leave if self.phase == Phase::Member => self.leave(id, fx),
            Command::SetMetadata(_) | Command::Leave => fx.reply(id, Reply::Refused(Refusal::Leaving)),
        }
    }

    fn answer_after_leaving(&mut self, input: Input<Self>, fx: &mut Fx) {
        if let Input::Command { id, command } = input {
            match command {
                Command::Members => fx.reply(id, Reply::Members(self.members())),
                Command::SetMetadata(_) | Command::Leave => {
                    fx.reply(id, Reply::Refused(Refusal::Leaving));
                }
            }
        }
    }

    fn members(&self) -> Vec<Member> {
        let mut members: Vec<Member> = self.table.members().cloned().collect();
        members.sort_by_key(|member| member.node);
        members
    }
}
