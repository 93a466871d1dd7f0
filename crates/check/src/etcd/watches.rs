//! What a watcher saw, against what happened.

use super::{Change, Property, PropertyViolation, StoreHistory};
use crate::specification::key_value::Span;

/// One watch, from its creation to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRun {
    /// A name for messages.
    pub name: String,
    /// The keys that were watched.
    pub span: Span,
    /// The first revision to be seen. For a watch from "now": the one after the revision in the header of the answer
    /// that created it.
    pub start_revision: u64,
    /// Whether the changes of one revision may be spread over answers.
    pub fragmented: bool,
    /// What arrived, in order. A watch that was resumed on another connection is one watch, if it is resumed as clients
    /// do it: after the last event that arrived.
    pub responses: Vec<WatchResponse>,
    /// The revision up to which all must have arrived: what the run waited for before it ended the watch. 0 if it waited
    /// for nothing.
    pub complete_until: u64,
}

/// One answer to a watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchResponse {
    /// The revision in its header.
    pub revision: u64,
    /// The events; the leases in them are not looked at. None: a progress notification, which promises that everything
    /// up to its revision was sent.
    pub events: Vec<Change>,
}

/// Judges [`Property::WatchesMissNothing`].
///
/// # Errors
/// An event is missing, comes twice, out of order, or without having happened; or changes of one revision come apart.
pub fn watch_misses_nothing(history: &StoreHistory, watch: &WatchRun) -> Result<(), PropertyViolation> {
    let violation = |sentence: String| Err(PropertyViolation::new(Property::WatchesMissNothing, sentence));
    let title = format!("Watch {} on {} from revision {}", watch.name, watch.span, watch.start_revision);
    let due: Vec<&Change> = history
        .changes
        .iter()
        .filter(|change| change.revision >= watch.start_revision && watch.span.contains(&change.key))
        .collect();
    let mut seen = 0;
    // What has been promised to have been sent, and by what.
    let mut promised = (watch.complete_until, "the end of the watch");
    for response in &watch.responses {
        for event in &response.events {
            if due.get(seen).is_some_and(|change| change.is_same_event(event)) {
                seen += 1;
                continue;
            }
            return violation(format!("{title} {}", wrong_event(history, watch, &due, seen, event)));
        }
        let Some(last) = response.events.last() else {
            if let Some(change) = due.get(seen).filter(|change| change.revision <= response.revision) {
                return violation(format!(
                    "{title} was told that everything up to revision {} was sent, but had not seen {change}.",
                    response.revision
                ));
            }
            continue;
        };
        if response.revision < last.revision {
            return violation(format!(
                "{title} was shown {last} in an answer with revision {} in its header.",
                response.revision
            ));
        }
        if let Some(change) = due.get(seen)
            && change.revision == last.revision
            && !watch.fragmented
        {
            return violation(format!("{title} was shown {last} without {change}, which belongs to it."));
        }
        if last.revision > promised.0 {
            promised = (last.revision, "its last event");
        }
    }
    match due.get(seen) {
        Some(change) if change.revision <= promised.0 => violation(format!(
            "{title} never saw {change}, although {} was revision {}.",
            promised.1, promised.0
        )),
        _ => Ok(()),
    }
}

/// What is wrong with an event that is not the next that was due.
fn wrong_event(
    history: &StoreHistory,
    watch: &WatchRun,
    due: &[&Change],
    seen: usize,
    event: &Change,
) -> String {
    if due[..seen].iter().any(|change| change.is_same_event(event)) {
        return format!("saw {event} twice, the second time after revision {}.", due[seen - 1].revision);
    }
    if due[seen..].iter().any(|change| change.is_same_event(event)) {
        return format!("missed {}: it saw {event} before it.", due[seen]);
    }
    let happened = history.at(event.revision).iter().any(|change| change.is_same_event(event));
    if !happened {
        return format!("saw {event}, which never happened.");
    }
    if watch.span.contains(&event.key) {
        format!("saw {event}, which is before its start.")
    } else {
        format!("saw {event}, which is not in its span.")
    }
}
