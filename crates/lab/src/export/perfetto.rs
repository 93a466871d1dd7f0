//! The trace event format of Chrome, which Perfetto reads: a process a node, its steps as slices, messages as flows, and lost messages as slices of a
//! track of their own.

use serde_json::{Value, json};
use synod_machine::Mono;
use synod_sim::{Film, Shown};

use super::{loss, messages};

/// Tracks of a node.
const STEPS: u64 = 1;
const LOST: u64 = 2;
/// Steps take no time in the simulation; a slice of no width is not to be seen.
const STEP_MICROS: f64 = 1.0;

pub(super) fn export(film: &Film, title: &str) -> String {
    let mut events: Vec<Value> = Vec::new();
    for node in &film.nodes {
        events.push(
            json!({"ph": "M", "name": "process_name", "pid": node.0, "args": {"name": node.to_string()}}),
        );
        for (track, name) in [(STEPS, "steps"), (LOST, "lost messages")] {
            let args = json!({"name": name});
            events.push(json!({"ph": "M", "name": "thread_name", "pid": node.0, "tid": track, "args": args}));
        }
    }
    let messages = messages(film);
    for shot in &film.shots {
        let at = micros(shot.time);
        match &shot.shown {
            Shown::Step { number, node, cause, input, effects, sends, state, .. } => {
                let state: serde_json::Map<String, Value> =
                    state.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                events.push(json!({
                    "ph": "X", "name": input, "cat": "step", "pid": node.0, "tid": STEPS, "ts": at, "dur": STEP_MICROS,
                    "args": {"event": format!("e{number}"), "effects": effects, "state": state},
                }));
                let flow = |ph: &str, id: u64, name: &str| json!({"ph": ph, "bp": "e", "name": name, "cat": "message", "id": id, "pid": node.0, "tid": STEPS, "ts": at});
                if let Some(cause) = cause {
                    let kind = messages.get(cause).map_or("message", |message| message.kind);
                    events.push(flow("f", cause.0, kind));
                }
                events.extend(sends.iter().map(|send| flow("s", send.id.0, send.kind)));
            }
            Shown::Fate { id, from, to, fate } => {
                let (Some(loss), message) = (loss(fate), messages.get(id)) else { continue };
                let kind = message.map_or("message", |message| message.kind);
                let sent = message.and_then(|message| message.sent).map_or(at, |(_, time)| micros(time));
                let text = message.map_or("", |message| message.text);
                events.push(json!({
                    "ph": "X", "name": format!("{kind} to {to}: {loss}"), "cat": "lost", "pid": from.0, "tid": LOST,
                    "ts": sent, "dur": (at - sent).max(STEP_MICROS), "args": {"message": id.to_string(), "text": text},
                }));
            }
            Shown::World { node, kind, what } => {
                let (pid, scope) = node.map_or((0, "g"), |node| (node.0, "p"));
                events.push(json!({
                    "ph": "i", "name": format!("{kind}: {what}"), "cat": "world", "pid": pid, "tid": STEPS, "ts": at, "s": scope,
                }));
            }
        }
    }
    json!({"displayTimeUnit": "ms", "otherData": {"title": title}, "traceEvents": events}).to_string() + "\n"
}

fn micros(time: Mono) -> f64 {
    time.since_start().as_nanos() as f64 / 1e3
}
