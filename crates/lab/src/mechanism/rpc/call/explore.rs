//! Every order of events in one call: a client, a server and a binder, with a loss, a copy, a crash.

use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::retry::RetryPolicy;
use synod_protocols::rpc::call::ledger::{Ledger, POST};
use synod_protocols::rpc::call::{
    Binder, Client, ClientConfig, Command, Party, Semantics, Server, ServerConfig, Value, invariants,
};
use synod_sim::explore::{Budgets, Observation, SmallWorld};

use super::ensemble::{BINDER, INTERFACE, SERVER};
use crate::entry::Exploration;

/// The worlds of the catalogue.
pub(super) static EXPLORATIONS: [Exploration; 6] = [
    Exploration {
        name: "at-most-once",
        sentence: "One at-most-once call that is tried twice, with a copy, a crash and a restart of anybody.",
        run: |_, explore, progress| explore.run_with(&world(Semantics::AtMostOnce, |_| {}, CRASH), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "exactly-once",
        sentence: "One exactly-once call, with a copy, a crash and a restart of anybody.",
        run: |_, explore, progress| explore.run_with(&world(Semantics::ExactlyOnce, |_| {}, CRASH), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "amnesia",
        sentence: "One at-most-once call where the server does not check for which of its lives a call is meant.",
        violates: Some("at most once"),
        run: |_, explore, progress| {
            let forgetful = |config: &mut ServerConfig| config.checks_incarnation = false;
            explore.run_with(&world(Semantics::AtMostOnce, forgetful, CRASH), progress)
        },
        ..Exploration::EMPTY
    },
    Exploration {
        name: "losses",
        sentence: "One at-most-once call, with a loss and a copy.",
        run: |_, explore, progress| {
            explore.run_with(&world(Semantics::AtMostOnce, |_| {}, TROUBLE), progress)
        },
        ..Exploration::EMPTY
    },
    Exploration {
        name: "at-least-once",
        sentence: "One at-least-once call, with a loss and a copy: it is executed twice.",
        violates: Some("exactly once"),
        run: |_, explore, progress| {
            explore.run_with(&world(Semantics::AtLeastOnce, |_| {}, TROUBLE), progress)
        },
        ..Exploration::EMPTY
    },
    Exploration {
        name: "expired-table",
        sentence: "One at-most-once call where the server forgets it before its copy arrives.",
        violates: Some("at most once"),
        run: |_, explore, progress| {
            let hasty = |config: &mut ServerConfig| config.retention = Some(Duration::from_millis(1));
            explore.run_with(&world(Semantics::AtMostOnce, hasty, TROUBLE), progress)
        },
        ..Exploration::EMPTY
    },
];

const CRASH: Budgets = Budgets { crashes: 1, restarts: 1, duplicates: 1, timeouts: 2, ..Budgets::NONE };
const TROUBLE: Budgets = Budgets { losses: 1, duplicates: 1, timeouts: 2, ..Budgets::NONE };

const CLIENT: NodeId = NodeId(3);

/// Executions, and the first property that they violated.
#[derive(Clone, Debug, Hash)]
struct Seen {
    executions: invariants::Executions,
    broken: Option<invariants::Broken>,
}

/// A client that posts once with that semantics, tries at most twice, and a server configured like `server`.
fn world(
    semantics: Semantics,
    server: fn(&mut ServerConfig),
    budgets: Budgets,
) -> SmallWorld<Party<Ledger>, Seen> {
    let boot = move |node| match node {
        BINDER => Party::Binder(Binder::new()),
        SERVER => {
            // Time has no length here: a table that expires would do so before a copy arrives.
            let mut config = ServerConfig { retention: None, ..ServerConfig::new(INTERFACE, BINDER) };
            server(&mut config);
            Party::Server(Server::new(node, config, Ledger::default()))
        }
        _ => {
            let retry = RetryPolicy { attempts_max: Some(2), ..RetryPolicy::default() };
            Party::Client(Client::new(node, ClientConfig { interface: INTERFACE, binder: BINDER, retry }))
        }
    };
    let seen = Seen { executions: invariants::Executions::new(false, false), broken: None };
    let observe = |seen: &mut Seen, observation: Observation<'_, Party<Ledger>>| match observation {
        Observation::Event { node, event } => {
            let broken = seen.executions.observe(node, event).err();
            seen.broken = seen.broken.take().or(broken);
        }
        Observation::Crash { node } => seen.executions.crashed(node),
        _ => {}
    };
    let post = Command::Call { procedure: POST, arguments: vec![Value::Integer(1)], semantics };
    SmallWorld::remembering(3, boot, seen, observe)
        .command(CLIENT, post)
        .budgets(budgets)
        .synchronous_disk()
        .always("at most once", |view| match &view.memory().broken {
            Some((_, sentence)) => Err(sentence.clone()),
            None => Ok(()),
        })
        .always("exactly once", |view| match view.machine(SERVER) {
            Some(Party::Server(server)) if server.service().posted(1) > 1 => {
                Err(format!("expected the posting once, found it {} times", server.service().posted(1)))
            }
            _ => Ok(()),
        })
        .sometimes("it was executed", |view| view.memory().executions.total() > 0)
}
