//! Messages of accesses, and what a service says to clocks and copies.

use std::time::Duration;

use synod_protocols::kerberos::exchanges::{
    Acceptor, Authenticator, ErrorCode, Key, Principal, ReplayCache, SKEW, Sealed, Stamp, Ticket, Usage, cost,
};
use synod_sim::Plan;

use super::ensemble::{FIRST_CLIENT, Parties, Setting};
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Sample, Staged, Tolerance, Trial, Value};

pub(super) const MESSAGES: Experiment = Experiment {
    name: "kerberos-messages",
    sentence: "Messages of so many accesses of a new client to one service, counted in the simulator.",
    parameters: &[
        Parameter::integer("accesses", 1, 1..=1_000, "Accesses, one after the other."),
        Parameter::switch("mutual", true, "Whether the service shows who it is, too."),
    ],
    runs: 3,
    rows: &[
        Row {
            settings: &[("mutual", "*")],
            expected: &[messages(Value::Of(|s| cost::first_access(s.switch("mutual")) as f64))],
        },
        Row {
            settings: &[("accesses", "*"), ("mutual", "*")],
            expected: &[messages(Value::Of(|s| {
                let mutual = s.switch("mutual");
                (cost::first_access(mutual) + (s.integer("accesses") - 1) * cost::access(mutual)) as f64
            }))],
        },
    ],
    run: count_messages,
};

const fn messages(value: Value) -> Expected {
    Expected {
        figure: "messages",
        value,
        tolerance: Tolerance::Exact,
        source: "RFC 4120, sections 3.1 to 3.3",
    }
}

fn count_messages(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let (accesses, mutual) = (trial.settings.integer("accesses"), trial.settings.switch("mutual"));
    let setting = Setting {
        skew: SKEW,
        cache: ReplayCache::Memory,
        adversary: None,
        think: Duration::ZERO,
        measured: Some(accesses),
        mutual: Some(mutual),
    };
    let results = trial.collect(|run, _| {
        let plan = Plan::calm(trial.seed_of(run), FIRST_CLIENT);
        synod_sim::run(plan, |plan| Staged::new(Parties::new(plan.nodes, setting.clone())))
    });
    let mut packets = Sample::default();
    for result in results {
        let run = result.map_err(|error| error.to_string())?;
        let authenticated = run.exercised.count("client.authenticated");
        if run.found.is_some() || authenticated != accesses {
            return Err(format!("expected {accesses} accesses, found {authenticated}: {:?}", run.found));
        }
        packets.add(run.exercised.count("kerberos.packets") as f64);
    }
    Ok(vec![packets.mean_as("messages")])
}

pub(super) const VERDICTS: Experiment = Experiment {
    name: "kerberos-verdict",
    sentence: "What a service answers to an authenticator from a clock that is so far off, and to a copy of it: 0 for yes, or the error's \
               number. The service's checks alone, without a network.",
    parameters: &[
        Parameter::duration(
            "offset",
            Duration::ZERO,
            Duration::ZERO..=Duration::from_secs(86_400),
            "How far the client's clock is ahead or behind.",
        ),
        Parameter::duration(
            "skew",
            SKEW,
            Duration::from_secs(1)..=Duration::from_secs(86_400),
            "How far clocks may be apart.",
        ),
        Parameter::word("cache", &["memory", "none"], "Whether the service remembers authenticators."),
    ],
    runs: 1,
    rows: &[
        Row { settings: &[], expected: &[first(0.0), copy(ErrorCode::Repeat.number() as f64)] },
        Row {
            settings: &[("offset", "300s")],
            expected: &[first(0.0), copy(ErrorCode::Repeat.number() as f64)],
        },
        Row { settings: &[("offset", "300.000001s")], expected: &[first(ErrorCode::Skew.number() as f64)] },
        Row { settings: &[("offset", "301s")], expected: &[first(ErrorCode::Skew.number() as f64)] },
        Row { settings: &[("cache", "none")], expected: &[first(0.0), copy(0.0)] },
    ],
    run: judge,
};

const fn first(code: f64) -> Expected {
    Expected {
        figure: "verdict",
        value: Value::Is(code),
        tolerance: Tolerance::Exact,
        source: "RFC 4120, sections 3.2.3 and 7.5.9",
    }
}

const fn copy(code: f64) -> Expected {
    Expected { figure: "verdict on a copy", ..first(code) }
}

fn judge(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (client, session) = (Principal(7), Key::Session(1));
    let noon = Stamp(43_200_000_000 + 86_400_000_000);
    let offset = settings.duration("offset");
    let ahead = noon.plus(offset);
    let verdicts = |time: Stamp, now: Stamp| {
        let mut acceptor = Acceptor::new(Principal(1));
        acceptor.skew = settings.duration("skew");
        if settings.word("cache") == "none" {
            acceptor.cache = ReplayCache::None;
        }
        let end = noon.plus(Duration::from_secs(864_000));
        let ticket = Ticket { client, server: acceptor.me, session, start: noon, end };
        let ticket = Sealed::seal(acceptor.key(), Usage::Ticket, ticket);
        let authenticator = Authenticator { client, time, request: None };
        let authenticator = Sealed::seal(session, Usage::ApAuthenticator, authenticator);
        [(); 2].map(|()| {
            let accepted = acceptor.accept(now, &ticket, &authenticator, Usage::ApAuthenticator);
            accepted.map_or_else(ErrorCode::number, |_| 0)
        })
    };
    // A clock that is ahead and one that is behind are judged alike.
    let (fast, slow) = (verdicts(ahead, noon), verdicts(noon, ahead));
    if fast != slow {
        return Err(format!("expected the same for a fast and a slow clock, found {fast:?} and {slow:?}"));
    }
    Ok(vec![
        Measured::exact("verdict", f64::from(fast[0])),
        Measured::exact("verdict on a copy", f64::from(fast[1])),
    ])
}
