//! NTP: one's own clock, steered by what several servers say, with a bound on its error.
//!
//! # The problem
//!
//! Oscillators drift, and a message that says what time it is arrives later than that. A client can measure the round trip but not how it divides
//! between the two ways; some servers are far, some are wrong, some follow others who follow them. The Network Time Protocol (Mills, Martin, Burbank and
//! Kasch, RFC 5905, 2010: *the RFC*; its *appendix* is code) asks several servers over and over, believes the best samples of those who agree, and steers a clock by
//! them: gently, because others rely on its going forward evenly.
//!
//! # The rules, and where they are
//!
//! - **Four timestamps** give offset and delay: `θ = ((T2 - T1) + (T3 - T4)) / 2`, `δ = (T4 - T1) - (T3 - T2)` (section 8): `exchange.rs`.
//! - **Of a server's last eight samples the one of least delay** counts, spikes do not (section 10): `filter.rs`.
//! - **Of the servers those that a majority agrees with** count: intersection after Marzullo, clustering, combining (section 11.2): `selection.rs`.
//! - **Small offsets are slewed, large ones that last are stepped**, the frequency is learned from both (section 11.3): `discipline.rs`; the clock that is
//!   steered: `clock.rs`.
//! - **Strata**: a reference clock's server is stratum 1, who follows stratum s is s + 1; who is nobody's follower within 15 hops is unsynchronized. Nobody follows
//!   who follows him, nor who follows the same server as he does (section 11.1): `association.rs`.
//!
//! `invariants.rs` is what must hold.
//!
//! # What is guaranteed
//!
//! If no more servers are wrong than were thrown out, the true time lies within [`Reading::time`] ± [`Reading::error`] at every moment after the first
//! synchronization: the bound is half of the round trip to the reference clock, all readings and drifts on the way, and what is still to be slewed, and it grows while no
//! server answers. For a single exchange: the error of θ is half the difference of the two ways, at most δ/2. Between steps the clock never
//! goes back. Two nodes do not follow each other for long: the stratum counts up, and the bound shows it.
//!
//! # What is assumed
//!
//! Reference clocks are within their stated error. Oscillators that are let alone drift by at most [`Config::phi_ppb`]. The two ways of a path are about equally long;
//! where they are not, *accuracy* is lost, by half the difference, and no protocol could tell; the *bound* still holds. Delays may be of any length, packets may be
//! lost, doubled or reordered. The frequency that is kept over restarts saves time only.
//!
//! # What it costs
//!
//! A question and an answer per server and poll interval, 2^6 s to 2^10 s as the clock is quiet. No write but the frequency, once an hour.
//!
//! # Choices where the RFC's text and appendix disagree
//!
//! - The step threshold is the appendix's 0.128 s, not the text's 0.125 s; the averaging constant is the appendix's 4; an intersection succeeds as in the
//!   appendix, if its low end is before its high end.
//! - The gain of the phase-locked loop is the reference implementation's 16. The appendix's 65536 takes weeks.
//!
//! # Where this differs from the RFC, and why
//!
//! - *Samples are kept against the hardware's time*, which nobody steers, instead of the steered clock's. They stay true through slews and steps; nothing need be
//!   thrown away after a step, and their age costs what the oscillator gains, as far as that was learned, and the error of that, not what this clock was steered.
//! - *The first offset is slewed at once*, while the frequency is being measured; against the hardware's time one does not spoil the other.
//! - *An offset teaches the frequency for as long as it lasted*, up to eight polls, not one: only a new best sample makes an update.
//! - *The first choice waits until the bursts are over.* The first server that answers well enough would be alone, and need not agree with anybody.
//! - *Slews are closed formulas*, not corrections once a second: nothing ticks.
//! - *Root delay and root dispersion belong to the sample* that they came with: an old sample's server may have been worse off than it is now.
//! - *The dispersion of a server is at least that of its best sample.* The weights of the RFC can make it less, and the bound would not be one.
//! - Without a majority of agreeing servers the clock runs on, with a growing bound, and says so.
//!
//! # What is left out
//!
//! Symmetric and broadcast modes, authentication, leap seconds, kiss codes, the interleaved mode, a hardware clock that is set, and the 48 bytes of a packet.
//!
//! # Example
//!
//! A client that is 50 ms behind asks its server.
//!
//! ```
//! use std::time::Duration;
//! use synod_machine::*;
//! use synod_protocols::time_sync::ntp::*;
//!
//! let (client, server) = (NodeId(1), NodeId(2));
//! let mut ntp = Ntp::secondary(client, Config::default(), [server]);
//! let mut out = Buffer::new(First, Ticket(1));
//! let wall = |ms: u64| Duration::from_secs(1_000_000) + Duration::from_millis(ms);
//! let at = |ms| Context {
//!     wall: Wall { since_epoch: wall(ms), error: Duration::ZERO },
//!     ..Context::at(client, Mono::from_start(Duration::from_millis(ms)))
//! };
//! ntp.step(&at(0), Input::Start { saved: vec![] }, &mut out.effects());
//! ntp.step(&at(100), Input::Fire(Timer::Poll(server)), &mut out.effects());
//! let asked = out.effects.iter().find_map(|effect| match effect {
//!     Effect::Send { message, .. } => Some(message.clone()),
//!     _ => None,
//! });
//! let Some(question) = asked else { panic!("expected a question") };
//! let answer = Packet {
//!     mode: Mode::Server,
//!     stratum: 1,
//!     origin: question.transmit,
//!     receive: Timestamp::since_epoch(wall(100 + 10 + 50)),      // 10 ms there, and 50 ms ahead
//!     transmit: Timestamp::since_epoch(wall(100 + 10 + 50)),
//!     ..question
//! };
//! ntp.step(&at(120), Input::Receive { from: server, message: answer }, &mut out.effects());
//! let filtered = ntp.associations()[&server].filtered().expect("a sample");
//! assert_eq!(filtered.offset, Offset::from_nanoseconds(50_000_000));
//! assert_eq!(filtered.delay, 0.020);
//! ```

mod association;
mod clock;
mod config;
pub mod discipline;
mod exchange;
mod filter;
pub mod invariants;
pub mod selection;
mod types;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Mono, Needs, Never, NodeId, View};

pub use association::{Association, Refused};
pub use clock::{Oscillator, SoftwareClock};
pub use config::Config;
#[doc(hidden)]
pub use config::Flaws;
pub use exchange::Exchange;
pub use filter::{ClockFilter, DISPERSION_MAX, Filtered, STAGES, Sample};
pub use types::*;

use config::power_of_two;
use discipline::{Discipline, Outcome};
use selection::{Candidate, cluster, combine, truechimers};

/// This file: the essay above, as text.
pub const SOURCE: &str = include_str!("mod.rs");

/// One node: a server with a reference clock, or a client that serves others what it learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Ntp {
    me: NodeId,
    config: Config,
    /// The node's wall clock is a reference clock: stratum 1.
    is_primary: bool,
    associations: BTreeMap<NodeId, Association>,
    /// What is added to the wall clock's time at the start.
    initial: Offset,
    /// Hardware time is the monotonic time plus that.
    epoch: Timestamp,
    clock: SoftwareClock,
    discipline: Discipline,
    system: System,
    /// When it last stepped, with what the wall clock said: what it shows to those who look from outside.
    seen: (Mono, Timestamp, Duration),
    saved: Option<i32>,
}

/// What it would tell others (the system variables of section 11.1).
#[derive(Clone, Debug, Default, PartialEq)]
struct System {
    follows: Option<NodeId>,
    stratum: u8,
    root_delay: f64,
    root_dispersion: f64,
    /// As of then, by the hardware's time.
    updated: Timestamp,
    /// A majority agrees.
    is_held_up: bool,
}

type Fx<'a> = Effects<'a, Ntp>;

impl Ntp {
    /// A server whose wall clock is a reference clock.
    pub fn primary(me: NodeId, config: Config) -> Self {
        Ntp::new(me, config, true, Vec::new())
    }

    /// A client of `servers`.
    pub fn secondary(me: NodeId, config: Config, servers: impl IntoIterator<Item = NodeId>) -> Self {
        Ntp::new(me, config, false, servers.into_iter().filter(|server| *server != me).collect())
    }

    fn new(me: NodeId, config: Config, is_primary: bool, servers: Vec<NodeId>) -> Self {
        if let Err(sentence) = config.validate() {
            panic!("{sentence}");
        }
        let zero = Timestamp::default();
        Ntp {
            me,
            is_primary,
            associations: servers.into_iter().map(|node| (node, Association::new(&config))).collect(),
            initial: Offset::ZERO,
            epoch: zero,
            clock: SoftwareClock::new(zero, 0.0),
            discipline: Discipline::new(false, zero, &config),
            system: System { stratum: STRATUM_MAX, ..System::default() },
            seen: (Mono::ZERO, zero, Duration::ZERO),
            saved: None,
            config,
        }
    }

    /// The same on a node whose wall clock is known to be off, by so much, when the process begins: it has no battery, or it is an experiment.
    #[must_use]
    pub fn starting_at(mut self, offset: Offset) -> Self {
        self.initial = offset;
        self
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// Whether its wall clock is a reference clock.
    pub fn is_primary(&self) -> bool {
        self.is_primary
    }

    /// Options and limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The servers, with what is known of them.
    pub fn associations(&self) -> &BTreeMap<NodeId, Association> {
        &self.associations
    }

    /// Whom it follows; nobody while it runs on by itself.
    pub fn follows(&self) -> Option<NodeId> {
        self.system.follows.filter(|_| self.system.is_held_up)
    }

    /// The loop that steers the clock.
    pub fn discipline(&self) -> &Discipline {
        &self.discipline
    }

    /// The clock that is steered.
    pub fn clock(&self) -> &SoftwareClock {
        &self.clock
    }

    /// What it showed at its last step.
    pub fn reading(&self) -> Reading {
        let (mono, wall, error) = self.seen;
        if self.is_primary {
            return Reading { time: wall, error: Some(error), stratum: 1 };
        }
        let hardware = self.hardware(mono);
        let is_synchronized = self.system.stratum < STRATUM_MAX;
        let error = (self.root_distance(hardware) + self.clock.pending(hardware).abs()).max(0.0);
        Reading {
            time: self.clock.read(hardware),
            error: is_synchronized.then(|| Duration::from_secs_f64(error.min(1e9))),
            stratum: self.system.stratum,
        }
    }

    fn hardware(&self, now: Mono) -> Timestamp {
        let elapsed = i64::try_from(now.since_start().as_nanos()).unwrap_or(i64::MAX);
        self.epoch + Offset::from_nanoseconds(elapsed)
    }

    fn oscillator(&self) -> Oscillator {
        Oscillator { frequency: self.clock.frequency(), phi: self.config.phi() }
    }

    /// The bound on the error of what it tells others, but for what is still to be slewed.
    fn root_distance(&self, hardware: Timestamp) -> f64 {
        self.system.root_delay / 2.0 + self.root_dispersion(hardware)
    }

    fn root_dispersion(&self, hardware: Timestamp) -> f64 {
        self.system.root_dispersion + self.oscillator().error((hardware - self.system.updated).seconds())
    }

    fn start(&mut self, saved: &[Write], cx: &Context<'_>, fx: &mut Fx) {
        let wall = Timestamp::since_epoch(cx.wall.since_epoch) + self.initial;
        let elapsed = i64::try_from(cx.now.since_start().as_nanos()).unwrap_or(i64::MAX);
        self.epoch = wall + -Offset::from_nanoseconds(elapsed);
        let Write::Frequency(known) = saved.last().copied().unwrap_or(Write::Frequency(0));
        let most = i32::try_from(self.config.frequency_max_ppb).unwrap_or(i32::MAX);
        self.clock = SoftwareClock::new(wall, f64::from(known.clamp(-most, most)) * 1e-9);
        self.discipline = Discipline::new(!saved.is_empty(), wall, &self.config);
        self.saved = saved.last().map(|_| known);
        let spread = Duration::from_secs_f64(power_of_two(self.config.min_poll.min(1)));
        for server in self.associations.keys() {
            fx.arm(Timer::Poll(*server), Duration::ZERO..=spread);
        }
        if !self.is_primary {
            fx.arm(Timer::Save, self.config.save_interval..=self.config.save_interval);
        }
    }

    /// What it would write into a packet.
    fn packet(&self, mode: types::Mode, cx: &Context<'_>) -> Packet {
        let hardware = self.hardware(cx.now);
        let reading = self.reading();
        let (root_delay, root_dispersion) = if self.is_primary {
            (0.0, cx.wall.error.as_secs_f64())
        } else {
            // Who asks does not know what is still to be slewed: it counts as dispersion.
            (self.system.root_delay, self.root_dispersion(hardware) + self.clock.pending(hardware).abs())
        };
        let duration = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.0, DISPERSION_MAX));
        Packet {
            mode,
            stratum: reading.stratum,
            precision: self.config.precision,
            root_delay: duration(root_delay),
            root_dispersion: duration(root_dispersion),
            reference: self.system.follows,
            origin: Timestamp::default(),
            receive: Timestamp::default(),
            transmit: reading.time,
        }
    }

    fn poll(&mut self, server: NodeId, cx: &Context<'_>, fx: &mut Fx) {
        let hardware = self.hardware(cx.now);
        let question = self.packet(types::Mode::Client, cx);
        let Some(association) = self.associations.get_mut(&server) else { return };
        let is_lost = association.ask(question.transmit, hardware);
        let is_in_burst = association.is_in_burst();
        fx.send(server, question);
        let shortest = self.config.min_poll.min(1);
        let exponent = if is_in_burst { shortest } else { self.discipline.poll() };
        let interval = Duration::from_secs_f64(power_of_two(exponent));
        fx.arm(Timer::Poll(server), interval * 15 / 16..=interval * 17 / 16);
        if is_lost {
            self.select(hardware, false, fx);
        }
    }

    fn receive(&mut self, from: NodeId, packet: &Packet, cx: &Context<'_>, fx: &mut Fx) {
        match packet.mode {
            types::Mode::Client => {
                let now = self.packet(types::Mode::Server, cx);
                fx.send(from, Packet { origin: packet.transmit, receive: now.transmit, ..now });
            }
            types::Mode::Server => self.answered(from, packet, cx, fx),
        }
    }

    fn answered(&mut self, from: NodeId, packet: &Packet, cx: &Context<'_>, fx: &mut Fx) {
        let hardware = self.hardware(cx.now);
        let (poll, oscillator) = (self.discipline.poll(), self.oscillator());
        let Some(association) = self.associations.get_mut(&from) else {
            return fx.note("ntp answers of strangers", 1);
        };
        match association.answer(packet, hardware, oscillator, &self.config, poll) {
            Ok(is_new) => {
                fx.note("ntp samples", 1);
                self.select(hardware, is_new, fx);
            }
            Err(Refused::Duplicate | Refused::Bogus) => fx.note("ntp answers refused", 1),
            Err(Refused::Unsynchronized | Refused::Nonsense) => {
                fx.note("ntp answers without time", 1);
                self.select(hardware, false, fx);
            }
        }
    }

    /// Who is right, and what follows from it for the clock if there is a new sample.
    fn select(&mut self, hardware: Timestamp, is_new: bool, fx: &mut Fx) {
        let is_first = self.system.stratum >= STRATUM_MAX;
        if is_first && self.associations.values().any(|a| a.is_reachable() && a.is_in_burst()) {
            return;
        }
        let survivors = self.survivors(hardware);
        let best = survivors.first().copied();
        let kept = survivors
            .iter()
            .find(|survivor| Some(survivor.node) == self.system.follows)
            .filter(|kept| best.is_some_and(|best| kept.stratum <= best.stratum));
        let Some(followed) = kept.copied().or(best) else {
            if self.system.is_held_up {
                self.system.is_held_up = false;
                fx.emit(Event::Holdover);
            }
            return;
        };
        let is_kept = kept.is_some();
        // Each sample is used once, and none while the one that is followed has nothing new.
        let is_newer = self
            .associations
            .get(&followed.node)
            .and_then(Association::filtered)
            .is_some_and(|filtered| filtered.at > self.system.updated);
        if is_new && is_newer {
            self.steer(&survivors, &followed, hardware, fx);
        }
        let is_held_up = is_kept || self.system.follows == Some(followed.node);
        if self.system.is_held_up && !is_held_up {
            fx.emit(Event::Holdover);
        }
        self.system.is_held_up = is_held_up;
    }

    fn survivors(&self, hardware: Timestamp) -> Vec<Candidate> {
        let (correction, oscillator) = (self.clock.correction(hardware), self.oscillator());
        let poll = self.discipline.poll();
        let candidates: Vec<Candidate> = self
            .associations
            .iter()
            .filter_map(|(node, association)| {
                let follows = self.system.follows;
                association.candidate(
                    *node,
                    self.me,
                    follows,
                    correction,
                    hardware,
                    oscillator,
                    &self.config,
                    poll,
                )
            })
            .collect();
        if self.config.flaws.trust_anybody {
            let nearest = candidates.into_iter().min_by(|one, other| one.distance.total_cmp(&other.distance));
            return nearest.into_iter().collect();
        }
        let chimers = truechimers(&candidates, self.config.distance_max.as_secs_f64());
        cluster(chimers, self.config.survivors_min)
    }

    fn steer(&mut self, survivors: &[Candidate], followed: &Candidate, hardware: Timestamp, fx: &mut Fx) {
        let combined = combine(survivors, followed);
        let outcome = self.discipline.update(combined.offset, hardware, &mut self.clock, &self.config);
        match outcome {
            Outcome::Panic => return fx.emit(Event::Panicked(Offset::from_seconds(combined.offset))),
            Outcome::Ignored => return fx.note("ntp spikes ignored", 1),
            Outcome::Slewed => fx.note("ntp slews", 1),
            Outcome::Stepped(seconds) => fx.emit(Event::Stepped(Offset::from_seconds(seconds))),
        }
        let Some(association) = self.associations.get(&followed.node) else { return };
        let Some(filtered) = association.filtered().copied() else { return };
        if self.system.follows != Some(followed.node) {
            fx.emit(Event::Follows(followed.node));
        }
        let jitter = libm::sqrt(combined.jitter * combined.jitter + filtered.jitter * filtered.jitter);
        let age = self.oscillator().error((hardware - filtered.at).seconds());
        self.system = System {
            follows: Some(followed.node),
            stratum: followed.stratum.saturating_add(1).min(STRATUM_MAX),
            root_delay: filtered.root_delay + filtered.delay,
            root_dispersion: filtered.root_dispersion + filtered.dispersion + age + jitter,
            updated: hardware,
            is_held_up: true,
        };
    }

    /// Writes the frequency down if it changed by enough to matter.
    fn save(&mut self, fx: &mut Fx) {
        let frequency = libm::round(self.clock.frequency() * 1e9) as i32;
        let is_learned = self.discipline.mode() == discipline::Mode::Synchronized;
        if is_learned && self.saved.is_none_or(|saved| saved.abs_diff(frequency) >= SAVED_PPB_MIN) {
            let ticket = fx.write(Write::Frequency(frequency));
            fx.forget(ticket);
            self.saved = Some(frequency);
        }
        fx.arm(Timer::Save, self.config.save_interval..=self.config.save_interval);
    }
}

/// Smaller changes of the frequency are not written down, in parts per thousand million.
const SAVED_PPB_MIN: u32 = 100;

impl Machine for Ntp {
    type Message = Packet;
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
        bounded_drift: true,
        stable_storage: false,
        wall_clock: true,
    };

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        self.seen = (cx.now, Timestamp::since_epoch(cx.wall.since_epoch), cx.wall.error);
        match input {
            Input::Start { saved } => self.start(&saved, cx, fx),
            Input::Receive { from, message } => self.receive(from, &message, cx, fx),
            Input::Fire(Timer::Poll(server)) => self.poll(server, cx, fx),
            Input::Fire(Timer::Save) => self.save(fx),
            Input::Command { id, command: Command::Read } => fx.reply(id, Reply::Time(self.reading())),
            Input::Durable(_) | Input::Link { .. } => {}
            Input::Done(done) => match done {},
        }
    }

    fn inspect(&self, view: &mut View) {
        let reading = self.reading();
        view.show("stratum", reading.stratum);
        view.show("follows", self.system.follows);
        view.show("error", reading.error);
        view.show("mode", self.discipline.mode());
        view.show("frequency ppm", self.clock.frequency() * 1e6);
        view.show("poll", self.discipline.poll());
        let reachable = self.associations.iter().filter(|(_, a)| a.is_reachable());
        view.show("reachable", reachable.map(|(node, _)| *node).collect::<Vec<_>>());
    }
}
