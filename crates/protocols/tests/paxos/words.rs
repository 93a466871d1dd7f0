//! Paxos in the words of the paper.

use synod_protocols::consensus::paxos::*;

use crate::world::Words;

fn accepted(proposal: Option<&Proposal<char>>) -> String {
    proposal.map_or_else(|| "nothing".to_owned(), |p| format!("{}@{}", p.value, p.ballot))
}

impl Words for Paxos<char> {
    fn message(message: &Message<char>) -> (String, String) {
        let rest = match message {
            Message::Prepare { ballot } => format!("{ballot}"),
            Message::Promise { ballot, accepted: reported } => {
                format!("{ballot}, accepted {}", accepted(reported.as_ref()))
            }
            Message::Accept(proposal) | Message::Accepted(proposal) => accepted(Some(proposal)),
            Message::Rejected { ballot, promised } => format!("{ballot}, promised {promised}"),
            Message::Chosen(value) => value.to_string(),
            Message::Inquire => String::new(),
        };
        (message.name().to_owned(), rest)
    }

    fn reply(reply: &Reply<char>) -> String {
        match reply {
            Reply::Chosen(value) => format!("{value} is chosen"),
            Reply::Refused(refusal) => format!("refused, {refusal:?}"),
        }
    }

    fn event(event: &Event<char>) -> String {
        let Event::Chosen(value) = event;
        format!("learns that {value} is chosen")
    }

    fn write(write: &Write<char>) -> String {
        match write {
            Write::Attempted(ballot) => format!("attempted {ballot}"),
            Write::Pledged(pledge) => {
                format!("promised {}, accepted {}", pledge.promised, accepted(pledge.accepted.as_ref()))
            }
        }
    }

    fn timer(name: &str) -> Option<Timer> {
        match name {
            "attempt" => Some(Timer::Attempt),
            "retry" => Some(Timer::Retry),
            "learn" => Some(Timer::Learn),
            _ => None,
        }
    }

    fn status(&self) -> String {
        let pledge = self.pledge();
        let phase = match self.phase() {
            Phase::Idle => String::new(),
            Phase::BackingOff => ", backs off".to_owned(),
            Phase::Preparing { ballot, promises, .. } => {
                format!(", prepares {ballot} with {} promises", promises.len())
            }
            Phase::Accepting(proposal) => format!(", puts {} to the vote", accepted(Some(proposal))),
        };
        let learned = self.learned().map(|value| format!(", knows {value}")).unwrap_or_default();
        format!(
            "promised {}, accepted {}{phase}{learned}",
            pledge.promised,
            accepted(pledge.accepted.as_ref())
        )
    }
}
