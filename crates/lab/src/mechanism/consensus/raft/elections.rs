//! Raft's elections: how often votes are split, and how long it takes until there is a leader. Measured with the machine itself, driven by `clockwork.rs`.

use std::time::Duration;

use bytes::Bytes;
use synod_machine::NodeId;
use synod_protocols::consensus::raft::{Config, Entry, Index, Message, Payload, Term, Write};
use synod_sim::Stream;

use super::clockwork::Clockwork;
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Sample, Tolerance, Trial, Value};

const THESIS: &str = "Ongaro 2014 (thesis), chapter 9";
const PAPER: &str = "Ongaro and Ousterhout 2014, figure 16";

/// Longer than any election takes that ends.
const ELECTION_MOST: Duration = Duration::from_secs(600);

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The paper's Raft: no question before the candidacy, no withheld votes.
fn config(least: Duration, most: Duration) -> Config {
    Config {
        election_least: least,
        election_most: most,
        heartbeat: least / 2,
        suspicion: None,
        pre_vote: false,
        check_quorum: false,
        ..Config::default()
    }
}

const fn is(figure: &'static str, value: f64, tolerance: Tolerance, source: &'static str) -> Expected {
    Expected { figure, value: Value::Is(value), tolerance, source }
}

const fn split(share: f64) -> [Expected; 1] {
    [is("split votes", share, Tolerance::Absolute(0.005), THESIS)]
}

pub(super) const SPLIT_VOTE: Experiment = Experiment {
    name: "raft-split-vote",
    sentence: "Share of first elections that nobody wins: timeouts uniform in [1, 2], every message takes the latency. \
               Raft driven by events in time, not by the full simulator.",
    parameters: &[
        Parameter::integer("servers", 5, 1..=31, "Servers in the group (n)."),
        Parameter::integer(
            "available",
            4,
            1..=31,
            "Of these, servers that are up (s); a majority of n is needed.",
        ),
        Parameter::number(
            "latency",
            0.1,
            0.0001..=0.5,
            "How long a message takes, in shortest timeouts (l).",
        ),
    ],
    runs: 100_000,
    rows: &[
        Row { settings: &[("latency", "0.01")], expected: &split(0.0006) },
        Row { settings: &[], expected: &split(0.0523) },
        Row { settings: &[("latency", "0.2")], expected: &split(0.1808) },
        Row { settings: &[("available", "3")], expected: &split(0.2710) },
        Row { settings: &[("available", "3"), ("latency", "0.2")], expected: &split(0.4880) },
    ],
    run: measure_split_vote,
};

fn measure_split_vote(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (servers, available) = (settings.integer("servers"), settings.integer("available"));
    if available > servers || available * 2 <= servers {
        return Err(format!("expected a majority of {servers} servers to be available, found {available}"));
    }
    let least = Duration::from_secs(1);
    let latency = least.mul_f64(settings.number("latency"));
    let config = config(least, least * 2);
    let mut tries = 0;
    let mut splits = 0;
    trial.each(
        |_, stream| {
            let constant = |_: &Message, _: &mut Stream| latency;
            let alive = (1..=available).map(NodeId);
            let mut group = Clockwork::new(servers, alive, &config, |_| Vec::new(), &constant, stream);
            group.run(ELECTION_MOST, |group| group.won.is_some() || group.term() > Term(1));
            group.won.is_none()
        },
        |_, split| {
            tries += 1;
            splits += u64::from(split);
        },
    );
    Ok(vec![Measured::share("split votes", splits, tries)])
}

const fn wan(mean: f64, p50: f64, p90: f64, p99: f64) -> [Expected; 4] {
    [
        is("mean, ms", mean, Tolerance::Relative(0.03), THESIS),
        is("p50, ms", p50, Tolerance::Relative(0.015), THESIS),
        is("p90, ms", p90, Tolerance::Relative(0.08), THESIS),
        is("p99, ms", p99, Tolerance::Relative(0.08), THESIS),
    ]
}

pub(super) const WAN: Experiment = Experiment {
    name: "raft-election-wan",
    sentence: "Time until a leader is elected, from fresh timers, where messages take tens of milliseconds. Raft driven by events in time, \
               not by the full simulator.",
    parameters: &[
        Parameter::integer("servers", 5, 1..=31, "Servers in the group."),
        Parameter::integer("dead", 0, 0..=15, "Of these, servers that are down (f)."),
        Parameter::duration("delay-least", ms(30), ms(0)..=ms(10_000), "Shortest one-way delay."),
        Parameter::duration("delay-most", ms(40), ms(0)..=ms(10_000), "Longest one-way delay."),
        Parameter::duration("timeout-least", ms(300), ms(1)..=ms(60_000), "Shortest election timeout."),
        Parameter::duration("timeout-most", ms(600), ms(1)..=ms(60_000), "Longest election timeout."),
    ],
    runs: 10_000,
    rows: &[
        Row { settings: &[], expected: &wan(429.9, 409.6, 489.2, 833.0) },
        Row { settings: &[("dead", "1")], expected: &wan(468.5, 423.3, 562.4, 1005.0) },
    ],
    run: measure_wan,
};

fn measure_wan(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (servers, dead) = (settings.integer("servers"), settings.integer("dead"));
    let (delay_least, delay_most) = (settings.duration("delay-least"), settings.duration("delay-most"));
    let (least, most) = (settings.duration("timeout-least"), settings.duration("timeout-most"));
    if dead * 2 >= servers || least > most || delay_least > delay_most {
        return Err("expected a majority to be up, and each range to be one".to_owned());
    }
    let config = config(least, most);
    let times = trial.collect(|_, stream| {
        let delay = |_: &Message, stream: &mut Stream| stream.duration(delay_least, delay_most);
        let alive = (1 + dead..=servers).map(NodeId);
        let mut group = Clockwork::new(servers, alive, &config, |_| Vec::new(), &delay, stream);
        group.run(ELECTION_MOST, |group| group.won.is_some());
        (group.won.map_or(ELECTION_MOST, |won| won.at), group.term() > Term(1))
    });
    Ok(figures(&times))
}

/// Times in milliseconds, and how often the first election was not the last.
fn figures(times: &[(Duration, bool)]) -> Vec<Measured> {
    let mut sample: Sample = times.iter().map(|(time, _)| time.as_secs_f64() * 1e3).collect();
    let splits = times.iter().filter(|(_, split)| *split).count() as u64;
    vec![
        sample.mean_as("mean, ms"),
        sample.quantile_as("p5, ms", 0.05),
        sample.quantile_as("p50, ms", 0.5),
        sample.quantile_as("p75, ms", 0.75),
        sample.quantile_as("p90, ms", 0.9),
        sample.quantile_as("p95, ms", 0.95),
        sample.quantile_as("p99, ms", 0.99),
        Measured::share("more than one election", splits, times.len() as u64),
    ]
}

pub(super) const LAN: Experiment = Experiment {
    name: "raft-election-lan",
    sentence: "Time from a leader's crash, uniform within its heartbeat interval of half the shortest timeout, to the next leader; heartbeats reach all at \
               once, and some survivors' logs are too short to win. Raft driven by events in time, not by the full simulator.",
    parameters: &[
        Parameter::integer("servers", 5, 3..=31, "Servers, the leader that crashes included."),
        Parameter::integer("electable", 2, 1..=30, "Survivors whose logs are long enough to win."),
        Parameter::duration(
            "broadcast",
            ms(15),
            ms(0)..=ms(10_000),
            "To send to all and to hear from all: there and back.",
        ),
        Parameter::duration(
            "request",
            Duration::from_micros(2_200),
            ms(0)..=ms(10_000),
            "Of it, the time until a request has arrived: the candidate's write and the way there. The paper does not say it; this \
             value is fitted to both its figures of 150 to 155 ms. With 150 to 300 ms it hardly matters.",
        ),
        Parameter::duration("timeout-least", ms(150), ms(2)..=ms(60_000), "Shortest election timeout."),
        Parameter::duration("timeout-most", ms(300), ms(2)..=ms(60_000), "Longest election timeout."),
    ],
    runs: 10_000,
    rows: &[
        Row {
            settings: &[],
            expected: &[
                is("mean, ms", 181.0, Tolerance::Relative(0.1), PAPER),
                is("p50, ms", 171.0, Tolerance::Relative(0.1), PAPER),
                is("p95, ms", 265.0, Tolerance::Relative(0.1), PAPER),
            ],
        },
        Row {
            settings: &[("timeout-most", "155ms")],
            expected: &[
                is("p50, ms", 287.0, Tolerance::Relative(0.1), PAPER),
                is("mean, ms", 345.0, Tolerance::Relative(0.1), PAPER),
            ],
        },
    ],
    run: measure_lan,
};

fn measure_lan(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (servers, electable) = (settings.integer("servers"), settings.integer("electable"));
    let (least, most) = (settings.duration("timeout-least"), settings.duration("timeout-most"));
    if electable >= servers || least > most {
        return Err("expected fewer electable servers than there are, and a range of timeouts".to_owned());
    }
    let config = config(least, most);
    let (broadcast, request) = (settings.duration("broadcast"), settings.duration("request"));
    let heartbeat = config.heartbeat;
    let times = trial.collect(|_, stream| {
        let crash = stream.duration(Duration::ZERO, heartbeat);
        let delay = |message: &Message, _: &mut Stream| match message {
            Message::Vote { .. } => request,
            _ => broadcast.saturating_sub(request),
        };
        // n1 led term 1 and is gone; all heard its last heartbeat at time zero.
        let saved = |node: NodeId| log(if node.0 <= 1 + electable { 2 } else { 1 });
        let alive = (2..=servers).map(NodeId);
        let mut group = Clockwork::new(servers, alive, &config, saved, &delay, stream);
        group.run(ELECTION_MOST, |group| group.won.is_some());
        let elected = group.won.map_or(ELECTION_MOST, |won| won.at);
        (elected.saturating_sub(crash), group.term() > Term(2))
    });
    Ok(figures(&times))
}

/// What a follower of term 1 has on disk, with so many entries.
fn log(entries: u64) -> Vec<Write> {
    let entry = |index| Entry {
        term: Term(1),
        index: Index(index),
        payload: Payload::Command(Bytes::from_static(b"x=5")),
    };
    vec![
        Write::Vote { term: Term(1), vote: Some(NodeId(1)) },
        Write::Append((1..=entries).map(entry).collect()),
    ]
}

pub(super) const STEADY: Experiment = Experiment {
    name: "raft-steady-state",
    sentence: "Messages and delays of commands that one leader of n takes without a pause. Raft driven by events in time, not by the full simulator.",
    parameters: &[
        Parameter::integer("servers", 3, 2..=31, "Servers (n)."),
        Parameter::integer("commands", 1_000, 10..=1_000_000, "Commands."),
        Parameter::number("spacing", 0.5, 0.001..=10.0, "Time between commands, in message delays."),
    ],
    runs: 1,
    rows: &[Row {
        settings: &[("servers", "*"), ("commands", "*")],
        expected: &[
            Expected {
                figure: "appends and answers a command",
                value: Value::Of(|settings| 2.0 * (settings.integer("servers") - 1) as f64),
                tolerance: Tolerance::Relative(0.01),
                source: "Ongaro and Ousterhout 2014, section 5.3",
            },
            is(
                "delays until the leader commits",
                2.0,
                Tolerance::Relative(0.01),
                "Ongaro and Ousterhout 2014, section 5.3",
            ),
        ],
    }],
    run: measure_steady_state,
};

fn measure_steady_state(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let (servers, commands) = (settings.integer("servers"), settings.integer("commands"));
    let delay = ms(10);
    let spacing = delay.mul_f64(settings.number("spacing"));
    let config = Config { inflight_messages_max: 1 << 20, ..config(ms(1_000), ms(2_000)) };
    let mut stream = trial.stream(0);
    let constant = |_: &Message, _: &mut Stream| delay;
    let alive = (1..=servers).map(NodeId);
    let mut group = Clockwork::new(servers, alive, &config, |_| Vec::new(), &constant, &mut stream);
    if !group.run(ELECTION_MOST, |group| group.won.is_some()) {
        return Err("nobody was elected".to_owned());
    }
    // The leader's own first entry is through.
    let begin = group.now() + delay * 10;
    group.run(begin, |_| false);
    group.sent.clear();
    for number in 0..commands {
        group.run(begin + spacing.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)), |_| false);
        group.propose();
    }
    let end = group.now() + delay * 5;
    group.run(end, |_| false);
    let sent = |kind: &str| group.sent.get(kind).copied().unwrap_or(0) as f64 / commands as f64;
    let delays: Sample = group
        .proposed
        .iter()
        .filter_map(|(index, asked)| {
            let took = *group.committed.get(index)? - *asked;
            Some(took.as_secs_f64() / delay.as_secs_f64())
        })
        .collect();
    Ok(vec![
        Measured::exact("appends and answers a command", sent("append") + sent("appended")),
        Measured::exact("notices of a commit a command", sent("committed")),
        Measured::exact("heartbeats and answers a command", sent("heartbeat") + sent("alive")),
        delays.mean_as("delays until the leader commits"),
        Measured::exact("commands committed", delays.len() as f64),
    ])
}
