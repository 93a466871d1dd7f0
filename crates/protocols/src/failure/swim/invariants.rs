//! What must hold of a group at every moment, whatever was lost, delayed, crashed or cut.
//!
//! A [`History`] is shown a member after each of its steps, and told of starts. It costs as much a look as the member knows others: it is for
//! small worlds.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use bytes::Bytes;
use synod_machine::NodeId;

use super::{Incarnation, Phase, State, Swim};

/// The past of a group, as far as its properties need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Who announced what about itself, ever.
    announced: BTreeMap<(NodeId, Incarnation), Bytes>,
    /// What a member knew of another when it was last looked at, in this life.
    past: BTreeMap<NodeId, BTreeMap<NodeId, (Incarnation, State)>>,
}

impl History {
    /// The node begins a new life, and knows nothing of the former.
    pub fn restarted(&mut self, node: NodeId) {
        self.past.remove(&node);
    }

    /// Looks at a member after a step.
    ///
    /// # Errors
    /// The property that does not hold, and a sentence.
    pub fn observe(&mut self, member: &Swim) -> Result<(), (&'static str, String)> {
        self.one_metadata(member).map_err(|sentence| (ONE_METADATA, sentence))?;
        self.owners_alone(member).map_err(|sentence| (OWNERS_ALONE, sentence))?;
        self.never_back(member).map_err(|sentence| (NEVER_BACK, sentence))?;
        suspects_have_a_deadline(member).map_err(|sentence| (SUSPECTS_HAVE_A_DEADLINE, sentence))?;
        health_within_bounds(member).map_err(|sentence| (HEALTH_WITHIN_BOUNDS, sentence))
    }

    /// One incarnation means one metadata, over all lives of its owner (paper, section 4.2: an incarnation is given once).
    fn one_metadata(&mut self, member: &Swim) -> Result<(), String> {
        if member.phase() == Phase::Starting {
            return Ok(());
        }
        let (node, incarnation) = (member.id(), member.incarnation());
        let table = member.table().get(node).map(|own| own.metadata.clone()).unwrap_or_default();
        let first = self.announced.entry((node, incarnation)).or_insert_with(|| table.clone());
        if *first == table {
            return Ok(());
        }
        Err(format!(
            "{node} announced {first:?} under {incarnation}, and now {table:?} under the same: a later life gave the incarnation again"
        ))
    }

    /// Nobody but its owner raises an incarnation (paper, section 4.2).
    fn owners_alone(&self, member: &Swim) -> Result<(), String> {
        for known in member.table().members().filter(|known| known.incarnation > Incarnation(0)) {
            let Some(announced) = self.announced.get(&(known.node, known.incarnation)) else {
                let (me, node, incarnation) = (member.id(), known.node, known.incarnation);
                return Err(format!("{me} knows {node} in {incarnation}, which {node} never announced"));
            };
            if known.state == State::Alive && *announced != known.metadata {
                let (me, node, incarnation, metadata) =
                    (member.id(), known.node, known.incarnation, &known.metadata);
                return Err(format!(
                    "{me} knows {node} in {incarnation} with {metadata:?}, where it announced {announced:?}"
                ));
            }
        }
        Ok(())
    }

    /// What a member knows of another goes forward only: a higher incarnation, or within one Alive < Suspect < Failed < Left (paper, section 4.2,
    /// with Failed bound to its incarnation).
    fn never_back(&mut self, member: &Swim) -> Result<(), String> {
        let past = self.past.entry(member.id()).or_default();
        let mut now = BTreeMap::new();
        for known in member.table().members() {
            let rank = (known.incarnation, known.state);
            if let Some(before) = past.get(&known.node).filter(|before| **before > rank) {
                let (me, node) = (member.id(), known.node);
                return Err(format!(
                    "{me} knew {node} as {:?} in {}, and now as {:?} in {}",
                    before.1, before.0, rank.1, rank.0
                ));
            }
            now.insert(known.node, rank);
        }
        *past = now;
        Ok(())
    }
}

/// Name of a property.
pub const ONE_METADATA: &str = "one metadata an incarnation";
/// Name of a property.
pub const OWNERS_ALONE: &str = "incarnations are their owners'";
/// Name of a property.
pub const NEVER_BACK: &str = "knowledge never goes back";
/// Name of a property.
pub const SUSPECTS_HAVE_A_DEADLINE: &str = "suspects have a deadline";
/// Name of a property.
pub const HEALTH_WITHIN_BOUNDS: &str = "local health within bounds";

/// The properties of [`History::observe`]: name, sentence, source.
pub const PROPERTIES: &[(&str, &str, &str)] = &[
    (ONE_METADATA, "over all lives of a member an incarnation stands for one announcement", "SWIM, 4.2"),
    (OWNERS_ALONE, "nobody knows a member in an incarnation that it never announced", "SWIM, 4.2"),
    (NEVER_BACK, "what a member knows of another is only ever replaced by what overrides it", "SWIM, 4.2"),
    (
        SUSPECTS_HAVE_A_DEADLINE,
        "who is suspected refutes, leaves or fails: a suspicion always ends",
        "SWIM, 4.2",
    ),
    (HEALTH_WITHIN_BOUNDS, "the local health counter stays between 0 and S", "Lifeguard, IV-A"),
];

/// Every suspect has a running suspicion, or it would stay one for ever; and nobody else has (paper, section 4.2).
fn suspects_have_a_deadline(member: &Swim) -> Result<(), String> {
    if !matches!(member.phase(), Phase::Starting | Phase::Member) {
        return Ok(());
    }
    let me = member.id();
    let suspects = member.table().members().filter(|known| known.state == State::Suspect && known.node != me);
    if let Some(known) = suspects.into_iter().find(|known| !member.suspicions().contains_key(&known.node)) {
        return Err(format!("{me} suspects {} without a deadline", known.node));
    }
    let is_suspect = |node| member.table().get(node).is_some_and(|known| known.state == State::Suspect);
    match member.suspicions().keys().find(|node| !is_suspect(**node)) {
        Some(node) => Err(format!("{me} has a deadline for {node}, which it does not suspect")),
        None => Ok(()),
    }
}

/// Lifeguard, section IV-A.
fn health_within_bounds(member: &Swim) -> Result<(), String> {
    let (doubts, most) = (member.health().doubts(), member.config().health_max);
    if doubts <= most {
        return Ok(());
    }
    Err(format!("local health of {} is {doubts}, above {most}", member.id()))
}
