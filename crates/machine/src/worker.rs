//! The local peer that is not a machine: a store, a backup, anything with a large state.
//!
//! A step must be short, and a machine's whole state must fit its writes. A database's store fits neither, so it
//! stands beside the machine: jobs go to it in order, and what it gives comes back as [`Input::Done`](crate::Input::Done) to the machine, or goes
//! straight to clients. A driver may run it on a thread of its own; the simulator runs it in virtual time and crashes it.

use alloc::vec::Vec;

use crate::{Machine, Mono, RequestId};

/// Works through a machine's jobs, in order, beside it.
pub trait Worker<M: Machine> {
    /// Does one job. Several may be done before their output is looked at.
    fn work(&mut self, now: Mono, job: M::Job, out: &mut Output<M>);

    /// No job is waiting: the moment for what may be put off (flush what is batched, compact a little).
    /// Returns whether there is more of that to do.
    fn idle(&mut self, now: Mono, out: &mut Output<M>) -> bool;
}

/// What a worker gives, in order.
#[derive(Debug)]
pub struct Output<M: Machine> {
    /// For the machine.
    pub done: Vec<M::Done>,
    /// For clients.
    pub replies: Vec<(RequestId, M::Reply)>,
}

impl<M: Machine> Default for Output<M> {
    fn default() -> Self {
        Output { done: Vec::new(), replies: Vec::new() }
    }
}

impl<M: Machine> Output<M> {
    /// Hands something back to the machine.
    pub fn done(&mut self, done: M::Done) {
        self.done.push(done);
    }

    /// Answers a client.
    pub fn reply(&mut self, id: RequestId, reply: M::Reply) {
        self.replies.push((id, reply));
    }
}

/// The worker of machines that have no jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWorker;

impl<M: Machine<Job = crate::Never>> Worker<M> for NoWorker {
    fn work(&mut self, _: Mono, job: M::Job, _: &mut Output<M>) {
        match job {}
    }
    fn idle(&mut self, _: Mono, _: &mut Output<M>) -> bool {
        false
    }
}
