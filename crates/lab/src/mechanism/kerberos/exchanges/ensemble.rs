//! A centre, two services, clients, and perhaps an adversary through whose hands everything goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use synod_machine::{Effect, Mono, NodeId, RequestId};
use synod_protocols::kerberos::exchanges::{
    Acceptor, Adversary, AdversaryConfig, Centre, Client, ClientConfig, Command, Entry, ErrorCode, Event,
    Key, Packet, Party, Principal, ReplayCache, Reply, Service, Stamp, TICKET_GRANTING, invariants,
};
use synod_protocols::retry::RetryPolicy;
use synod_sim::{Boot, Clients, Step, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};

const CENTRE: NodeId = NodeId(1);
/// The services' nodes.
const SERVICES: [NodeId; 2] = [NodeId(2), NodeId(3)];
const ADVERSARY: NodeId = NodeId(4);
/// The first of the clients.
pub(super) const FIRST_CLIENT: u64 = 5;

/// For how long tickets are wanted and given.
const LIFETIME: Duration = Duration::from_secs(36_000);
/// After the heal every client that has not been let in yet asks, over and over.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The token of that timer; it is no node's.
const ALL: u64 = 0;
/// How much older an authenticator may be than the skew when it is accepted: what clocks are off by, and more.
const CLOCKS: Duration = Duration::from_secs(1);

/// How the parties are set up.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How far clocks may be apart.
    pub skew: Duration,
    /// How servers remember authenticators.
    pub cache: ReplayCache,
    /// Who is on the wire; nobody if there are no attacks and no keys.
    pub adversary: Option<AdversaryConfig>,
    /// How long a client pauses between accesses, at most.
    pub think: Duration,
    /// So many accesses to one service one after the other, of one client; for measuring.
    pub measured: Option<u64>,
    /// Whether services show who they are.
    pub mutual: Option<bool>,
}

/// All parties of a run.
#[derive(Debug)]
pub struct Parties {
    nodes: u64,
    setting: Setting,
    ledger: invariants::Ledger,
    /// When, in true time, an authenticator was made.
    made: BTreeMap<(Principal, Principal, Stamp), Mono>,
    /// Clients that were not let in since the heal; before it nothing.
    owed: Option<BTreeSet<NodeId>>,
    accesses: u64,
    packets: u64,
    answers: Answers,
}

#[derive(Debug, Default)]
struct Answers {
    authenticated: u64,
    failed: u64,
    no_answer: u64,
    replays_refused: u64,
    skews_refused: u64,
}

impl Parties {
    /// Parties of so many nodes.
    pub fn new(nodes: u64, setting: Setting) -> Self {
        Parties {
            nodes,
            setting,
            ledger: invariants::Ledger::default(),
            made: BTreeMap::new(),
            owed: None,
            accesses: 0,
            packets: 0,
            answers: Answers::default(),
        }
    }

    fn clients(&self) -> impl Iterator<Item = NodeId> + use<> {
        (FIRST_CLIENT..=self.nodes).map(NodeId)
    }

    fn wire(&self) -> Option<NodeId> {
        self.setting.adversary.as_ref().map(|_| ADVERSARY)
    }

    fn acceptor(&self, me: Principal) -> Acceptor {
        let mut acceptor = Acceptor::new(me);
        (acceptor.skew, acceptor.cache) = (self.setting.skew, self.setting.cache);
        acceptor
    }

    fn access(&mut self, node: NodeId, clients: &mut Clients<Party>) {
        self.accesses += 1;
        let service = match self.setting.measured {
            Some(_) => SERVICES[0],
            None => *clients.draw.pick(&SERVICES),
        };
        let mutual = self.setting.mutual.unwrap_or_else(|| clients.draw.below(4) > 0);
        clients.send(node.0, node, Command::Access { service: principal(service), mutual });
    }

    fn centre(&self) -> Centre {
        let entry = |requires_proof| Entry { key_version: 1, requires_proof };
        let services = SERVICES.iter().map(|node| (principal(*node), entry(false)));
        let users = self.clients().map(|node| (principal(node), entry(true)));
        Centre::new(services.chain(users).collect(), LIFETIME, self.acceptor(TICKET_GRANTING), self.wire())
    }

    fn client(&self, node: NodeId) -> Client {
        Client::new(ClientConfig {
            me: principal(node),
            key: long_term(principal(node)),
            centre: CENTRE,
            services: SERVICES.iter().map(|node| (principal(*node), *node)).collect(),
            wire: self.wire(),
            retry: RetryPolicy { attempts_max: Some(4), ..RetryPolicy::default() },
            proves: true,
            lifetime: LIFETIME,
        })
    }

    fn event(&mut self, event: &Event, step: &Step<'_, Party>) -> Result<(), Violation> {
        let violation = |(property, sentence): invariants::Broken| {
            Violation::new(property, [step.node], format!("{sentence} (e{})", step.number))
        };
        match *event {
            Event::Made { client, server, time } => drop(self.made.insert((client, server, time), step.time)),
            Event::Accepted { server, client, time, .. } => {
                let made = self.made.get(&(client, server, time)).copied().unwrap_or(step.time);
                let age = step.time - made;
                if age > self.setting.skew + CLOCKS {
                    let sentence =
                        format!("{server:?} has accepted an authenticator of {client:?} that is {age:?} old");
                    return Err(violation(("freshness", sentence)));
                }
            }
            Event::Refused(ErrorCode::Repeat) => self.answers.replays_refused += 1,
            Event::Refused(ErrorCode::Skew) => self.answers.skews_refused += 1,
            Event::Refused(_) | Event::Learnt(_) => {}
        }
        self.ledger.observe(event).map_err(violation)
    }
}

/// Who is at a node.
pub(super) fn principal(node: NodeId) -> Principal {
    Principal(u16::try_from(node.0).expect("worlds are small"))
}

/// The key of whoever it is.
fn long_term(owner: Principal) -> Key {
    Key::LongTerm { owner, version: 1 }
}

/// The keys that an adversary of that word has from the start.
pub(super) fn keys(word: &str) -> BTreeSet<Key> {
    match word {
        "service" => BTreeSet::from([long_term(principal(SERVICES[0]))]),
        "password" => BTreeSet::from([long_term(principal(NodeId(FIRST_CLIENT)))]),
        _ => BTreeSet::new(),
    }
}

impl Ensemble for Parties {
    type Machine = Party;

    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Party {
        match (boot.node, &self.setting.adversary) {
            (CENTRE, _) => Party::Centre(self.centre()),
            (ADVERSARY, Some(adversary)) => Party::Adversary(Adversary::new(adversary.clone())),
            (node, _) if node.0 < FIRST_CLIENT => {
                Party::Service(Service::new(self.acceptor(principal(node)), self.wire()))
            }
            (node, _) => Party::Client(self.client(node)),
        }
    }

    fn begin(&mut self, clients: &mut Clients<Party>) {
        for node in self.clients() {
            clients.after(Duration::from_millis(50), node.0);
        }
    }

    fn on_timer(&mut self, node: u64, clients: &mut Clients<Party>) -> Result<(), Violation> {
        if node == ALL {
            let owed: Vec<NodeId> = self.owed.iter().flatten().copied().collect();
            owed.into_iter().for_each(|node| self.access(node, clients));
            clients.after(ASK_AGAIN, ALL);
        } else if self.owed.is_none() {
            self.access(NodeId(node), clients);
            if self.setting.measured.is_none() {
                let pause = clients.draw.duration(Duration::ZERO, self.setting.think);
                clients.after(pause, node);
            }
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        _: RequestId,
        reply: Reply,
        clients: &mut Clients<Party>,
    ) -> Result<(), Violation> {
        match reply {
            Reply::Authenticated { .. } => {
                self.answers.authenticated += 1;
                if let Some(owed) = &mut self.owed {
                    owed.remove(&from);
                }
            }
            Reply::Failed(_) => self.answers.failed += 1,
            Reply::NoAnswer | Reply::Busy | Reply::Destroyed => self.answers.no_answer += 1,
        }
        if self.setting.measured.is_some_and(|accesses| self.accesses < accesses) {
            self.access(from, clients);
        }
        self.ledger
            .answered(principal(from), &reply)
            .map_err(|(property, sentence)| Violation::new(property, [from], sentence))
    }

    fn observe(&mut self, _: &Nodes<'_, Self>, step: &Step<'_, Party>) -> Result<(), Violation> {
        for effect in step.effects {
            match effect {
                Effect::Send { .. } => self.packets += 1,
                Effect::Emit(event) => self.event(event, step)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn heal(
        &mut self,
        _: &Nodes<'_, Self>,
        _: &[NodeId],
        clients: &mut Clients<Party>,
    ) -> Result<(), Violation> {
        self.owed = Some(self.clients().collect());
        clients.after(ASK_AGAIN, ALL);
        Ok(())
    }

    fn progressed(&mut self, _: &Nodes<'_, Self>, _: &[NodeId]) -> bool {
        self.owed.as_ref().is_some_and(BTreeSet::is_empty)
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("kerberos.packets", self.packets),
            ("kerberos.accepted", self.ledger.accepted()),
            ("kerberos.replays_refused", self.answers.replays_refused),
            ("kerberos.skews_refused", self.answers.skews_refused),
            ("client.authenticated", self.answers.authenticated),
            ("client.failed", self.answers.failed),
            ("client.no_answer", self.answers.no_answer),
        ]
    }

    fn message_kind(&self, packet: &Packet) -> &'static str {
        packet.name()
    }

    fn role(&self, party: &Party) -> char {
        match party {
            Party::Centre(_) => 'K',
            Party::Service(_) => 'S',
            Party::Adversary(_) => 'A',
            Party::Client(client) if client.is_busy() => 'c',
            Party::Client(_) => '·',
        }
    }
}
