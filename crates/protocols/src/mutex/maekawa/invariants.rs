//! The properties, as functions over all processes at one moment, or over what was seen so far.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use synod_machine::NodeId;

use super::{Handling, Maekawa, Request};

/// How often another process may enter before one whose request all its arbiters know.
///
/// A process that asks after it has been granted by an arbiter that knows the waiting request has a later stamp than that, and waits behind it there. Every other process
/// shares an arbiter with the waiting one. So it can enter once by a request that it had made already, and once more by one that it made before that arbiter's next grant told it
/// the time.
pub const BYPASSES_MAX: u64 = 2;

/// Exclusion: at most one process is inside (Maekawa 1985, section 1; Lamport's mutual exclusion property, 1986).
///
/// # Errors
///
/// Says which two are.
pub fn exclusion<'a>(processes: impl IntoIterator<Item = (NodeId, &'a Maekawa)>) -> Result<(), String> {
    let mut inside = processes.into_iter().filter(|(_, process)| process.is_inside());
    let (Some((one, first)), Some((other, second))) = (inside.next(), inside.next()) else { return Ok(()) };
    let request = |process: &Maekawa| process.attempt().map(|attempt| attempt.request);
    Err(format!(
        "expected at most one inside, found {one} by its request {} and {other} by {}",
        request(first).map_or_else(String::new, |request| format!("{request}")),
        request(second).map_or_else(String::new, |request| format!("{request}")),
    ))
}

/// Whoever waits has something to wait for: a process inside, a message under way, or a way out of the circle. To be asked when nothing is under way: then, if
/// anyone waits, somebody must be inside (no deadlock; Maekawa 1985, section 3.2).
///
/// # Errors
///
/// Names the circle.
pub fn no_deadlock(processes: &BTreeMap<NodeId, &Maekawa>) -> Result<(), String> {
    if processes.values().any(|process| process.is_inside()) {
        return Ok(());
    }
    let waits_for = |node: &NodeId| {
        let attempt = processes.get(node)?.attempt()?;
        let arbiter =
            processes[node].request_set().iter().find(|arbiter| !attempt.grants.contains(arbiter))?;
        Some((*arbiter, processes.get(arbiter)?.granted()?.node))
    };
    let Some(first) = processes.keys().find(|node| processes[node].attempt().is_some()) else {
        return Ok(());
    };
    let (mut node, mut path) = (*first, Vec::<(NodeId, NodeId, NodeId)>::new());
    while let Some((arbiter, holder)) = waits_for(&node) {
        if let Some(start) = path.iter().position(|(seen, ..)| *seen == node) {
            let circle: Vec<String> = path[start..]
                .iter()
                .map(|(waiter, arbiter, holder)| format!("{waiter} for {arbiter}, which {holder} holds"))
                .collect();
            return Err(format!("expected someone to enter, found a circular wait: {}", circle.join("; ")));
        }
        path.push((node, arbiter, holder));
        node = holder;
    }
    Err(format!("expected someone to enter, found {node} waiting with nobody inside and nothing under way"))
}

/// Who precedes is told so: of those that wait at an arbiter only the first may believe that it is next (rule 6; Sanders 1987).
///
/// # Errors
///
/// Names the arbiter and who was left in the dark.
pub fn the_overtaken_know<'a>(
    processes: impl IntoIterator<Item = (NodeId, &'a Maekawa)>,
) -> Result<(), String> {
    for (node, process) in processes {
        let arbiter = &process.arbiter;
        if process.config.handling == Handling::None {
            continue;
        }
        if let Some(request) = arbiter.queue().skip(1).find(|request| !arbiter.has_told(*request)) {
            return Err(format!(
                "expected {node} to have told {request} that another precedes it; it has not"
            ));
        }
    }
    Ok(())
}

/// Fairness, seen from outside: counts who enters before whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fairness {
    /// For each request that all its arbiters know: who has entered since, and how often.
    waiting: BTreeMap<Request, BTreeMap<NodeId, u64>>,
    inside: Option<Request>,
    /// The most that any process has entered before another that was known to wait.
    pub bypasses_most: u64,
}

impl Fairness {
    /// Looks at all processes after a step: no other may enter more than [`BYPASSES_MAX`] times before a request that all its arbiters know.
    ///
    /// # Errors
    ///
    /// Says who waited and who entered.
    pub fn observe(&mut self, processes: &BTreeMap<NodeId, &Maekawa>) -> Result<(), String> {
        let inside = processes.values().find(|process| process.is_inside());
        let inside = inside.and_then(|process| process.attempt()).map(|attempt| attempt.request);
        if inside != self.inside
            && let Some(entered) = inside
        {
            self.waiting.remove(&entered);
            for (request, bypasses) in &mut self.waiting {
                let count = bypasses.entry(entered.node).or_default();
                *count += 1;
                self.bypasses_most = self.bypasses_most.max(*count);
                if *count > BYPASSES_MAX {
                    return Err(format!(
                        "expected at most {BYPASSES_MAX} entries of another before {request}, which all its arbiters know; \
                         {} has entered {count} times",
                        entered.node
                    ));
                }
            }
        }
        self.inside = inside;
        let known = |request: Request, arbiter: &NodeId| {
            processes
                .get(arbiter)
                .is_some_and(|process| process.granted() == Some(request) || process.arbiter.waits(request))
        };
        let wishes = processes.values().filter_map(|process| Some((process, process.attempt()?)));
        let live: BTreeMap<Request, bool> = wishes
            .filter(|(_, attempt)| !attempt.inside)
            .map(|(process, attempt)| {
                let everywhere = process.request_set().iter().all(|arbiter| known(attempt.request, arbiter));
                (attempt.request, everywhere)
            })
            .collect();
        self.waiting.retain(|request, _| live.contains_key(request));
        for (request, _) in live.into_iter().filter(|(_, everywhere)| *everywhere) {
            self.waiting.entry(request).or_default();
        }
        Ok(())
    }
}
