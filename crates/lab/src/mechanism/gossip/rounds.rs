//! Epidemics of one update in synchronous cycles, for a thousand sites or a million: the model of Demers et al. 1987.
//!
//! The rules of interest are the mechanism's own (`protocols::gossip::rumor`). What is left out is the network: in each cycle everybody acts at once, on what was so at the
//! cycle's beginning. A site takes a byte, eight more while it is infective, and two while it is asked.

use synod_protocols::gossip::rumor::{Direction, Interest, Policy, Removal};
use synod_sim::Stream;

/// What came of one rumor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The share of sites that never heard.
    pub residue: f64,
    /// Updates sent a site.
    pub traffic: f64,
    /// Cycles until a site heard, on average over those that did.
    pub average_delay: f64,
    /// Cycles until the last that heard did.
    pub last_delay: u64,
    /// Cycles until nobody was infective.
    pub cycles: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Susceptible,
    Infective,
    Removed,
}

/// An infective site, and what the cycle brought it.
#[derive(Clone, Copy, Debug)]
struct Monger {
    site: u32,
    interest: Interest,
}

struct Rumor<'a> {
    policy: Policy,
    states: Vec<State>,
    mongers: Vec<Monger>,
    /// Sites that hear in this cycle.
    fresh: Vec<u32>,
    sent: u64,
    stream: &'a mut Stream,
}

/// One rumor from one site among `sites`, until nobody is infective.
pub fn rumor(sites: u32, policy: Policy, stream: &mut Stream) -> Outcome {
    let mut rumor = Rumor {
        policy,
        states: vec![State::Susceptible; sites as usize],
        mongers: Vec::new(),
        fresh: Vec::new(),
        sent: 0,
        stream,
    };
    let origin = rumor.stream.below(u64::from(sites)) as u32;
    rumor.infect(origin);
    let (mut cycle, mut heard, mut delays, mut last) = (0_u64, 1_u64, 0_u64, 0_u64);
    while !rumor.mongers.is_empty() {
        cycle += 1;
        let fresh = rumor.cycle();
        if fresh > 0 {
            last = cycle;
            heard += fresh;
            delays += fresh * cycle;
        }
    }
    Outcome {
        residue: (u64::from(sites) - heard) as f64 / f64::from(sites),
        traffic: rumor.sent as f64 / f64::from(sites),
        average_delay: delays as f64 / heard as f64,
        last_delay: last,
        cycles: cycle,
    }
}

impl Rumor<'_> {
    fn infect(&mut self, site: u32) {
        self.states[site as usize] = State::Infective;
        self.mongers.push(Monger { site, interest: Interest::default() });
    }

    /// One cycle; gives how many heard.
    fn cycle(&mut self) -> u64 {
        let mut mongers = std::mem::take(&mut self.mongers);
        if self.policy.direction.pulls() {
            self.meet(&mut mongers);
        } else {
            mongers.retain_mut(|monger| self.push(monger));
        }
        self.mongers = mongers;
        let mut heard = 0;
        for site in std::mem::take(&mut self.fresh) {
            if self.states[site as usize] == State::Susceptible {
                self.infect(site);
                heard += 1;
            }
        }
        heard
    }

    /// Tells a random other site; whether the rumor stays hot.
    fn push(&mut self, monger: &mut Monger) -> bool {
        let partner = self.partner(monger.site);
        let needed = self.tell(partner);
        self.contacted(monger, needed)
    }

    /// Every site meets a random other and asks it; if they push as well, it also tells. A site that is asked by several counts them once.
    fn meet(&mut self, mongers: &mut Vec<Monger>) {
        let pushes = self.policy.direction.pushes();
        let sites = self.states.len();
        // By site: no contact, only useless ones, or a useful one.
        let mut asked: Vec<Option<bool>> = vec![None; sites];
        let mut told: Vec<Option<bool>> = vec![None; if pushes { sites } else { 0 }];
        for site in 0..sites as u32 {
            let partner = self.partner(site);
            if pushes && self.states[site as usize] == State::Infective {
                told[site as usize] = Some(self.tell(partner));
            }
            if self.states[partner as usize] == State::Infective {
                let needed = self.tell(site);
                let known = &mut asked[partner as usize];
                *known = Some(known.unwrap_or(false) || needed);
            }
        }
        mongers.retain_mut(|monger| {
            let place = monger.site as usize;
            let contacts = [told.get(place).copied().flatten(), asked[place]];
            contacts.into_iter().flatten().all(|needed| self.contacted(monger, needed))
        });
    }

    /// Sends the update; whether it was needed, as of the cycle's beginning.
    fn tell(&mut self, site: u32) -> bool {
        self.sent += 1;
        let needed = self.states[site as usize] == State::Susceptible;
        if needed {
            self.fresh.push(site);
        }
        needed
    }

    fn contacted(&mut self, monger: &mut Monger, needed: bool) -> bool {
        let sides = match self.policy.removal {
            Removal::Coin(k) => u64::from(k),
            Removal::Counter(_) => 1,
        };
        let stream = &mut *self.stream;
        let hot = monger.interest.contacted(&self.policy, needed, &mut || stream.below(sides) == 0);
        if !hot {
            self.states[monger.site as usize] = State::Removed;
        }
        hot
    }

    fn partner(&mut self, site: u32) -> u32 {
        other(site, self.states.len() as u32, self.stream)
    }
}

/// A site other than this one, uniformly.
pub fn other(site: u32, sites: u32, stream: &mut Stream) -> u32 {
    let drawn = stream.below(u64::from(sites) - 1) as u32;
    if drawn >= site { drawn + 1 } else { drawn }
}

/// Cycles of anti-entropy until all of `sites` have an update that one had.
pub fn anti_entropy(sites: u32, direction: Direction, stream: &mut Stream) -> u64 {
    let mut has = vec![false; sites as usize];
    has[stream.below(u64::from(sites)) as usize] = true;
    let (mut left, mut cycles) = (sites - 1, 0);
    let mut fresh = Vec::new();
    while left > 0 {
        cycles += 1;
        for site in 0..sites {
            let partner = other(site, sites, stream);
            let (mine, theirs) = (has[site as usize], has[partner as usize]);
            if direction.pushes() && mine && !theirs {
                fresh.push(partner);
            }
            if direction.pulls() && theirs && !mine {
                fresh.push(site);
            }
        }
        for site in fresh.drain(..) {
            if !std::mem::replace(&mut has[site as usize], true) {
                left -= 1;
            }
        }
    }
    cycles
}
