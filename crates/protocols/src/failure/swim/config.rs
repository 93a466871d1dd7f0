//! The parameters, by the names and with the defaults of the papers and of the implementation that Lifeguard was measured in.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// Options and limits of a member. All members of a group have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Length of a protocol period: each member probes one other a period.
    pub period: Duration,
    /// How long a direct answer may take; then helpers are asked. Shorter than the period.
    pub timeout: Duration,
    /// Members that are asked to ping in one's place (the paper's `k`).
    pub helpers: u32,
    /// Who is probed next.
    pub order: ProbeOrder,
    /// Whether a member that does not answer is suspected first (section 4.2). Without, it failed at once.
    pub suspicion: bool,
    /// A suspect has `alpha · log10(n)` periods to refute.
    pub alpha: u32,
    /// With [`Lifeguard::suspicion`] a suspicion begins with `beta` times as much.
    pub beta: u32,
    /// Independent confirmations that bring it down to `alpha · log10(n)` (Lifeguard's `K`).
    pub confirmations: u32,
    /// The largest value of the local health counter (Lifeguard's `S`).
    pub health_max: u32,
    /// A rumour is passed on `lambda · ceil(log10(n + 1))` times by each member.
    pub lambda: u32,
    /// Rumours that one message carries.
    pub rumours_max: usize,
    /// Rounds of gossip beyond what probes carry. `None`: the paper's piggybacking alone.
    pub gossip: Option<Gossip>,
    /// How often a member compares its table with another's. `None`: never.
    pub sync_interval: Option<Duration>,
    /// Members in one message of a table.
    pub sync_members_max: usize,
    /// How long failed and departed members are remembered.
    pub forget_after: Duration,
    /// Most members of a table; what is beyond is not taken in.
    pub members_max: usize,
    /// Longest metadata.
    pub metadata_bytes_max: usize,
    /// Pings that this member makes for others at a time.
    pub relays_max: usize,
    /// Incarnations that one write reserves.
    pub reservation: u64,
    /// Which parts of Lifeguard are on.
    pub lifeguard: Lifeguard,
    /// Bugs that are put back, to prove that they are found.
    #[doc(hidden)]
    pub flaws: Flaws,
}

/// Who is probed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeOrder {
    /// Everybody once, then everybody once in another random order: whoever fails is probed by *each* member within `2n - 1` periods (section 4.3).
    RoundRobin,
    /// Anybody, each time anew (section 3.1).
    Random,
}

/// Gossip beyond what probes carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gossip {
    /// How often, as long as there is news.
    pub interval: Duration,
    /// To how many members.
    pub fanout: u32,
}

/// The parts of Lifeguard, each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lifeguard {
    /// LHA-Probe: who has reason to doubt itself probes more slowly and waits longer.
    pub probe: bool,
    /// LHA-Suspicion: a suspicion lasts long, and less long the more members share it.
    pub suspicion: bool,
    /// Buddy System: who probes a suspect tells it.
    pub buddy: bool,
}

impl Lifeguard {
    /// All parts.
    pub const ALL: Lifeguard = Lifeguard { probe: true, suspicion: true, buddy: true };
    /// SWIM as in its paper.
    pub const NONE: Lifeguard = Lifeguard { probe: false, suspicion: false, buddy: false };
}

/// Bugs that are put back.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flaws {
    /// A suspect answers under the incarnation that it is suspected in.
    pub refute_without_incarnation: bool,
    /// Incarnations are not written: each life begins with the same.
    pub forgetful_incarnation: bool,
}

impl Default for Config {
    /// Lifeguard in a local network.
    fn default() -> Self {
        Config {
            period: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            helpers: 3,
            order: ProbeOrder::RoundRobin,
            suspicion: true,
            alpha: 5,
            beta: 6,
            confirmations: 3,
            health_max: 8,
            lambda: 4,
            rumours_max: 8,
            gossip: Some(Gossip { interval: Duration::from_millis(200), fanout: 3 }),
            sync_interval: Some(Duration::from_secs(30)),
            sync_members_max: 512,
            forget_after: Duration::from_secs(24 * 3600),
            members_max: 1 << 20,
            metadata_bytes_max: 512,
            relays_max: 1024,
            reservation: 64,
            lifeguard: Lifeguard::ALL,
            flaws: Flaws::default(),
        }
    }
}

impl Config {
    /// SWIM as in its paper: piggybacking only, a fixed time to refute.
    pub fn paper() -> Self {
        Config { gossip: None, lifeguard: Lifeguard::NONE, ..Config::default() }
    }

    /// # Errors
    /// A sentence that says what is wrong.
    pub fn validate(&self) -> Result<(), String> {
        if self.timeout.is_zero() || self.timeout >= self.period {
            let (timeout, period) = (self.timeout, self.period);
            return Err(format!("expected 0 < timeout < period, found {timeout:?} and {period:?}"));
        }
        let positive = [
            ("alpha", u64::from(self.alpha)),
            ("beta", u64::from(self.beta)),
            ("lambda", u64::from(self.lambda)),
            ("rumours_max", self.rumours_max as u64),
            ("sync_members_max", self.sync_members_max as u64),
            ("members_max", self.members_max as u64),
            ("reservation", self.reservation),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("expected {name} of at least 1, found 0"));
        }
        if self.gossip.is_some_and(|gossip| gossip.interval.is_zero()) {
            return Err(String::from("expected an interval of gossip above zero"));
        }
        if self.sync_interval.is_some_and(|interval| interval.is_zero()) {
            return Err(String::from("expected an interval of table comparisons above zero"));
        }
        Ok(())
    }

    /// How often one member passes a rumour on, in a group of `members`: `lambda · ceil(log10(n + 1))`.
    pub fn transmissions(&self, members: usize) -> u32 {
        self.lambda.saturating_mul(members.max(1).ilog10() + 1)
    }

    /// How long a suspect has to refute in a group of `members`: at least, and with LHA-Suspicion at first.
    pub fn suspicion_bounds(&self, members: usize) -> (Duration, Duration) {
        let scale = libm::log10(members.max(1) as f64).max(1.0);
        let least = self.period.mul_f64(f64::from(self.alpha) * scale);
        let most = if self.lifeguard.suspicion { least * self.beta } else { least };
        (least, most)
    }
}
