//! An epidemic: rumors that are quick, backed by anti-entropy that is sure.
//!
//! # The problem
//!
//! A database at many sites, each of which takes writes. They are to reach all sites soon, at little cost, and *all* of them in the end.
//!
//! # The rules
//!
//! Demers et al. 1987, section 1.5. A write is a hot [rumor](super::rumor) at its site. Everybody who hears it for the first time spreads it in turn, until interest is lost.
//! Now and then each site [compares](super::anti_entropy) its [replica](super::replica) with that of a random other, which finds what the rumors missed. What is found there is made a rumor again,
//! if [`Config::redistribute`] says so: right when rumors have failed badly, since then many sites lack it.
//!
//! Deletions are death certificates, and travel like writes.
//!
//! *Durability.* A write is logged; nobody, neither client nor site, hears of it before it is durable. What comes from others is logged too, but nothing waits for it: who loses it in a crash is as
//! one who has not heard. *Compaction.* When the log is much longer than what it says, it is written anew.
//!
//! # What is guaranteed
//!
//! If anti-entropy is on: every write whose site lives, or has told anyone, reaches every site that can be reached now and then, and when writes cease, all replicas become equal (eventual consistency, with the last writer
//! winning). A deleted key stays deleted within the lifetime of certificates. Without anti-entropy some sites may never hear: the residue.
//!
//! # What is assumed
//!
//! Of the network: nothing, only that messages between any two sites sometimes arrive. Writes survive crashes once they are durable. Wall clocks are within much less than the certificates' lifetimes of each other.
//!
//! # What it costs
//!
//! See rumors and anti-entropy. When nothing is new, push rumors are silent; a comparison by Merkle tree is one message a cycle and site. One write a version and site, none of them waited for but that of the
//! site where it is made.
//!
//! # What is left out
//!
//! Membership: sites are given. Choosing near partners more often (section 3).

mod types;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Context, Data, Effects, Input, Machine, Needs, Never, NodeId, RequestId, Ticket, View};

use super::anti_entropy::{Exchange, ITEMS_MAX, Message as ExchangeMessage};
use super::replica::{Applied, Entry, EntryVersion, Replica};
use super::rumor::{Interest, Policy, Removal};
use crate::merkle::Range;

pub use types::{AntiEntropy, Command, Config, Event, Message, Reply, Timer};

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// The log is written anew when it has so many entries more than twice those that it says.
const LOG_SLACK_ENTRIES: u64 = 1_024;
/// Certificates are looked at so many times in their active life.
const LOOKS_A_LIFETIME: u32 = 8;

/// One site.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epidemic<K: Ord, V> {
    config: Config,
    replica: Replica<K, V>,
    /// Rumors that this site spreads.
    hot: BTreeMap<K, Hot>,
    /// The last write that was made here and is not durable yet: until it is, this site is silent.
    unsynced: Option<Ticket>,
    /// Writes in the log.
    logged: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Hot {
    version: EntryVersion,
    interest: Interest,
}

impl<K: Data + Ord, V: Data> Epidemic<K, V> {
    /// A site that holds nothing yet.
    pub fn new(me: NodeId, config: Config) -> Self {
        let replica = Replica::new(me, config.lifetimes, config.levels);
        Epidemic { config, replica, hot: BTreeMap::new(), unsynced: None, logged: 0 }
    }

    /// The site's keys.
    pub fn replica(&self) -> &Replica<K, V> {
        &self.replica
    }

    /// Whether this site spreads that key's version as a rumor.
    pub fn is_hot(&self, key: &K) -> bool {
        self.hot.contains_key(key)
    }

    /// How many rumors it spreads.
    pub fn hot(&self) -> usize {
        self.hot.len()
    }

    fn restore(&mut self, saved: Vec<(K, Entry<V>)>, wall: Duration) {
        self.logged = saved.len() as u64;
        for (key, entry) in saved {
            self.replica.restore(key, entry, wall);
        }
        self.replica.expire(wall);
    }

    fn wait(&self, fx: &mut Effects<'_, Self>) {
        self.wait_for_rumors(fx);
        if self.config.anti_entropy.is_some() {
            fx.arm(Timer::AntiEntropy, spread(self.config.anti_entropy_cycle));
        }
        let look = self.config.lifetimes.active / LOOKS_A_LIFETIME;
        fx.arm(Timer::Expire, look..=look);
    }

    /// Who only pushes is quiet when there is no news.
    fn wait_for_rumors(&self, fx: &mut Effects<'_, Self>) {
        if self.config.rumor.is_some_and(|policy| policy.direction.pulls() || !self.hot.is_empty()) {
            fx.arm(Timer::Rumor, spread(self.config.rumor_cycle));
        }
    }

    fn command(&mut self, id: RequestId, command: Command<K, V>, wall: Duration, fx: &mut Effects<'_, Self>) {
        let (key, entry) = match command {
            Command::Read(key) => {
                let value = self.replica.get(&key).cloned();
                // What is not durable here must not be seen by anybody.
                self.held(fx, |fx| fx.reply(id, Reply::Value(value)));
                return;
            }
            Command::Write(key, value) => (key.clone(), self.replica.write(key, value, wall)),
            Command::Delete(key) => {
                let retention = self.retention(fx);
                (key.clone(), self.replica.delete(key, retention, wall))
            }
        };
        let ticket = self.log(&key, fx);
        self.unsynced = ticket.or(self.unsynced);
        self.heat(key, fx);
        self.held(fx, |fx| fx.reply(id, Reply::Written(entry.stamp)));
    }

    /// Draws the sites where a certificate sleeps, from all.
    fn retention(&self, fx: &mut Effects<'_, Self>) -> BTreeSet<NodeId> {
        let mut sites = self.config.peers.clone();
        let mut drawn = BTreeSet::new();
        while drawn.len() < self.config.retention_sites && !sites.is_empty() {
            let place = fx.choose("retention site", sites.len() as u32);
            drawn.insert(sites.swap_remove(place as usize));
        }
        drawn
    }

    /// Takes versions in; gives those that were news and those that were not.
    fn take(
        &mut self,
        entries: Vec<(K, Entry<V>)>,
        spread: bool,
        wall: Duration,
        fx: &mut Effects<'_, Self>,
    ) -> (Vec<(K, EntryVersion)>, Vec<(K, EntryVersion)>) {
        let (mut needed, mut known) = (Vec::new(), Vec::new());
        for (key, entry) in entries {
            let version = entry.version();
            match self.replica.apply(key.clone(), entry, wall) {
                Applied::News => {
                    self.log(&key, fx);
                    fx.emit(Event::News(key.clone(), version));
                    if spread {
                        self.heat(key.clone(), fx);
                    }
                    needed.push((key, version));
                }
                Applied::Awakened => {
                    fx.note("gossip.awakened", 1);
                    self.log(&key, fx);
                    self.heat(key.clone(), fx);
                    known.push((key, version));
                }
                Applied::Known | Applied::Obsolete | Applied::Expired => known.push((key, version)),
            }
        }
        (needed, known)
    }

    /// A version becomes a hot rumor.
    fn heat(&mut self, key: K, fx: &mut Effects<'_, Self>) {
        let Some(version) = self.replica.entry(&key).map(Entry::version) else { return };
        let Some(policy) = self.config.rumor else { return };
        // Who pulls has its deadline armed at all times.
        let quiet = self.hot.is_empty() && !policy.direction.pulls();
        self.hot.insert(key, Hot { version, interest: Interest::default() });
        if quiet {
            self.wait_for_rumors(fx);
        }
    }

    /// One cycle of a rumor monger.
    fn monger(&mut self, policy: Policy, fx: &mut Effects<'_, Self>) {
        let Some(partner) = self.partner("rumor partner", fx) else { return };
        if policy.direction.pushes() && !self.hot.is_empty() {
            self.tell(partner, policy, fx);
        }
        if policy.direction.pulls() {
            self.held(fx, |fx| fx.send(partner, Message::Ask));
        }
        self.wait_for_rumors(fx);
    }

    /// Tells all hot rumors that fit into a message.
    fn tell(&mut self, to: NodeId, policy: Policy, fx: &mut Effects<'_, Self>) {
        // A rumor whose version was replaced or fell asleep is none any more.
        let Self { hot, replica, .. } = self;
        hot.retain(|key, hot| replica.entry(key).is_some_and(|entry| entry.version() == hot.version));
        let told = self.hot.keys().take(ITEMS_MAX);
        let entries: Vec<(K, Entry<V>)> =
            told.filter_map(|key| Some((key.clone(), self.replica.entry(key)?.clone()))).collect();
        let versions: Vec<(K, EntryVersion)> =
            entries.iter().map(|(key, entry)| (key.clone(), entry.version())).collect();
        fx.note("gossip.rumors", entries.len() as u64);
        self.held(fx, |fx| fx.send(to, Message::Rumors { entries, feedback: policy.feedback }));
        if !policy.feedback {
            self.contacted(policy, &versions, false, fx);
        }
    }

    /// A contact counts towards losing interest, or sets it back.
    fn contacted(
        &mut self,
        policy: Policy,
        versions: &[(K, EntryVersion)],
        needed: bool,
        fx: &mut Effects<'_, Self>,
    ) {
        let sides = match policy.removal {
            Removal::Coin(k) => k.max(1),
            Removal::Counter(_) => 1,
        };
        for (key, version) in versions {
            let Some(hot) = self.hot.get_mut(key).filter(|hot| hot.version == *version) else { continue };
            if !hot.interest.contacted(&policy, needed, &mut || fx.choose("coin", sides) == 0) {
                self.hot.remove(key);
                fx.note("gossip.removed", 1);
                fx.emit(Event::Removed(key.clone()));
            }
        }
    }

    fn receive(&mut self, from: NodeId, message: Message<K, V>, wall: Duration, fx: &mut Effects<'_, Self>) {
        match (message, self.config.rumor) {
            (Message::Rumors { entries, feedback }, _) => {
                let (needed, known) = self.take(entries, true, wall, fx);
                if feedback {
                    self.held(fx, |fx| fx.send(from, Message::Heard { needed, known }));
                }
            }
            (Message::Heard { needed, known }, Some(policy)) => {
                self.contacted(policy, &needed, true, fx);
                self.contacted(policy, &known, false, fx);
            }
            (Message::Ask, Some(policy)) => {
                if !self.hot.is_empty() {
                    self.tell(from, policy, fx);
                }
            }
            (Message::Heard { .. } | Message::Ask, None) => {}
            (Message::Exchange(message), _) => self.exchange(from, message, wall, fx),
        }
    }

    fn exchange(
        &mut self,
        from: NodeId,
        message: ExchangeMessage<K, V>,
        wall: Duration,
        fx: &mut Effects<'_, Self>,
    ) {
        if let ExchangeMessage::Entries(entries) | ExchangeMessage::Everything { entries, .. } = &message {
            let (needed, _) = self.take(entries.clone(), self.config.redistribute, wall, fx);
            fx.note("gossip.repaired", needed.len() as u64);
        }
        let answers = Exchange { replica: &self.replica, wall }.answer(&message);
        self.held(fx, |fx| {
            answers.into_iter().for_each(|answer| fx.send(from, Message::Exchange(answer)));
        });
    }

    fn compare(&mut self, anti_entropy: AntiEntropy, wall: Duration, fx: &mut Effects<'_, Self>) {
        fx.arm(Timer::AntiEntropy, spread(self.config.anti_entropy_cycle));
        let Some(partner) = self.partner("anti-entropy partner", fx) else { return };
        let AntiEntropy { direction, comparison } = anti_entropy;
        let messages = Exchange { replica: &self.replica, wall }.begin(direction, comparison);
        self.held(fx, |fx| {
            messages.into_iter().for_each(|message| fx.send(partner, Message::Exchange(message)));
        });
    }

    fn partner(&self, label: &'static str, fx: &mut Effects<'_, Self>) -> Option<NodeId> {
        let peers = &self.config.peers;
        if peers.is_empty() {
            return None;
        }
        peers.get(fx.choose(label, peers.len() as u32) as usize).copied()
    }

    fn log(&mut self, key: &K, fx: &mut Effects<'_, Self>) -> Option<Ticket> {
        let entry = self.replica.entry(key)?.clone();
        let ticket = fx.write((key.clone(), entry));
        self.logged += 1;
        if self.logged > 2 * self.replica.len() as u64 + LOG_SLACK_ENTRIES {
            return Some(self.compact(fx).unwrap_or(ticket));
        }
        Some(ticket)
    }

    /// Writes the log anew; gives its last ticket.
    fn compact(&mut self, fx: &mut Effects<'_, Self>) -> Option<Ticket> {
        let entries = self.replica.entries().map(|(key, entry)| (key.clone(), entry.clone()));
        let tickets: Vec<Ticket> = entries.map(|write| fx.write(write)).collect();
        fx.forget(*tickets.first()?);
        self.logged = tickets.len() as u64;
        tickets.last().copied()
    }

    /// What is said now leaves when the last write of this site is durable.
    fn held(&self, fx: &mut Effects<'_, Self>, act: impl FnOnce(&mut Effects<'_, Self>)) {
        match self.unsynced {
            Some(ticket) => fx.hold(ticket, act),
            None => act(fx),
        }
    }
}

/// A cycle, drawn a little shorter or longer, so that sites do not act in step.
fn spread(cycle: Duration) -> core::ops::RangeInclusive<Duration> {
    cycle * 3 / 4..=cycle * 5 / 4
}

impl<K: Data + Ord, V: Data> Machine for Epidemic<K, V> {
    type Message = Message<K, V>;
    type Timer = Timer;
    type Command = Command<K, V>;
    type Reply = Reply<V>;
    type Event = Event<K>;
    type Write = (K, Entry<V>);
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
        let wall = cx.wall.since_epoch;
        match input {
            Input::Start { saved } => {
                self.restore(saved, wall);
                self.wait(fx);
            }
            Input::Receive { from, message } if self.config.peers.contains(&from) => {
                self.receive(from, message, wall, fx);
            }
            Input::Receive { .. } => fx.note("gossip.nonsense", 1),
            Input::Command { id, command } => self.command(id, command, wall, fx),
            Input::Fire(Timer::Rumor) => {
                if let Some(policy) = self.config.rumor {
                    self.monger(policy, fx);
                }
            }
            Input::Fire(Timer::AntiEntropy) => {
                if let Some(anti_entropy) = self.config.anti_entropy {
                    self.compare(anti_entropy, wall, fx);
                }
            }
            Input::Fire(Timer::Expire) => {
                let gone = self.replica.expire(wall);
                fx.note("gossip.expired", gone as u64);
                let look = self.config.lifetimes.active / LOOKS_A_LIFETIME;
                fx.arm(Timer::Expire, look..=look);
            }
            Input::Durable(ticket) => self.unsynced = self.unsynced.filter(|last| *last > ticket),
            Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("keys", self.replica.len());
        view.show("hot", self.hot.keys());
        view.show("digest", self.replica.tree().digest(Range::ALL));
    }
}
