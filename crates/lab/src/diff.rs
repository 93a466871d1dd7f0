//! Where two runs part, and how their states differ there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use synod_machine::NodeId;
use synod_sim::{Film, Shown};

use crate::report::fold;

/// Moments before the parting that are shown.
const BEFORE: usize = 3;
/// And after it, of each.
const AFTER: usize = 3;

/// The first difference of two runs, in words; nothing if there is none.
pub fn diff(one: &Film, other: &Film, names: (&str, &str)) -> Option<String> {
    let place = one.parting(other)?;
    let mut text = format!("the same up to moment {place}");
    let common = &one.shots[..place];
    text += if common.is_empty() { "\n" } else { ":\n" };
    for shot in &common[place.saturating_sub(BEFORE)..] {
        text += &line("    ", shot);
    }
    for (name, film) in [(names.0, one), (names.1, other)] {
        let _ = writeln!(text, "\n{name} goes on");
        match film.shots.get(place..).unwrap_or_default() {
            [] => text += "    nothing: it ends here\n",
            rest => rest.iter().take(AFTER).for_each(|shot| text += &line("    ", shot)),
        }
    }
    text += &states(one, other, place, names);
    Some(text)
}

fn line(margin: &str, shot: &synod_sim::Shot) -> String {
    let millis = shot.time.since_start().as_secs_f64() * 1e3;
    let mut text = fold(&format!("{margin}{millis:.3} ms  {}", shot.words()), margin.len() + 2);
    if let Shown::Step { effects, .. } = &shot.shown {
        for effect in effects {
            text += &fold(&format!("{margin}    ⇒ {effect}"), margin.len() + 6);
        }
    }
    text
}

/// The states of both, each after its first step past the parting.
fn states(one: &Film, other: &Film, place: usize, names: (&str, &str)) -> String {
    let (mine, theirs) = (state_after(one, place), state_after(other, place));
    let mut text = String::new();
    for node in &one.nodes {
        let (Some(mine), Some(theirs)) = (mine.get(node), theirs.get(node)) else { continue };
        for (name, value) in mine {
            let also = theirs.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            if also != Some(value) {
                let also = also.map_or("-", String::as_str);
                text += &fold(&format!("    {node} {name}: {value} | {also}"), 6);
            }
        }
    }
    match text.is_empty() {
        true => "\nstates are the same\n".to_owned(),
        false => format!("\nstates there, {} | {}\n{text}", names.0, names.1),
    }
}

type State = Vec<(String, String)>;

fn state_after(film: &Film, place: usize) -> BTreeMap<NodeId, State> {
    // Up to the first step that differs, which may come behind a fate.
    let rest = film.shots.get(place..).unwrap_or_default();
    let step = rest.iter().position(|shot| matches!(shot.shown, Shown::Step { .. })).unwrap_or(0);
    states_until(film, place + step + 1)
}

/// The last state of every node within the first so many moments.
pub fn states_until(film: &Film, moments: usize) -> BTreeMap<NodeId, State> {
    let mut states = BTreeMap::new();
    for shot in film.shots.iter().take(moments) {
        if let Shown::Step { node, state, .. } = &shot.shown {
            states.insert(*node, state.clone());
        }
    }
    states
}

/// The moment at an event: the states of all nodes then, and what the event changed. Nothing if there is no such event.
pub fn moment(film: &Film, event: u64) -> Option<String> {
    let at = film
        .shots
        .iter()
        .position(|shot| matches!(&shot.shown, Shown::Step { number, .. } if *number == event))?;
    let (before, after) = (states_until(film, at), states_until(film, at + 1));
    let mut text = line("", &film.shots[at]);
    for node in &film.nodes {
        let Some(state) = after.get(node) else {
            let _ = writeln!(text, "\n{node} has not started");
            continue;
        };
        let _ = writeln!(text, "\n{node}");
        for (name, value) in state {
            let was = before.get(node).and_then(|state| state.iter().find(|(known, _)| known == name));
            let changed = match was {
                Some((_, was)) if was != value => format!("   (was {was})"),
                _ => String::new(),
            };
            text += &fold(&format!("  {name}: {value}{changed}"), 4);
        }
    }
    Some(text)
}
