//! Two-phase commit in the words of the literature.

use synod_protocols::commit::two_phase::*;

use crate::world::Words;

pub type Node = TwoPhase<Accounts>;

fn work_text(work: &[Operation]) -> String {
    let one = |operation: &Operation| match operation {
        Operation::Read(account) => format!("{account}?"),
        Operation::Add(account, amount) => format!("{account}{amount:+}"),
    };
    work.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn nodes_text<'a>(nodes: impl IntoIterator<Item = &'a synod_machine::NodeId>) -> String {
    nodes.into_iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
}

fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Commit => "commit",
        Outcome::Abort => "abort",
    }
}

impl Words for Node {
    fn message(message: &Message<Vec<Operation>>) -> (String, String) {
        let rest = match message {
            Message::Prepare { transaction, work, .. } => format!("{transaction} {}", work_text(work)),
            other => other.transaction().to_string(),
        };
        (message.name().to_owned(), rest)
    }

    fn reply(reply: &Reply) -> String {
        match reply {
            Reply::Decided(outcome) => outcome_text(*outcome).to_owned(),
            Reply::Refused(refusal) => format!("refused, {refusal:?}"),
        }
    }

    fn event(event: &Event) -> String {
        match event {
            Event::Voted(transaction, vote) => format!("has voted {vote:?} for {transaction}"),
            Event::Decided(transaction, outcome) => {
                format!("has decided to {} {transaction}", outcome_text(*outcome))
            }
            Event::InDoubt(transaction) => format!("is in doubt about {transaction}"),
        }
    }

    fn write(record: &Record<Accounts>) -> String {
        match record {
            Record::Collecting { transaction, participants } => {
                format!("{transaction} collecting from {}", nodes_text(participants))
            }
            Record::Decided { transaction, outcome, told } => {
                format!("{transaction} {}, tell {}", outcome_text(*outcome), nodes_text(told))
            }
            Record::Ended { transaction } => format!("{transaction} end"),
            Record::Prepared { transaction, work, .. } => {
                format!("{transaction} prepared {}", work_text(work))
            }
            Record::Resolved { transaction, outcome } => {
                format!("{transaction} {}", outcome_text(*outcome))
            }
            Record::Checkpoint(_) => "a checkpoint".to_owned(),
        }
    }

    fn timer(name: &str) -> Option<Timer> {
        // `votes/n1.7`.
        let (name, transaction) = name.split_once('/')?;
        let (coordinator, number) = transaction.split_once('.')?;
        let coordinator = crate::world::script::parse(coordinator).ok()?;
        let transaction = TransactionId { coordinator, number: number.parse().ok()? };
        match name {
            "votes" => Some(Timer::Votes(transaction)),
            "acks" => Some(Timer::Acks(transaction)),
            "doubt" => Some(Timer::InDoubt(transaction)),
            _ => None,
        }
    }

    fn status(&self) -> String {
        let balances = self.ledger().resource.balances.iter();
        let mut parts: Vec<String> =
            balances.map(|(account, balance)| format!("{account}={balance}")).collect();
        for (transaction, work) in self.in_doubt() {
            parts.push(format!("in doubt {transaction}, locks {}", work_text(work)));
        }
        for (transaction, round) in self.rounds() {
            parts.push(match round {
                Round::Voting { votes, work, .. } => {
                    format!("coordinates {transaction}, {} of {} votes", votes.len(), work.len())
                }
                Round::Telling { outcome, unacknowledged } => {
                    let waits = nodes_text(unacknowledged);
                    format!("coordinates {transaction}, {}, waits for {waits}", outcome_text(*outcome))
                }
            });
        }
        if parts.is_empty() { "knows of nothing".to_owned() } else { parts.join("; ") }
    }
}
