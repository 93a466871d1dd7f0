//! Golden scripts: a user, the key distribution centre, two services and an adversary steered by hand. Run the tests with `UPDATE_GOLDENFILES=1` to write
//! their output anew, and read what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use goldenscript::ArgumentConsumer;
use synod_machine::NodeId;
use synod_protocols::kerberos::exchanges::*;
use synod_protocols::retry::RetryPolicy;

use crate::steered::{Outcome, Script, Stage};

const ALICE: Principal = Principal(7);
const FILES: Principal = Principal(1);
const MAIL: Principal = Principal(2);

const CLIENT: NodeId = NodeId(1);
const CENTRE: NodeId = NodeId(2);
const FILE_SERVER: NodeId = NodeId(3);
const MAIL_SERVER: NodeId = NodeId(4);
const WIRE: NodeId = NodeId(5);

#[derive(Default)]
struct World {
    cache: ReplayCache,
    attack: Option<Attack>,
    keys: BTreeSet<Key>,
    password: u32,
    proves: bool,
    lifetime: Duration,
    ledger: invariants::Ledger,
}

impl World {
    fn acceptor(&self, me: Principal) -> Acceptor {
        let mut acceptor = Acceptor::new(me);
        acceptor.cache = self.cache;
        acceptor
    }

    fn wire(&self) -> Option<NodeId> {
        self.attack.map(|_| WIRE)
    }
}

fn long_term(owner: Principal, version: u32) -> Key {
    Key::LongTerm { owner, version }
}

impl Stage for World {
    type Machine = Party;

    /// `world cache=none|memory|durable attack=repeat|… knows=files password=wrong proof=on-demand lifetime=60`.
    fn found(
        &mut self,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Outcome<Option<Vec<(NodeId, Party)>>> {
        if name != "world" {
            return Ok(None);
        }
        self.cache = match args.take_key("cache") {
            Some("none") => ReplayCache::None,
            Some("durable") => ReplayCache::Durable,
            _ => ReplayCache::Memory,
        };
        self.attack = args.take_key("attack").map(|name| match name {
            "repeat" => Attack::Repeat,
            "damage" => Attack::Damage,
            "redirect" => Attack::Redirect,
            "substitute" => Attack::Substitute,
            "reflect" => Attack::Reflect,
            "splice" => Attack::Splice,
            _ => Attack::Impersonate,
        });
        self.keys = args.take_key("knows").map(|_| long_term(FILES, 1)).into_iter().collect();
        self.password = if args.take_key("password").is_some() { 9 } else { 1 };
        self.proves = args.take_key("proof") != Some("on-demand");
        self.lifetime = Duration::from_secs(args.take_key("lifetime").map_or(Ok(36_000), str::parse)?);
        let mut nodes = vec![CLIENT, CENTRE, FILE_SERVER, MAIL_SERVER];
        nodes.extend(self.wire());
        Ok(Some(nodes.into_iter().map(|node| (node, self.again(node))).collect()))
    }

    fn again(&mut self, node: NodeId) -> Party {
        match node {
            CLIENT => Party::Client(Client::new(ClientConfig {
                me: ALICE,
                key: long_term(ALICE, self.password),
                centre: CENTRE,
                services: BTreeMap::from([(FILES, FILE_SERVER), (MAIL, MAIL_SERVER)]),
                wire: self.wire(),
                retry: RetryPolicy { spread_percent: 0, attempts_max: Some(3), ..RetryPolicy::default() },
                proves: self.proves,
                lifetime: self.lifetime,
            })),
            CENTRE => {
                let entry = |requires_proof| Entry { key_version: 1, requires_proof };
                let principals = [(ALICE, entry(true)), (FILES, entry(false)), (MAIL, entry(false))];
                let granting = self.acceptor(TICKET_GRANTING);
                Party::Centre(Centre::new(
                    principals.into(),
                    Duration::from_secs(36_000),
                    granting,
                    self.wire(),
                ))
            }
            FILE_SERVER => Party::Service(Service::new(self.acceptor(FILES), self.wire())),
            MAIL_SERVER => Party::Service(Service::new(self.acceptor(MAIL), self.wire())),
            _ => Party::Adversary(Adversary::new(AdversaryConfig {
                attacks: self.attack.into_iter().collect(),
                attacks_percent: 100,
                keys: self.keys.clone(),
                delay: Duration::from_secs(400),
            })),
        }
    }

    /// `access n1 files`, `access n1 mail one-way`, `destroy n1`.
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Outcome<Command> {
        match name {
            "access" => {
                let service = match args.next_pos() {
                    Some("files") => FILES,
                    Some("mail") => MAIL,
                    _ => Principal(99),
                };
                Ok(Command::Access { service, mutual: args.next_pos().is_none() })
            }
            "destroy" => Ok(Command::Destroy),
            other => Err(format!("no such command: {other}").into()),
        }
    }

    fn timer(&mut self, text: &str) -> Outcome<Timer> {
        Ok(if text == "release" { Timer::Release } else { Timer::Retry })
    }

    fn message(&self, packet: &Packet) -> (String, String) {
        let text = match &packet.body {
            Body::AsRequest { client, server, proof, .. } => {
                let proof =
                    if proof.is_some() { format!(" proof {{time}}K({client:?})") } else { String::new() };
                format!("I am {client:?}, a ticket for {server:?} please{proof}")
            }
            Body::AsReply { ticket, part, .. } | Body::TgsReply { ticket, part, .. } => {
                format!("ticket {} and key {}", sealed(ticket), sealed(part))
            }
            Body::TgsRequest { ticket, authenticator, body } => {
                format!("ticket {}, {}, for {:?}", sealed(ticket), sealed(authenticator), body.server)
            }
            Body::ApRequest { ticket, authenticator, mutual } => {
                let mutual = if *mutual { ", and you?" } else { "" };
                format!("ticket {}, {}{mutual}", sealed(ticket), sealed(authenticator))
            }
            Body::ApReply { part } => sealed(part),
            Body::Error(code) => format!("{} {code:?}", code.number()),
        };
        (packet.name().to_owned(), format!("[{}→{}] {text}", packet.source, packet.destination))
    }

    fn reply(&self, reply: &Reply) -> String {
        match reply {
            Reply::Authenticated { mutual: true, session, .. } => {
                format!("both are who they say, by {session:?}")
            }
            Reply::Authenticated { session, .. } => format!("shown by {session:?}"),
            Reply::Failed(code) => format!("failed: {} {code:?}", code.number()),
            other => format!("{other:?}"),
        }
    }

    fn event(&self, event: &Event) -> String {
        match event {
            Event::Made { client, server, time } => {
                format!("as {client:?} makes an authenticator for {server:?} at {time}")
            }
            Event::Accepted { server, client, time, .. } => {
                format!("ACCEPTS {client:?} at {server:?} by {time}")
            }
            Event::Refused(code) => format!("refuses: {} {code:?}", code.number()),
            Event::Learnt(key) => format!("learns {key:?}"),
        }
    }

    fn seen(&mut self, _: NodeId, event: &Event) -> Result<(), String> {
        self.ledger.observe(event).map_err(|(property, sentence)| format!("{property}: {sentence}"))
    }

    fn replied(&mut self, _: NodeId, reply: &Reply) -> Result<(), String> {
        self.ledger.answered(ALICE, reply).map_err(|(property, sentence)| format!("{property}: {sentence}"))
    }

    fn status(&self, party: &Party) -> String {
        match party {
            Party::Client(client) => {
                let tickets: Vec<String> =
                    client.tickets().map(|(server, end)| format!("{server:?} until {end}")).collect();
                format!("{:?} has tickets [{}]", client.principal(), tickets.join(", "))
            }
            Party::Centre(_) => "key distribution centre".to_owned(),
            Party::Service(service) => {
                format!(
                    "{:?} remembers {} authenticators",
                    service.acceptor().me,
                    service.acceptor().remembered()
                )
            }
            Party::Adversary(adversary) => format!("adversary knows {:?}", adversary.keys()),
        }
    }
}

/// What is inside, and under which key, without the times.
fn sealed<T: std::fmt::Debug>(term: &Sealed<T>) -> String {
    let text = format!("{term:?}");
    let (inside, key) = text.rsplit_once('}').unwrap_or((&text, ""));
    let name = inside.trim_start_matches("damaged ").trim_start_matches('{');
    let name = name.split([' ', '(']).next().unwrap_or_default().to_lowercase();
    let mark = if text.starts_with("damaged") { "damaged " } else { "" };
    format!("{mark}{{{name}}}{key}")
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kerberos/scripts");
    let files = std::fs::read_dir(folder).expect("the scripts are beside the tests");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= 9, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script: Script<World> = Script::default();
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
