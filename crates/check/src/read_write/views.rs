//! PRAM and causal memory: a view for each session.
//!
//! Each session has an order of all writes and of what it did itself, in which its reads are right. With PRAM that order
//! respects the order of every session; with causal memory also causality. Views of different sessions need not agree,
//! so they are looked for one by one, by saturation (see the module `saturation`).
//!
//! (Causal memory is defined with a view for each operation, of its past only; the view for the last operation of a
//! session serves for all of them.)
//!
//! # What it costs
//!
//! For each session some passes over all operations, of the time of one vector clock each: operations times the square
//! of the sessions, times the passes.

use super::argument::Grounds;
use super::causal::cyclic;
use super::graph::Graph;
use super::saturation::{Rules, Saturated, saturate};
use super::sources::NONE;
use crate::model::Finding;

/// Decides causal memory, or PRAM if not `causal`.
pub(super) fn decide(graph: &Graph<'_, '_>, causal: bool, mut is_over: impl FnMut() -> bool) -> Finding {
    let causal_order = if causal {
        match graph.topological(|_| true) {
            Ok(order) => Some(order),
            Err(on_cycle) => return Finding::Broken(Box::new(cyclic(graph, on_cycle))),
        }
    } else {
        None
    };
    let mut passes = 0;
    for chain in 0..graph.width() as u32 {
        if graph.chains[chain as usize].iter().all(|&operation| graph.source[operation as usize] == NONE) {
            continue;
        }
        if is_over() {
            let reason = format!("the time limit was reached after {chain} of {} sessions", graph.width());
            return Finding::Unknown { reason };
        }
        let own = |read: u32| graph.chain_of[read as usize] == chain;
        let own_order = match &causal_order {
            Some(_) => Ok(Vec::new()),
            None => graph.topological(own),
        };
        let own_order = match own_order {
            Ok(order) => order,
            Err(on_cycle) => {
                let sentence = format!("{} comes before itself in its session", graph.trace.id(on_cycle));
                let breach = Grounds::new(graph, Some(chain)).cycle("CyclicCO", sentence, on_cycle);
                return Finding::Broken(Box::new(breach));
            }
        };
        let order = causal_order.as_ref().unwrap_or(&own_order);
        match saturate(graph, order, Rules::View { causal, chain }, &mut passes) {
            Saturated::Open(_) => {}
            Saturated::Broken(breach) => return Finding::Broken(breach),
            Saturated::Unknown => {
                let reason = format!("nothing was certain after {passes} passes over the history");
                return Finding::Unknown { reason };
            }
        }
    }
    Finding::Kept
}
