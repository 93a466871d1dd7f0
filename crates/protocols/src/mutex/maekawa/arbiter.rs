//! The arbiter in each process: one permission, and a queue for it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use synod_machine::NodeId;

use super::{Body, Handling, Request};

/// What is sent to whom.
type Answers = Vec<(NodeId, Body)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Arbiter {
    handling: Handling,
    lock: Option<Lock>,
    /// Who waits, first to last.
    queue: BTreeSet<Request>,
    /// Those of the queue that know that another precedes them.
    told: BTreeSet<Request>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lock {
    request: Request,
    /// It was asked to give the permission back; asking once is enough.
    inquired: bool,
}

impl Arbiter {
    pub(super) fn new(handling: Handling) -> Self {
        Arbiter { handling, lock: None, queue: BTreeSet::new(), told: BTreeSet::new() }
    }

    pub(super) fn granted(&self) -> Option<Request> {
        self.lock.map(|lock| lock.request)
    }

    pub(super) fn queue(&self) -> impl Iterator<Item = Request> + '_ {
        self.queue.iter().copied()
    }

    pub(super) fn waits(&self, request: Request) -> bool {
        self.queue.contains(&request)
    }

    pub(super) fn has_told(&self, request: Request) -> bool {
        self.told.contains(&request)
    }

    /// Rules 2 and 6.
    pub(super) fn request(&mut self, request: Request) -> Answers {
        let Some(lock) = &mut self.lock else {
            self.lock = Some(Lock { request, inquired: false });
            return Vec::from([(request.node, Body::Grant(request))]);
        };
        let former_first = self.queue.first().copied();
        let preceded = lock.request <= request || former_first.is_some_and(|first| first <= request);
        self.queue.insert(request);
        let mut answers = Vec::new();
        match self.handling {
            Handling::None => {}
            Handling::Full | Handling::AsPublished if preceded => {
                self.told.insert(request);
                answers.push((request.node, Body::Failed(request)));
            }
            handling => {
                if !core::mem::replace(&mut lock.inquired, true) {
                    answers.push((lock.request.node, Body::Inquire(lock.request)));
                }
                let overtaken = former_first.filter(|_| handling == Handling::Full);
                if let Some(former) = overtaken.filter(|former| self.told.insert(*former)) {
                    answers.push((former.node, Body::Failed(former)));
                }
            }
        }
        answers
    }

    /// Rule 4: the permission came back for now.
    pub(super) fn yielded(&mut self, request: Request) -> Answers {
        if self.granted() != Some(request) {
            return Vec::new();
        }
        // Who yields knows that it is not next.
        self.queue.insert(request);
        self.told.insert(request);
        self.grant_first()
    }

    /// Rule 4: the permission came back for good.
    pub(super) fn release(&mut self, request: Request) -> Answers {
        if self.granted() == Some(request) { self.grant_first() } else { Vec::new() }
    }

    fn grant_first(&mut self) -> Answers {
        let first = self.queue.pop_first();
        self.lock = first.map(|request| Lock { request, inquired: false });
        let Some(request) = first else { return Vec::new() };
        self.told.remove(&request);
        Vec::from([(request.node, Body::Grant(request))])
    }
}
