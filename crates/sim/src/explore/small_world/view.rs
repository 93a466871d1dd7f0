//! What properties see of a state.

use synod_machine::{Machine, NodeId};

use super::{Budgets, Explorable, Remembers, State};

/// A state, as no one inside the world can see it.
pub struct View<'a, M: Machine, H> {
    pub(super) nodes: &'a [NodeId],
    pub(super) state: &'a State<M, H>,
}

impl<'a, M: Explorable, H: Remembers> View<'a, M, H> {
    /// The machine of a node that is up.
    pub fn machine(&self, node: NodeId) -> Option<&'a M> {
        let place = self.nodes.iter().position(|known| *known == node)?;
        self.state.nodes[place].machine.as_ref()
    }

    /// The nodes that are up, with their machines.
    pub fn machines(&self) -> impl Iterator<Item = (NodeId, &'a M)> + use<'a, M, H> {
        let nodes = self.nodes.iter().zip(&self.state.nodes);
        nodes.filter_map(|(id, node)| Some((*id, node.machine.as_ref()?)))
    }

    /// The nodes that are down.
    pub fn down(&self) -> impl Iterator<Item = NodeId> + use<'a, M, H> {
        let nodes = self.nodes.iter().zip(&self.state.nodes);
        nodes.filter(|(_, node)| !node.up()).map(|(id, _)| *id)
    }

    /// The writes of a node that survive any crash, oldest first.
    pub fn durable(&self, node: NodeId) -> impl Iterator<Item = &'a M::Write> + use<'a, M, H> {
        let place = self.nodes.iter().position(|known| *known == node);
        let nodes = &self.state.nodes;
        place.into_iter().flat_map(move |place| nodes[place].durable.iter().map(|(_, write)| write))
    }

    /// Messages under way: sender, receiver, message.
    pub fn under_way(&self) -> impl Iterator<Item = (NodeId, NodeId, &'a M::Message)> + use<'a, M, H> {
        self.state.network.iter().map(|envelope| (envelope.from, envelope.to, &envelope.message))
    }

    /// What was remembered of observations.
    pub fn memory(&self) -> &'a H {
        &self.state.memory.value
    }

    /// What may still go wrong.
    pub fn left(&self) -> Budgets {
        self.state.left
    }

    /// What a machine said when it gave up.
    pub fn panic(&self) -> Option<&'a str> {
        self.state.panic.as_deref()
    }
}
