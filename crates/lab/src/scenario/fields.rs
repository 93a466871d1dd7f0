//! Every field of a plan with its place in a file: one table prints them and reads them.

use std::time::Duration;

use synod_sim::{Plan, Seconds, parse_duration};

use super::delay::{DELAY_FORM, delay_of, delay_text, odds_of, odds_text};

/// A field of a plan.
pub(super) struct Field {
    /// The table; empty for the head of the file.
    pub table: &'static str,
    /// The key.
    pub name: &'static str,
    /// Whether it is written as a string.
    pub quoted: bool,
    /// What is expected, for errors.
    pub form: &'static str,
    /// The value as text.
    pub get: fn(&Plan) -> String,
    /// Takes a value from text.
    pub set: fn(&mut Plan, &str) -> Option<()>,
}

const DURATION: &str = "a duration such as 1.25s or 50ms";
const NUMBER: &str = "a whole number";
const SWITCH: &str = "true or false";
const ODDS: &str = "odds such as 12.5%";

macro_rules! field {
    ($table:literal, $name:literal, duration, $($place:ident).+) => {
        Field {
            table: $table, name: $name, quoted: true, form: DURATION,
            get: |plan| seconds(plan.$($place).+),
            set: |plan, text| put(&mut plan.$($place).+, parse_duration(text)),
        }
    };
    ($table:literal, $name:literal, number, $($place:ident).+) => {
        Field {
            table: $table, name: $name, quoted: false, form: NUMBER,
            get: |plan| plan.$($place).+.to_string(),
            set: |plan, text| put(&mut plan.$($place).+, text.parse().ok()),
        }
    };
    ($table:literal, $name:literal, bits, $($place:ident).+) => {
        Field { quoted: true, ..field!($table, $name, number, $($place).+) }
    };
    ($table:literal, $name:literal, switch, $($place:ident).+) => {
        Field { form: SWITCH, ..field!($table, $name, number, $($place).+) }
    };
    ($table:literal, $name:literal, delay, $($place:ident).+) => {
        Field {
            table: $table, name: $name, quoted: true, form: DELAY_FORM,
            get: |plan| delay_text(&plan.$($place).+),
            set: |plan, text| put(&mut plan.$($place).+, delay_of(text)),
        }
    };
    ($table:literal, $name:literal, odds, $($place:ident).+) => {
        Field {
            table: $table, name: $name, quoted: true, form: ODDS,
            get: |plan| odds_text(plan.$($place).+),
            set: |plan, text| put(&mut plan.$($place).+, odds_of(text)),
        }
    };
    ($table:literal, $name:literal, optional $form:expr, $show:expr, $read:expr, $($place:ident).+) => {
        Field {
            table: $table, name: $name, quoted: true, form: concat!($form, " or none"),
            get: |plan| plan.$($place).+.as_ref().map_or_else(|| "none".to_owned(), $show),
            set: |plan, text| put(&mut plan.$($place).+, optional(text, $read)),
        }
    };
}

/// Every field, by table. `nodes` comes before what names nodes.
pub(super) const FIELDS: &[Field] = &[
    field!("", "seed", bits, seed),
    field!("", "nodes", number, nodes),
    field!("", "safety", duration, safety),
    field!("", "heal", duration, heal),
    field!("", "leave_dead", number, leave_dead),
    field!("", "records_max", number, records_max),
    field!("", "break_assumptions", switch, break_assumptions),
    field!("workload", "bits", bits, workload),
    field!("workload", "client", delay, client),
    field!("workload", "work", delay, work),
    Field {
        table: "workload",
        name: "commands_lost",
        quoted: true,
        form: "the numbers of commands, with spaces between them",
        get: |plan| plan.commands_lost.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
        set: |plan, text| {
            let numbers = text.split_whitespace().map(str::parse).collect::<Result<_, _>>();
            put(&mut plan.commands_lost, numbers.ok())
        },
    },
    field!("network", "delay", delay, network.delay),
    field!("network", "loss", odds, network.loss),
    field!("network", "duplication", odds, network.duplication),
    field!("network", "fifo", switch, network.fifo),
    field!("network", "queue_bytes_max", optional "a number of bytes", usize::to_string, number, network.queue_bytes_max),
    field!("network", "bytes_per_second", optional "a number of bytes", u64::to_string, number, network.bytes_per_second),
    field!("network", "link_notice", optional "a delay such as `uniform 1ms to 5ms`", delay_text, delay_of, network.link_notice),
    field!("network", "delay_bound", optional "a duration", show_duration, parse_duration, network.delay_bound),
    field!("disk", "sync", delay, disk.sync),
    field!("disk", "segment_bytes", number, disk.segment_bytes),
    field!("clocks", "drift_ppm_max", number, clock.drift_ppm_max),
    field!("clocks", "drift_ppm_bound", number, clock.drift_ppm_bound),
    field!("clocks", "wall_offset_max", duration, clock.wall_offset_max),
    field!("clocks", "wall_error", duration, clock.wall_error),
    field!("tolerance", "wipes_max", number, tolerance.wipes_max),
    field!("tolerance", "lost_max", number, tolerance.lost_max),
    field!("sabotage", "leak_held_effects", switch, sabotage.leak_held_effects),
    field!("sabotage", "accept_torn_tail", switch, sabotage.accept_torn_tail),
];

fn seconds(duration: Duration) -> String {
    Seconds(duration).to_string()
}

fn show_duration(duration: &Duration) -> String {
    seconds(*duration)
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn optional<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == "none" { Some(None) } else { read(text).map(Some) }
}

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}
