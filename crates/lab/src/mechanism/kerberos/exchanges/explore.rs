//! Every choice of an adversary, and every order of events, in one access: a client, the centre and a service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::kerberos::exchanges::{
    Acceptor, Adversary, AdversaryConfig, Attack, Centre, Client, ClientConfig, Command, Entry, Key, Party,
    Principal, ReplayCache, Service, TICKET_GRANTING, invariants,
};
use synod_protocols::retry::RetryPolicy;
use synod_sim::explore::{Budgets, Observation, SmallWorld};

use crate::entry::{Exploration, Parameter};

/// The worlds of the catalogue.
pub(super) static EXPLORATIONS: [Exploration; 3] = [
    Exploration {
        name: "adversary",
        sentence: "One access, and an adversary that may do this one thing to every packet. What repeats packets goes on for long: bound it by --states-max.",
        parameters: &[Parameter::word(
            "attack",
            &[
                "damage",
                "lose",
                "hold-back",
                "repeat",
                "splice",
                "redirect",
                "substitute",
                "reflect",
                "impersonate",
            ],
            "What it may do.",
        )],
        run: |settings, explore, progress| {
            let attack = attack(&settings.word("attack"));
            explore.run_with(&world(ReplayCache::Memory, &[attack], false), progress)
        },
        ..Exploration::EMPTY
    },
    Exploration {
        name: "known-key",
        sentence: "One access, and an adversary that has the service's key and impersonates it.",
        violates: Some("secrecy"),
        run: |_, explore, progress| {
            explore.run_with(&world(ReplayCache::Memory, &[Attack::Impersonate], true), progress)
        },
        ..Exploration::EMPTY
    },
    Exploration {
        name: "no-replay-cache",
        sentence: "One access, and an adversary that may repeat every packet, where services remember nothing.",
        violates: Some("no replay"),
        run: |_, explore, progress| {
            explore.run_with(&world(ReplayCache::None, &[Attack::Repeat], false), progress)
        },
        ..Exploration::EMPTY
    },
];

fn attack(word: &str) -> Attack {
    match word {
        "lose" => Attack::Lose,
        "hold-back" => Attack::HoldBack,
        "repeat" => Attack::Repeat,
        "splice" => Attack::Splice,
        "redirect" => Attack::Redirect,
        "substitute" => Attack::Substitute,
        "reflect" => Attack::Reflect,
        "impersonate" => Attack::Impersonate,
        _ => Attack::Damage,
    }
}

const CENTRE: NodeId = NodeId(1);
const SERVICE: NodeId = NodeId(2);
const ADVERSARY: NodeId = NodeId(3);
const CLIENT: NodeId = NodeId(4);
const ALICE: Principal = Principal(4);
const FILES: Principal = Principal(2);
const HOURS: Duration = Duration::from_secs(36_000);
/// Packets after which nothing more is looked at; an access in peace takes six.
const PACKETS_MAX: usize = 8;

/// What was made and accepted, and the first property that was violated.
#[derive(Clone, Debug, Default, Hash)]
struct Seen {
    ledger: invariants::Ledger,
    broken: Option<invariants::Broken>,
}

fn long_term(owner: Principal) -> Key {
    Key::LongTerm { owner, version: 1 }
}

fn party(node: NodeId, cache: ReplayCache, attacks: &BTreeSet<Attack>, keys: &BTreeSet<Key>) -> Party {
    let acceptor = |me| {
        let mut acceptor = Acceptor::new(me);
        acceptor.cache = cache;
        acceptor
    };
    let wire = Some(ADVERSARY);
    match node {
        CENTRE => {
            let entry = |requires_proof| Entry { key_version: 1, requires_proof };
            let principals = BTreeMap::from([(ALICE, entry(true)), (FILES, entry(false))]);
            Party::Centre(Centre::new(principals, HOURS, acceptor(TICKET_GRANTING), wire))
        }
        SERVICE => Party::Service(Service::new(acceptor(FILES), wire)),
        ADVERSARY => Party::Adversary(Adversary::new(AdversaryConfig {
            attacks: attacks.clone(),
            attacks_percent: 100,
            keys: keys.clone(),
            delay: HOURS,
        })),
        _ => Party::Client(Client::new(ClientConfig {
            me: ALICE,
            key: long_term(ALICE),
            centre: CENTRE,
            services: BTreeMap::from([(FILES, SERVICE)]),
            wire,
            retry: RetryPolicy { attempts_max: Some(2), ..RetryPolicy::default() },
            proves: true,
            lifetime: HOURS,
        })),
    }
}

/// One access under these attacks; the adversary has the service's key or none.
fn world(cache: ReplayCache, attacks: &[Attack], knows: bool) -> SmallWorld<Party, Seen> {
    let attacks: BTreeSet<Attack> = attacks.iter().copied().collect();
    let keys: BTreeSet<Key> = knows.then(|| long_term(FILES)).into_iter().collect();
    let observe = |seen: &mut Seen, observation: Observation<'_, Party>| {
        let broken = match observation {
            Observation::Event { event, .. } => seen.ledger.observe(event).err(),
            Observation::Reply { reply, .. } => seen.ledger.answered(ALICE, reply).err(),
            _ => None,
        };
        seen.broken = seen.broken.take().or(broken);
    };
    let boot = move |node| party(node, cache, &attacks, &keys);
    let world = SmallWorld::remembering(4, boot, Seen::default(), observe)
        .command(CLIENT, Command::Access { service: FILES, mutual: true })
        .budgets(Budgets::NONE)
        .fifo()
        .synchronous_disk()
        .within(|view| match view.machine(ADVERSARY) {
            Some(Party::Adversary(adversary)) => adversary.recorded() < PACKETS_MAX,
            _ => true,
        })
        .sometimes("the client is accepted", |view| view.memory().ledger.accepted() > 0);
    ["agreement", "no replay", "mutual agreement", "secrecy"].into_iter().fold(world, |world, property| {
        world.always(property, move |view| match &view.memory().broken {
            Some((broken, sentence)) if *broken == property => Err(sentence.clone()),
            _ => Ok(()),
        })
    })
}
