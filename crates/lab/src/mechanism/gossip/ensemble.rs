//! The sites, their clients, and what must hold of them.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::{Effect, NodeId, RequestId};
use synod_protocols::gossip::anti_entropy::Message as Exchange;
use synod_protocols::gossip::epidemic::{Command, Config, Epidemic, Event, Message, Reply};
use synod_protocols::gossip::replica::{Entry, EntryVersion, Stamp};
use synod_sim::{Boot, Clients, Step, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};

/// A key of the workload.
pub type Key = u8;
/// A value, which tells who wrote it.
pub type Value = u64;
type Site = Epidemic<Key, Value>;

/// How clients use the sites.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Keys that they write.
    pub keys: u8,
    /// Time between two requests, at most.
    pub think: Duration,
    /// One request in so many is a deletion; zero: none.
    pub delete_one_in: u64,
    /// Requests stop after so long; then the epidemics come to rest.
    pub until: Duration,
}

/// All sites of a run.
#[derive(Debug)]
pub struct Sites {
    config: Config,
    nodes: u64,
    workload: Workload,
    /// Of each key the latest version that a client was told is durable.
    acknowledged: BTreeMap<Key, (Stamp, NodeId)>,
    asked: BTreeMap<RequestId, Key>,
    /// Of each site in its present life and each key the latest version that it had.
    latest: BTreeMap<(NodeId, Key), EntryVersion>,
    /// What each stamp was given to.
    given: BTreeMap<Stamp, Key>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    writes: u64,
    deletes: u64,
    news: u64,
    repaired: u64,
}

impl Sites {
    /// So many sites, alike but for their peers.
    pub fn new(nodes: u64, config: Config, workload: Workload) -> Self {
        Sites {
            config,
            nodes,
            workload,
            acknowledged: BTreeMap::new(),
            asked: BTreeMap::new(),
            latest: BTreeMap::new(),
            given: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// A site's versions do not go back while it is up.
    fn look(
        &mut self,
        site: NodeId,
        key: Key,
        entry: Option<&Entry<Value>>,
        step: u64,
    ) -> Result<(), Violation> {
        let Some(entry) = entry else { return Ok(()) };
        let found = entry.version();
        if let Some(latest) = self.latest.insert((site, key), found).filter(|latest| *latest > found) {
            let what = if latest.activated.is_some() { "the death of" } else { "a later version of" };
            return Err(Violation::new(
                "no resurrection",
                [site],
                format!(
                    "{site} had {what} key {key} ({:?}) and has an older one again ({:?}, e{step})",
                    latest.stamp, found.stamp
                ),
            ));
        }
        Ok(())
    }
}

impl Ensemble for Sites {
    type Machine = Site;

    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Site {
        let peers = (1..=self.nodes).map(NodeId).filter(|peer| *peer != boot.node).collect();
        Site::new(boot.node, Config { peers, ..self.config.clone() })
    }

    fn begin(&mut self, clients: &mut Clients<Site>) {
        clients.after(FIRST, 0);
    }

    fn on_timer(&mut self, _: u64, clients: &mut Clients<Site>) -> Result<(), Violation> {
        if clients.now().since_start() >= self.workload.until {
            return Ok(());
        }
        let site = NodeId(1 + clients.draw.below(self.nodes));
        let key = clients.draw.below(u64::from(self.workload.keys)) as Key;
        let delete = self.workload.delete_one_in > 0 && clients.draw.below(self.workload.delete_one_in) == 0;
        let command =
            if delete { Command::Delete(key) } else { Command::Write(key, clients.draw.bits() % 1_000) };
        let id = clients.send(0, site, command);
        self.asked.insert(id, key);
        let pause = clients.draw.duration(Duration::ZERO, self.workload.think);
        clients.after(pause, 0);
        if delete {
            self.counts.deletes += 1;
        } else {
            self.counts.writes += 1;
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: Reply<Value>,
        _: &mut Clients<Site>,
    ) -> Result<(), Violation> {
        let (Reply::Written(stamp), Some(key)) = (reply, self.asked.remove(&id)) else { return Ok(()) };
        let latest = self.acknowledged.entry(key).or_insert((stamp, from));
        *latest = (*latest).max((stamp, from));
        if let Some(before) = self.given.insert(stamp, key) {
            let sentence = format!("{from} gave the stamp {stamp:?} to key {before}, and now to key {key}");
            return Err(Violation::new("unique stamps", [from], sentence));
        }
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Site>) -> Result<(), Violation> {
        let Some(site) = nodes.machine(step.node) else { return Ok(()) };
        for effect in step.effects {
            match effect {
                Effect::Emit(Event::News(key, _)) => {
                    self.counts.news += 1;
                    self.look(step.node, *key, site.replica().entry(key), step.number)?;
                }
                Effect::Write { write: (key, _), .. } => {
                    self.look(step.node, *key, site.replica().entry(key), step.number)?;
                }
                Effect::Note { name: "gossip.repaired", value } => self.counts.repaired += value,
                _ => {}
            }
        }
        Ok(())
    }

    fn crashed(&mut self, node: NodeId) {
        // What was not durable may be gone.
        self.latest.retain(|(site, _), _| *site != node);
    }

    /// All survivors hold the same, and all that was acknowledged.
    fn progressed(&mut self, nodes: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        let sites: Vec<&Site> = survivors.iter().filter_map(|node| nodes.machine(*node)).collect();
        let Some(first) = sites.first() else { return false };
        sites.len() == survivors.len()
            && sites.iter().all(|site| site.replica().tree() == first.replica().tree())
    }

    fn check_end(&mut self, nodes: &Nodes<'_, Self>) -> Result<(), Violation> {
        for (key, (stamp, site)) in &self.acknowledged {
            // The site that acknowledged has it on disk, or a later one, unless its disk is gone.
            let Some(machine) = nodes.machine(*site).filter(|_| !nodes.lost(*site)) else { continue };
            let kept = machine.replica().entry(key).is_some_and(|entry| entry.stamp >= *stamp);
            if !kept {
                let sentence = format!("{site} acknowledged key {key} at {stamp:?} and has forgotten it");
                return Err(Violation::new("durability", [*site], sentence));
            }
        }
        Ok(())
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("client.writes", self.counts.writes),
            ("client.deletes", self.counts.deletes),
            ("gossip.news", self.counts.news),
            ("gossip.found by comparison", self.counts.repaired),
        ]
    }

    fn message_kind(&self, message: &Message<Key, Value>) -> &'static str {
        match message {
            Message::Rumors { .. } => "rumor",
            Message::Heard { .. } => "heard",
            Message::Ask => "ask",
            Message::Exchange(Exchange::Root { .. } | Exchange::Tree { .. }) => "digests",
            Message::Exchange(Exchange::Versions { .. }) => "versions",
            Message::Exchange(Exchange::Want(_)) => "want",
            Message::Exchange(Exchange::Entries(_) | Exchange::Everything { .. }) => "entries",
        }
    }

    fn role(&self, site: &Site) -> char {
        if site.hot() > 0 { 'I' } else { '·' }
    }
}

/// When clients begin: everybody is up then.
const FIRST: Duration = Duration::from_millis(20);
