//! Single-decree Paxos as Lamport specifies it (the TLA+ module "Paxos"; "Paxos made simple", 2001, section 2.2): acceptors, ballots, values, and messages that once sent can
//! always be received.

use std::collections::BTreeSet;

/// A size of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Paxos {
    pub acceptors: u8,
    pub ballots: u8,
    pub values: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    acceptors: Vec<Acceptor>,
    messages: BTreeSet<Message>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Acceptor {
    promised: Option<u8>,
    accepted: Option<(u8, u8)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Prepare { ballot: u8 },
    Promise { acceptor: u8, ballot: u8, accepted: Option<(u8, u8)> },
    Accept { ballot: u8, value: u8 },
    Accepted { acceptor: u8, ballot: u8, value: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Prepare { ballot: u8 },
    Promise { acceptor: u8, ballot: u8 },
    Accept { ballot: u8, value: u8 },
    Accepted { acceptor: u8, ballot: u8, value: u8 },
}

impl State {
    /// At most one value is chosen: accepted by a majority in one ballot.
    pub fn sound(&self) -> bool {
        let mut votes: Vec<(u8, u8)> = self.messages.iter().filter_map(vote).collect();
        votes.sort_unstable();
        let chosen = votes.chunk_by(|a, b| a == b).filter(|votes| votes.len() * 2 > self.acceptors.len());
        let mut values: Vec<u8> = chosen.map(|votes| votes[0].1).collect();
        values.dedup();
        values.len() <= 1
    }
}

fn vote(message: &Message) -> Option<(u8, u8)> {
    match message {
        Message::Accepted { ballot, value, .. } => Some((*ballot, *value)),
        _ => None,
    }
}

impl Paxos {
    fn beginning(&self) -> State {
        State { acceptors: vec![Acceptor::default(); usize::from(self.acceptors)], messages: BTreeSet::new() }
    }

    fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        for ballot in 0..self.ballots {
            if !state.messages.contains(&Message::Prepare { ballot }) {
                actions.push(Action::Prepare { ballot });
            }
            self.possible_accepts(state, ballot, actions);
        }
        for (acceptor, of) in (0..).zip(&state.acceptors) {
            for message in &state.messages {
                match *message {
                    Message::Prepare { ballot } if Some(ballot) > of.promised => {
                        actions.push(Action::Promise { acceptor, ballot });
                    }
                    Message::Accept { ballot, value } if Some(ballot) >= of.promised => {
                        actions.push(Action::Accepted { acceptor, ballot, value });
                    }
                    _ => {}
                }
            }
        }
    }

    /// A proposer asks once a ballot, with a majority's promises, and for the value accepted last among them if there is one.
    fn possible_accepts(&self, state: &State, ballot: u8, actions: &mut Vec<Action>) {
        let asked =
            |message: &Message| matches!(message, Message::Accept { ballot: of, .. } if *of == ballot);
        if state.messages.iter().any(asked) {
            return;
        }
        let promises = state.messages.iter().filter_map(|message| match message {
            Message::Promise { acceptor, ballot: of, accepted } if *of == ballot => {
                Some((*acceptor, *accepted))
            }
            _ => None,
        });
        let promises: Vec<(u8, Option<(u8, u8)>)> = promises.collect();
        // Any quorum among those that promised will do, and different ones may see different values.
        for value in 0..self.values {
            let quorum_allows = (0u32..1 << promises.len()).any(|subset| {
                let members = || promises.iter().enumerate().filter(|(place, _)| subset >> place & 1 == 1);
                let last = members().filter_map(|(_, (_, accepted))| *accepted).max();
                members().count() * 2 > state.acceptors.len() && last.is_none_or(|(_, last)| last == value)
            });
            if quorum_allows {
                actions.push(Action::Accept { ballot, value });
            }
        }
    }

    fn after(&self, state: &State, action: Action) -> State {
        let mut state = state.clone();
        match action {
            Action::Prepare { ballot } => state.messages.insert(Message::Prepare { ballot }),
            Action::Promise { acceptor, ballot } => {
                let of = &mut state.acceptors[usize::from(acceptor)];
                of.promised = Some(ballot);
                state.messages.insert(Message::Promise { acceptor, ballot, accepted: of.accepted })
            }
            Action::Accept { ballot, value } => state.messages.insert(Message::Accept { ballot, value }),
            Action::Accepted { acceptor, ballot, value } => {
                let of = &mut state.acceptors[usize::from(acceptor)];
                (of.promised, of.accepted) = (Some(ballot), Some((ballot, value)));
                state.messages.insert(Message::Accepted { acceptor, ballot, value })
            }
        };
        state
    }
}

super::explored!(Paxos, Action, State, "agreement");
