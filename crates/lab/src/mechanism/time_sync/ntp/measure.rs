//! What an exchange is off by, what agrees, and how well clocks are kept.

use std::time::Duration;

use synod_protocols::time_sync::ntp::selection::marzullo;
use synod_protocols::time_sync::ntp::{Config, Exchange, Offset, Timestamp};
use synod_sim::{Delay, EPOCH, Plan};

use super::ensemble::Clocks;
use crate::entry::{Expected, Experiment, Measured, Parameter, Row, Sample, Staged, Tolerance, Trial, Value};

const RFC_8: &str = "RFC 5905, 8: an error of half the asymmetry, at most half the delay";

const fn duration(name: &'static str, default: Duration, sentence: &'static str) -> Parameter {
    Parameter::duration(name, default, Duration::ZERO..=Duration::from_secs(60), sentence)
}

/// The on-wire calculation over random paths.
pub(super) const EXCHANGE: Experiment = Experiment {
    name: "ntp-exchange",
    sentence: "One exchange over two ways of random length: how far the offset is from the true one. The calculation alone.",
    parameters: &[
        duration("there", Duration::from_millis(50), "The way to the server takes at most that."),
        duration("back", Duration::from_millis(200), "The way back takes at most that."),
        duration("server", Duration::from_millis(10), "The server takes at most that."),
        duration(
            "offset",
            Duration::from_secs(10),
            "The server's clock is ahead by at most that, or behind.",
        ),
    ],
    runs: 100_000,
    rows: &[Row {
        settings: &[("there", "*"), ("back", "*"), ("server", "*"), ("offset", "*")],
        expected: &[
            Expected {
                figure: "largest |error| / (delay / 2)",
                value: Value::Is(1.0),
                tolerance: Tolerance::AtMost,
                source: RFC_8,
            },
            Expected {
                figure: "largest |error - asymmetry / 2| [ns]",
                // Half a nanosecond is cut off.
                value: Value::Is(0.5),
                tolerance: Tolerance::AtMost,
                source: RFC_8,
            },
        ],
    }],
    run: exchange,
};

fn exchange(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let most = |name: &str| settings.duration(name).as_nanos() as u64;
    let (mut ratio, mut difference, mut size) = (Sample::default(), Sample::default(), Sample::default());
    let run = |_, draw: &mut synod_sim::Stream| {
        let mut below = |name: &str| draw.below(most(name) + 1) as i64;
        let (there, server, back) = (below("there"), below("server"), below("back"));
        let ahead = below("offset") * if draw.below(2) == 0 { 1 } else { -1 };
        let client = |ns: i64| Timestamp::since_epoch(EPOCH) + Offset::from_nanoseconds(ns);
        let exchange = Exchange {
            origin: client(0),
            receive: client(there + ahead),
            transmit: client(there + server + ahead),
            destination: client(there + server + back),
        };
        let error = (exchange.offset().nanoseconds() - ahead) as f64;
        let half_delay = (exchange.delay().nanoseconds() as f64 / 2.0).max(0.5);
        (error.abs() / half_delay, (error - (there - back) as f64 / 2.0).abs(), error.abs())
    };
    trial.each(run, |_, (of_delay, of_asymmetry, error)| {
        ratio.add(of_delay);
        difference.add(of_asymmetry);
        size.add(error / 1e6);
    });
    Ok(vec![
        Measured::exact("largest |error| / (delay / 2)", ratio.most()),
        Measured::exact("largest |error - asymmetry / 2| [ns]", difference.most()),
        size.mean_as("mean |error| [ms]"),
    ])
}

/// The largest set of intervals that agree.
pub(super) const MARZULLO: Experiment = Experiment {
    name: "marzullo",
    sentence: "The interval that the most of the given intervals have in common.",
    parameters: &[Parameter::text(
        "intervals",
        "8..12 11..13 14..15",
        "low..high low..high, with low <= high",
        |text| intervals(text).is_some(),
        "What the servers claim.",
    )],
    runs: 1,
    rows: &[Row {
        settings: &[],
        expected: &[expected("low", 11.0), expected("high", 12.0), expected("agree", 2.0)],
    }],
    run: |trial| {
        let given = intervals(&trial.settings.text("intervals")).ok_or("expected low..high")?;
        let (low, high, count) = marzullo(&given).ok_or("expected an interval at least")?;
        let of = given.len() as f64;
        Ok(vec![
            Measured::exact("low", low),
            Measured::exact("high", high),
            Measured::exact("agree", count as f64),
            Measured::exact("of", of),
        ])
    },
};

const fn expected(figure: &'static str, value: f64) -> Expected {
    Expected { figure, value: Value::Is(value), tolerance: Tolerance::Exact, source: "Marzullo 1984" }
}

fn intervals(text: &str) -> Option<Vec<(f64, f64)>> {
    let pair = |word: &str| {
        let (low, high) = word.split_once("..")?;
        let (low, high): (f64, f64) = (low.parse().ok()?, high.parse().ok()?);
        (low <= high && low.is_finite() && high.is_finite()).then_some((low, high))
    };
    let all: Option<Vec<_>> = text.split_whitespace().map(pair).collect();
    all.filter(|all| !all.is_empty())
}

/// A client of several servers, for hours.
pub(super) const ACCURACY: Experiment = Experiment {
    name: "ntp-accuracy",
    sentence: "How far a client's clock is off over hours, by true time, after a quarter of them; the parameters are the RFC's but for those given.",
    parameters: &[
        Parameter::integer("servers", 4, 1..=32, "Servers of stratum 1."),
        duration("least", Duration::from_micros(200), "A message takes at least that."),
        duration("most", Duration::from_micros(1_000), "And at most that, each way drawn alike."),
        duration(
            "initial",
            Duration::from_secs(5),
            "The client's clock is off by at most that when it starts.",
        ),
        Parameter::number("drift", 12.0, -500.0..=500.0, "Its oscillator gains so many parts per million."),
        Parameter::integer("max-poll", 6, 6..=17, "Servers are asked at least every 2^max-poll s (MAXPOLL)."),
        Parameter::integer("hours", 24, 2..=1_000, "Length of a run."),
    ],
    runs: 20,
    rows: &[
        Row {
            settings: &[("servers", "*"), ("initial", "*"), ("drift", "*"), ("hours", "*")],
            expected: &[
                Expected {
                    figure: "off, root mean square [ms]",
                    value: Value::Is(1.0),
                    tolerance: Tolerance::AtMost,
                    source: "survey, 10.2: typical accuracy in a local network < 1 ms",
                },
                HELD,
            ],
        },
        Row {
            settings: &[
                ("least", "10ms"),
                ("most", "40ms"),
                ("servers", "*"),
                ("initial", "*"),
                ("drift", "*"),
                ("hours", "*"),
            ],
            expected: &[
                Expected {
                    figure: "off, root mean square [ms]",
                    value: Value::Is(10.0),
                    tolerance: Tolerance::AtMost,
                    source: "survey, 10.2: about 10 ms in a wide-area network",
                },
                HELD,
            ],
        },
    ],
    run: accuracy,
};

const HELD: Expected = Expected {
    figure: "runs in which the stated error did not hold",
    value: Value::Is(0.0),
    tolerance: Tolerance::Exact,
    source: "RFC 5905, 11.2: correctness intervals, while drift is within phi",
};

fn accuracy(trial: &Trial<'_>) -> Result<Vec<Measured>, String> {
    let settings = trial.settings;
    let servers = settings.integer("servers");
    let (least, most) = (settings.duration("least"), settings.duration("most"));
    if least > most {
        return Err(format!("expected least <= most, found {least:?} and {most:?}"));
    }
    let hour = Duration::from_secs(3_600);
    let hours = u32::try_from(settings.integer("hours")).map_err(|_| "too many hours".to_owned())?;
    let results = trial.collect(|run, _| {
        let mut plan = Plan::calm(trial.seed_of(run), servers + 1);
        plan.network.delay = Delay::Uniform { least, most };
        plan.network.delay_bound = Some(most);
        plan.clock.drift_ppm_max = 0;
        plan.clock.wall_offset_max = Duration::ZERO;
        plan.clock.wall_error = Duration::from_micros(100);
        let ppm = settings.number("drift").round() as i32;
        plan.clock.drift_ppm_bound = ppm.unsigned_abs().max(15);
        let line = format!("at 0s drift n{} {ppm:+}ppm", servers + 1);
        plan.faults = line.parse().expect("a fault line");
        plan.safety = hour * hours;
        synod_sim::run(plan, |plan| {
            let max_poll = i8::try_from(settings.integer("max-poll")).unwrap_or(i8::MAX);
            let config = Config { max_poll, ..Config::default() };
            let clocks = Clocks::new(plan.nodes, servers, config, plan.workload);
            let clocks = clocks.starting_within(settings.duration("initial"));
            Staged::new(clocks.measured_from(plan.safety / 4))
        })
    });
    let results: Result<Vec<_>, _> = results.into_iter().collect();
    let results = results.map_err(|error| error.to_string())?;
    let figure =
        |name: &str| -> Sample { results.iter().map(|run| run.exercised.count(name) as f64 / 1e6).collect() };
    let broken = results.iter().filter(|run| run.found.is_some()).count();
    Ok(vec![
        figure("ntp.off rms ns").mean_as("off, root mean square [ms]"),
        Measured::exact("off, most [ms]", figure("ntp.off most ns").most()),
        Measured::exact("stated error, most [ms]", figure("ntp.bound most ns").most()),
        Measured::exact("runs in which the stated error did not hold", broken as f64),
    ])
}
