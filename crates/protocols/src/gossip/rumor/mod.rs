//! Rumor mongering: who hears news passes it on, until it is news no more.
//!
//! # The problem
//!
//! An update is to reach all of n sites quickly, with few messages, although nobody knows who has it already. Telling everybody directly costs the one
//! site n messages, and misses those that it does not know of.
//!
//! # The rules
//!
//! Demers et al. 1987, section 1.4. A site is *susceptible* until it hears a rumor, *infective* while the rumor is *hot*, and *removed* when it has lost interest. In each cycle an
//! infective site contacts another one, chosen at random. The variants, [`Policy`]:
//!
//! - *Feedback or blind* ([`Policy::feedback`]): interest is lost only by contacts with sites that knew the rumor, or by any contact.
//! - *Counter or coin* ([`Removal`]): interest is lost after k such contacts, or with probability 1/k at each. A useful contact sets the counter back.
//! - *Push, pull, push-pull* ([`Direction`]): infective sites tell, or every site asks, or both. A site that is asked by several in one cycle counts them once: as useful if one
//!   of them needed the rumor (footnote to table 3).
//!
//! Whether a contact needed the rumor is judged as of the cycle's beginning. [`Interest`] is a site's interest in one rumor; what happens on a real network is in
//! [`crate::gossip::epidemic`].
//!
//! # What is guaranteed
//!
//! Every site loses interest with probability one: an idle system is quiet. Few sites are missed: with feedback and counter the residue falls about as
//! e^-m with m messages a site for push, and much faster for pull (section 1.4). It is never sure to be zero. That some
//! sites never hear is not a failure but the rule's nature; so rumors are backed by [anti-entropy](super::anti_entropy).
//!
//! # What is assumed
//!
//! Partners are chosen uniformly among all others. Loss of messages raises the residue.
//!
//! # What it costs
//!
//! m messages a site and update, where s = e^-m is about the residue of push variants: k = 2 with feedback and counter takes 3.3 messages and leaves 3.7 % without. Push is silent when
//! there is no news; pull asks every cycle. [`residue_of_push`] is the paper's differential equation for feedback and coin.
//!
//! # What is left out
//!
//! Connection limits and hunting (section 1.4, end), spatial distributions (section 3), and minimization, which sets both partners' counters by the smaller.
//!
//! ```
//! use synod_protocols::gossip::rumor::{Interest, Policy};
//!
//! let policy = Policy::feedback_counter(2);
//! let mut interest = Interest::default();
//! assert!(interest.contacted(&policy, false, &mut || true));
//! assert!(interest.contacted(&policy, true, &mut || true), "a useful contact: hot again");
//! assert!(interest.contacted(&policy, false, &mut || true));
//! assert!(!interest.contacted(&policy, false, &mut || true), "two useless ones in a row: cold");
//! ```

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// How interest is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Removal {
    /// After so many contacts that count.
    Counter(u32),
    /// With probability one in so many at each contact that counts.
    Coin(u32),
}

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Who has news tells.
    Push,
    /// Everybody asks.
    Pull,
    /// Both.
    PushPull,
}

impl Direction {
    /// Whether the one that begins tells what it has.
    pub const fn pushes(self) -> bool {
        matches!(self, Direction::Push | Direction::PushPull)
    }

    /// Whether the one that begins asks for what it lacks.
    pub const fn pulls(self) -> bool {
        matches!(self, Direction::Pull | Direction::PushPull)
    }
}

/// A variant of rumor mongering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Who begins.
    pub direction: Direction,
    /// Only contacts with sites that did not need the rumor count towards losing interest; otherwise all do.
    pub feedback: bool,
    /// How interest is lost.
    pub removal: Removal,
}

impl Policy {
    /// Push, feedback, counter: the paper's table 1.
    pub const fn feedback_counter(k: u32) -> Self {
        Policy { direction: Direction::Push, feedback: true, removal: Removal::Counter(k) }
    }

    /// Push, blind, coin: the paper's table 2.
    pub const fn blind_coin(k: u32) -> Self {
        Policy { direction: Direction::Push, feedback: false, removal: Removal::Coin(k) }
    }

    /// Whether a site that was told needs to say if it knew.
    pub const fn wants_feedback(&self) -> bool {
        self.feedback
    }
}

/// A site's interest in one rumor that it holds hot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interest {
    useless: u32,
}

impl Interest {
    /// A contact, which needed the rumor or did not. `coin` is a coin that shows its head with probability 1/k. Whether the rumor is still hot.
    pub fn contacted(&mut self, policy: &Policy, needed: bool, coin: &mut impl FnMut() -> bool) -> bool {
        let counts = !(policy.feedback && needed);
        match policy.removal {
            Removal::Counter(k) => {
                // Blind sites do not hear whether they were useful.
                self.useless = if counts { self.useless + 1 } else { 0 };
                self.useless < k
            }
            Removal::Coin(_) => !(counts && coin()),
        }
    }

    /// The contacts in a row that did not need it.
    pub const fn useless(&self) -> u32 {
        self.useless
    }
}

/// The residue of push with feedback and coin for very many sites, s = e^-(k+1)(1-s) (section 1.4): the share that never hears.
pub fn residue_of_push(k: u32) -> f64 {
    let mut residue = 0.0;
    for _ in 0..ITERATIONS {
        residue = exponential(-f64::from(k + 1) * (1.0 - residue));
    }
    residue
}

/// Steps of the fixed-point iteration: it converges by a factor of (k + 1) s a step, at worst 0.41.
const ITERATIONS: u32 = 60;

/// e^x for x in -40..=0, without the standard library: the series of e^(x/64), squared six times.
fn exponential(x: f64) -> f64 {
    let small = x / 64.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..12 {
        term *= small / f64::from(n);
        sum += term;
    }
    (0..6).fold(sum, |power, _| power * power)
}
