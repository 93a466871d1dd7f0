//! What is known of one server.

use synod_machine::NodeId;

use super::clock::Oscillator;
use super::config::{Config, power_of_two};
use super::exchange::Exchange;
use super::filter::{ClockFilter, Filtered, Sample};
use super::selection::Candidate;
use super::types::{Packet, STRATUM_MAX, Timestamp};

/// One server, as a client sees it (the peer variables of RFC 5905, section 9.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Association {
    /// Shifted left with each question, a one shifted in with each answer: 0 is unreachable.
    reach: u8,
    /// The question under way: what it carried, and when it left by the hardware's time.
    asked: Option<(Timestamp, Timestamp)>,
    filter: ClockFilter,
    filtered: Option<Filtered>,
    stratum: u8,
    reference: Option<NodeId>,
    /// Questions left of a burst.
    burst: u32,
}

impl Association {
    /// A server that was not asked yet.
    pub fn new(config: &Config) -> Self {
        Association { stratum: STRATUM_MAX, burst: config.burst, ..Association::default() }
    }

    /// Whether any of the last eight questions was answered.
    pub fn is_reachable(&self) -> bool {
        self.reach != 0
    }

    /// Hops to its reference clock, as it said last.
    pub fn stratum(&self) -> u8 {
        self.stratum
    }

    /// Whom it follows, as it said last.
    pub fn reference(&self) -> Option<NodeId> {
        self.reference
    }

    /// What its samples came to.
    pub fn filtered(&self) -> Option<&Filtered> {
        self.filtered.as_ref()
    }

    /// A question leaves. Whether the server became unreachable with it.
    pub(super) fn ask(&mut self, carries: Timestamp, hardware: Timestamp) -> bool {
        let was_reachable = self.is_reachable();
        self.reach <<= 1;
        self.asked = Some((carries, hardware));
        self.burst = self.burst.saturating_sub(1);
        let is_lost = was_reachable && !self.is_reachable();
        if is_lost {
            self.filter.clear();
            self.filtered = None;
        }
        is_lost
    }

    /// Whether questions follow each other quickly: at first, while it answers.
    pub(super) fn is_in_burst(&self) -> bool {
        self.burst > 0
    }

    /// An answer came in. Whether there is a new best sample.
    pub(super) fn answer(
        &mut self,
        packet: &Packet,
        hardware: Timestamp,
        oscillator: Oscillator,
        config: &Config,
        poll: i8,
    ) -> Result<bool, Refused> {
        let (carried, left) = self.asked.ok_or(Refused::Duplicate)?;
        if packet.origin != carried {
            return Err(Refused::Bogus);
        }
        self.asked = None;
        self.reach |= 1;
        self.stratum = packet.stratum;
        self.reference = packet.reference;
        if packet.stratum == 0 || packet.stratum >= STRATUM_MAX {
            return Err(Refused::Unsynchronized);
        }
        if packet.transmit < packet.receive {
            return Err(Refused::Nonsense);
        }
        let exchange = Exchange {
            origin: left,
            receive: packet.receive,
            transmit: packet.transmit,
            destination: hardware,
        };
        let delay = exchange.delay().seconds().max(config.resolution());
        let readings = power_of_two(packet.precision.clamp(-32, 0)) + config.resolution();
        let dispersion = readings + oscillator.error((hardware - left).seconds());
        self.filter.add(Sample {
            offset: exchange.offset(),
            delay,
            dispersion,
            root_delay: packet.root_delay.as_secs_f64(),
            root_dispersion: packet.root_dispersion.as_secs_f64(),
            at: hardware,
        });
        Ok(self.renew(hardware, oscillator, config, poll))
    }

    /// The filter's output is used once, and only if it is newer than the last, and no spike.
    fn renew(&mut self, now: Timestamp, oscillator: Oscillator, config: &Config, poll: i8) -> bool {
        let Some(new) = self.filter.output(now, oscillator, config) else { return false };
        let is_new = self.filtered.is_none_or(|last| {
            new.at > last.at && !ClockFilter::is_spike(&last, &new, oscillator, power_of_two(poll))
        });
        if is_new {
            self.filtered = Some(new);
        }
        is_new
    }

    /// Distance to the reference clock at that time: half of the round trip, and all dispersions (section 11.1), in seconds.
    fn root_distance(filtered: &Filtered, now: Timestamp, oscillator: Oscillator) -> f64 {
        (filtered.root_delay + filtered.delay) / 2.0
            + filtered.root_dispersion
            + filtered.dispersion
            + oscillator.error((now - filtered.at).seconds())
            + filtered.jitter
    }

    /// As a candidate, if it is fit to be followed: reachable, synchronized, near enough to its reference clock, and following neither this node nor whom this
    /// node follows (section 11.1: a loop, or no second opinion).
    pub(super) fn candidate(
        &self,
        node: NodeId,
        me: NodeId,
        follows: Option<NodeId>,
        correction: f64,
        now: Timestamp,
        oscillator: Oscillator,
        config: &Config,
        poll: i8,
    ) -> Option<Candidate> {
        let filtered = self.filtered.as_ref().filter(|_| self.is_reachable())?;
        let is_synchronized = self.stratum > 0 && self.stratum < STRATUM_MAX;
        let is_loop = self.reference.is_some() && (self.reference == Some(me) || self.reference == follows);
        let distance = Self::root_distance(filtered, now, oscillator);
        let distance_max = config.distance_max.as_secs_f64() + oscillator.error(power_of_two(poll));
        if !is_synchronized || distance > distance_max || (is_loop && !config.flaws.ignore_loops) {
            return None;
        }
        Some(Candidate {
            node,
            stratum: self.stratum,
            offset: filtered.offset_at(now, oscillator) - correction,
            distance,
            jitter: filtered.jitter,
        })
    }
}

/// Why an answer was not used (RFC 5905, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No question is under way.
    Duplicate,
    /// It answers another question.
    Bogus,
    /// The server does not know the time.
    Unsynchronized,
    /// It left before it came.
    Nonsense,
}
