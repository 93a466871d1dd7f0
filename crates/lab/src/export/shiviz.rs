//! ShiViz: two lines an event, `event` and `host {clock}`, as its default regular expression reads them.
//!
//! ShiViz knows events and vector clocks, and no messages. So a message that was lost becomes an event of its sender, which says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use synod_machine::{NodeId, SendId};
use synod_sim::{Film, Shown};

use super::{loss, messages};

type Clock = BTreeMap<NodeId, u64>;

pub(super) fn export(film: &Film) -> String {
    let messages = messages(film);
    let mut clocks: BTreeMap<NodeId, Clock> = BTreeMap::new();
    let mut sent: BTreeMap<SendId, Clock> = BTreeMap::new();
    let mut text = String::new();
    let mut event = |node: NodeId, cause: Option<&Clock>, what: &str| {
        let clock = clocks.entry(node).or_default();
        for (other, count) in cause.into_iter().flatten() {
            let known = clock.entry(*other).or_default();
            *known = (*known).max(*count);
        }
        *clock.entry(node).or_default() += 1;
        let counts: Vec<String> = clock.iter().map(|(node, count)| format!("\"{node}\":{count}")).collect();
        let _ = writeln!(text, "{}\n{node} {{{}}}", one_line(what), counts.join(", "));
        clock.clone()
    };
    for shot in &film.shots {
        match &shot.shown {
            Shown::Step { node, cause, sends, .. } => {
                let cause = cause.and_then(|cause| sent.get(&cause).cloned());
                let clock = event(*node, cause.as_ref(), &shot.words());
                sent.extend(sends.iter().map(|send| (send.id, clock.clone())));
            }
            Shown::Fate { id, from, to, fate } => {
                if let Some(loss) = loss(fate) {
                    let kind = messages.get(id).map_or("message", |message| message.kind);
                    event(*from, None, &format!("{id} {kind} to {to} {loss}"));
                }
            }
            Shown::World { node: Some(node), kind, what } => {
                event(*node, None, &format!("{kind}: {what}"));
            }
            Shown::World { node: None, .. } => {}
        }
    }
    text
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
