//! The binder: who serves which interface, and in which life (Birrell and Nelson 1984, section 2: Grapevine has that part).

use alloc::collections::BTreeMap;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, Ticket, View};

use super::{Binding, Command, Event, Failure, Incarnation, Interface, Message, Reply, Timer, Write};

/// Interfaces that one binder knows; more are not noted.
pub const INTERFACES_MAX: usize = 1_024;

/// Notes durably who serves what, and tells clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Binder {
    bindings: BTreeMap<Interface, (Binding, Ticket)>,
}

impl Binder {
    /// A binder before its start.
    pub fn new() -> Self {
        Self::default()
    }

    fn export(
        &mut self,
        from: NodeId,
        interface: Interface,
        incarnation: Incarnation,
        fx: &mut Effects<'_, Self>,
    ) {
        let binding = Binding { server: from, incarnation };
        let known = self.bindings.get(&interface).copied();
        let ticket = match known {
            Some((known, ticket)) if known == binding => ticket,
            // An export of an earlier life that was long under way.
            Some((known, _)) if known.server == from && known.incarnation > incarnation => {
                return fx.note("rpc.stale_export", 1);
            }
            None if self.bindings.len() >= INTERFACES_MAX => return fx.note("rpc.binder_full", 1),
            _ => fx.write(Write::Bound(interface, binding)),
        };
        self.bindings.insert(interface, (binding, ticket));
        fx.hold(ticket, |fx| fx.send(from, Message::Exported(interface, incarnation)));
    }
}

impl Machine for Binder {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = super::NEEDS;

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => {
                for write in saved {
                    if let Write::Bound(interface, binding) = write {
                        self.bindings.insert(interface, (binding, Ticket(0)));
                    }
                }
            }
            Input::Receive { from, message: Message::Export(interface, incarnation) } => {
                self.export(from, interface, incarnation, fx);
            }
            Input::Receive { from, message: Message::Import(interface) } => {
                let (binding, ticket) = self
                    .bindings
                    .get(&interface)
                    .map_or((None, Ticket(0)), |(binding, ticket)| (Some(*binding), *ticket));
                fx.hold(ticket, |fx| fx.send(from, Message::Imported(interface, binding)));
            }
            Input::Command { id, .. } => {
                fx.reply(id, Reply::Failed { call: None, failure: Failure::NotBound })
            }
            Input::Receive { .. } => fx.note("rpc.nonsense", 1),
            Input::Fire(_) | Input::Durable(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        for (interface, (binding, _)) in &self.bindings {
            view.show(&alloc::format!("interface {}", interface.0), binding);
        }
    }
}
