//! Clients: their commands travel to nodes, replies travel back, and their own timers pass.

use synod_machine::{Input, Machine, RequestId};

use super::{Event, World};
use crate::agenda::Moment;
use crate::subject::LANES_MAX;
use crate::{Subject, Violation};

impl<S: Subject> World<S> {
    /// Sends what clients put down during a call.
    pub(super) fn send_clients(&mut self) {
        for (id, to, command) in self.clients.commands.drain(..) {
            let delay = self.plan.client.draw_nanos(self.client_draw.bits());
            let Some(node) = (to.0 as usize).checked_sub(1).and_then(|index| self.nodes.get_mut(index))
            else {
                continue;
            };
            if self.plan.commands_lost.contains(&(id.0 / LANES_MAX)) {
                self.tally.add("client.commands lost", 1);
                continue;
            }
            let lane = &mut node.lanes[(id.0 % LANES_MAX) as usize].0;
            *lane = self.now.plus(delay).max(*lane);
            let at = *lane;
            let place = self.commands.put((id, to, command));
            self.agenda.put(at, Event::Command(place));
        }
        for (delay, token) in self.clients.timers.drain(..) {
            self.agenda.put(self.now.plus(crate::stream::nanos(delay)), Event::ClientTimer(token));
        }
    }

    /// A command reaches its node, which may be down.
    pub(super) fn command(&mut self, place: u32) -> Result<(), Violation> {
        let (id, to, command) = self.commands.take(place);
        self.tally.add("client.commands", 1);
        match self.index(to).filter(|index| self.nodes[*index].up()) {
            Some(index) => self.step(index, Input::Command { id, command }, None),
            None => {
                self.tally.add("client.commands lost", 1);
                Ok(())
            }
        }
    }

    /// A reply leaves its node.
    pub(super) fn answer(&mut self, index: usize, id: RequestId, reply: <S::Machine as Machine>::Reply) {
        let delay = self.plan.client.draw_nanos(self.client_draw.bits());
        let node = &mut self.nodes[index];
        let lane: &mut Moment = &mut node.lanes[(id.0 % LANES_MAX) as usize].1;
        *lane = self.now.plus(delay).max(*lane);
        let at = *lane;
        let place = self.replies.put((node.id, id, reply));
        self.agenda.put(at, Event::Reply(place));
    }

    pub(super) fn reply(&mut self, place: u32) -> Result<(), Violation> {
        let (from, id, reply) = self.replies.take(place);
        self.tally.add("client.replies", 1);
        self.clients.now = self.now.mono();
        self.subject.on_reply(from, id, reply, &mut self.clients)?;
        self.send_clients();
        Ok(())
    }

    pub(super) fn client_timer(&mut self, token: u64) -> Result<(), Violation> {
        self.clients.now = self.now.mono();
        self.subject.on_timer(token, &mut self.clients)?;
        self.send_clients();
        Ok(())
    }
}
