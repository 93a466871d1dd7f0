//! A seeded world for state machines that keep the contract of `synod_machine`.
//!
//! The mechanisms that run here are the compiled ones that run on real servers. The world gives them time, messages, disks and random choices; it takes them away again as
//! harshly as they claim to survive; and everything that happens follows from one seed.
//!
//! - [`Subject`]: what a person writes. How nodes boot, what clients do, what must hold.
//! - [`Plan`]: a run as a value: network, disks, clocks, and faults as data ([`Script`]).
//! - [`Swarm`]: draws a plan from a seed. [`Hunt`]: makes many runs; [`Findings`] remembers what it found.
//! - [`Diagram`]: the last moments of a run as text; [`World::trace_to`]: all of them as JSON lines.
//! - [`explore`]: every order of events in small worlds, instead of many orders in large ones.
//! - [`Film`]: a run without the types of its machine, for exports and comparisons.
//! - [`World`]: the run itself, event by event. [`run`] takes it to its end, [`run_twice`] proves that it replays.
//!
//! # From a state machine to one that survives
//!
//! What follows is a whole program, the one that `synod lab new` writes: a machine, a client, a property, and a deliberate bug. Its first run hunts through
//! a thousand worlds at most, finds the bug, makes the run as small as it can be, draws it, and says which events prove it. Then it is cured by one
//! line.
//!
//! ```no_run
#![doc = include_str!("../template/main.rs")]
//! ```
//!
//! - [`Ensemble`] is what a person writes in the common case, [`Staged`] makes a [`Subject`] of it; [`inquire`] hunts and explains.
//! - [`shrink`] is for runs of one's own; [`Film::proof`] tells the events behind a violation.
#![allow(clippy::missing_errors_doc)]

mod agenda;
mod clock;
mod delay;
mod diagram;
mod disk;
mod ensemble;
pub mod explore;
mod fault;
mod film;
mod findings;
mod hunt;
mod inquiry;
mod network;
mod panics;
mod plan;
mod proof;
mod run;
mod shelf;
mod shrink;
mod stream;
mod subject;
mod swarm;
mod tally;
mod timers;
mod trace;
mod words;
mod world;

pub use clock::{DRIFT_PPM_MAX, EPOCH};
pub use delay::Delay;
pub use diagram::Diagram;
pub use disk::{Corruption, DiskShape, LogFormat, PlainFormat, SECTOR_BYTES, Scan, SegmentPlace};
pub use ensemble::{Ensemble, Invariant, Nodes, Staged};
pub use fault::{Fault, FaultError, Script, Seconds, What, parse_duration};
pub use film::{Film, Sent, Shot, Shown};
pub use findings::{Finding, Findings};
pub use hunt::{Hunt, Report};
pub use inquiry::{Inquiry, inquire};
pub use plan::{ClockShape, NODES_MAX, NetworkShape, Plan, PlanError, Sabotage, Tolerance};
pub use run::{Found, Phase, Run, run, run_twice};
pub use shrink::{Runs, Shrunk, Size, TRIES_MAX, shrink};
pub use stream::{Odds, Stream};
pub use subject::{Boot, BootKind, Clients, Crash, Given, LANES_MAX, Step, Subject, View, Violation};
pub use swarm::Swarm;
pub use tally::Exercised;
pub use trace::{Lines, Moment};
pub use world::World;

/// The program of the front page, as `synod lab new` writes it.
pub const TEMPLATE: &str = include_str!("../template/main.rs");
