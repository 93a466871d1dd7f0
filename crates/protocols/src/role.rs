//! Machines of different roles as one: a client, a server and a name service are machines of their own, and a world has nodes of one type.
//!
//! Roles of one mechanism share the types of their messages, timers and writes. An enum of roles steps the one it is, and [`Same`] hands the effects on
//! as they are.

use synod_machine::NodeId;
use synod_machine::{Effects, Input, Machine, RequestId, Scope, Ticket};

/// Hands a role's effects on unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Same;

impl<C, P> Scope<C, P> for Same
where
    C: Machine,
    P: Machine<
            Message = C::Message,
            Timer = C::Timer,
            Reply = C::Reply,
            Event = C::Event,
            Write = C::Write,
            Job = C::Job,
        >,
{
    fn message(&mut self, _: NodeId, message: C::Message, _: Option<Ticket>) -> C::Message {
        message
    }
    fn timer(&mut self, timer: C::Timer) -> C::Timer {
        timer
    }
    fn write(&mut self, write: C::Write) -> C::Write {
        write
    }
    fn work(&mut self, job: C::Job, fx: &mut Effects<'_, P>) {
        fx.work(job);
    }
    fn reply(&mut self, id: RequestId, reply: C::Reply, fx: &mut Effects<'_, P>) {
        fx.reply(id, reply);
    }
    fn event(&mut self, event: C::Event, fx: &mut Effects<'_, P>) {
        fx.emit(event);
    }
    fn forget(&mut self, before: Ticket, fx: &mut Effects<'_, P>) {
        fx.forget(before);
    }
}

/// The same input for a role.
pub fn input<C, P>(input: Input<P>) -> Input<C>
where
    P: Machine,
    C: Machine<
            Message = P::Message,
            Timer = P::Timer,
            Command = P::Command,
            Write = P::Write,
            Done = P::Done,
        >,
{
    match input {
        Input::Start { saved } => Input::Start { saved },
        Input::Receive { from, message } => Input::Receive { from, message },
        Input::Fire(timer) => Input::Fire(timer),
        Input::Command { id, command } => Input::Command { id, command },
        Input::Durable(ticket) => Input::Durable(ticket),
        Input::Done(done) => Input::Done(done),
        Input::Link { peer, up } => Input::Link { peer, up },
    }
}
