//! Clients that hold leases for a while and then revoke them or let them expire.

use std::time::Duration;

use synod_check::specification::key_value::{LeaseId, Request};

use super::clients::{ANSWER_TIMEOUT, Connection, Roaming};
use super::dice::Dice;
use super::journal::Shared;
use super::stop::Stop;
use super::workload::Worker;
use crate::cluster::api::etcdserverpb as wire;

/// What the keys begin with that are attached to leases; the lease's id comes next, then a slash and a number.
pub const PREFIX: &str = "lease/";
/// The shortest time to live that servers grant by default.
const TIME_TO_LIVE_MIN_SECONDS: u64 = 2;

/// The lease that a key belongs to, if it belongs to one.
pub fn lease_of(key: &[u8]) -> Option<LeaseId> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(PREFIX)?;
    rest.split_once('/')?.0.parse().ok()
}

/// A client of that kind.
#[derive(Debug)]
pub struct Holder {
    shared: Shared,
    writer: Worker,
    roaming: Roaming,
    dice: Dice,
}

impl Holder {
    /// A client that holds no lease yet.
    pub fn new(shared: Shared, dice: Dice) -> Self {
        let writer = Worker::new(shared.clone(), dice.clone(), Duration::ZERO);
        let roaming = Roaming::new(shared.clone());
        Self { shared, writer, roaming, dice }
    }

    /// Takes one lease after the other until it is told to stop.
    pub async fn run(mut self, stop: Stop) {
        while !stop.is_set() {
            if self.hold_one(&stop).await.is_none() {
                tokio::time::sleep(self.dice.milliseconds(20, 80)).await;
            }
        }
    }

    /// The life of one lease, as far as its holder cares. None when it was not granted.
    async fn hold_one(&mut self, stop: &Stop) -> Option<()> {
        let lease = self.dice.identity();
        // Where nobody is reached no lease begins.
        let dice = &mut self.dice;
        self.roaming.connection(|members| dice.index(members)).await?;
        self.shared.journal().lease_begins(lease);
        let seconds = TIME_TO_LIVE_MIN_SECONDS + self.dice.below(2);
        self.ask(lease, Question::Grant(seconds)).await?;
        self.shared.journal().counts.leases_granted += 1;
        for number in 0..=self.dice.below(3) {
            let value = self.writer.new_value();
            let request = Request::Put {
                key: format!("{PREFIX}{lease}/{number}").as_bytes().into(),
                value: value.as_bytes().into(),
                lease,
                return_previous: false,
            };
            self.writer.perform(request).await;
        }
        for _ in 0..self.dice.below(6) {
            tokio::time::sleep(self.dice.milliseconds(200, 1_200)).await;
            if stop.is_set() || self.ask(lease, Question::KeepAlive).await.is_none() {
                break;
            }
            self.shared.journal().counts.leases_renewed += 1;
        }
        if self.dice.percent(30) {
            self.shared.journal().lease_revoked(lease);
            self.writer.perform(Request::Revoke { lease }).await;
        }
        Some(())
    }

    /// Grants or renews, and records what was promised. None when nothing was.
    async fn ask(&mut self, lease: LeaseId, question: Question) -> Option<()> {
        let dice = &mut self.dice;
        let connection = self.roaming.connection(|members| dice.index(members)).await?;
        let sent = self.shared.journal().now();
        let answer =
            tokio::time::timeout(ANSWER_TIMEOUT, question.ask(connection, lease)).await.ok().flatten();
        let Some(seconds) = answer else {
            self.roaming.leave();
            return None;
        };
        let seconds = u64::try_from(seconds).ok().filter(|&seconds| seconds > 0)?;
        self.shared.journal().lease_renewed(lease, sent, Duration::from_secs(seconds));
        Some(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Grant(u64),
    KeepAlive,
}

impl Question {
    /// The time to live that was answered, in seconds; 0 or less where there is no such lease.
    async fn ask(self, connection: &mut Connection, id: LeaseId) -> Option<i64> {
        match self {
            Self::Grant(seconds) => {
                let request = wire::LeaseGrantRequest { ttl: i64::try_from(seconds).ok()?, id };
                let response = connection.lease.lease_grant(request).await.ok()?.into_inner();
                Some(response.ttl)
            }
            Self::KeepAlive => {
                // The stream stays open until the answer is there: its end would end the answers.
                let (sender, receiver) = tokio::sync::mpsc::channel(1);
                sender.send(wire::LeaseKeepAliveRequest { id }).await.ok()?;
                let requests = tokio_stream::wrappers::ReceiverStream::new(receiver);
                let mut answers = connection.lease.lease_keep_alive(requests).await.ok()?.into_inner();
                Some(answers.message().await.ok()??.ttl)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_lease() {
        assert_eq!(lease_of(b"lease/77/0"), Some(77));
        assert_eq!(lease_of(b"lease/77"), None);
        assert_eq!(lease_of(b"reg/7"), None);
    }
}
