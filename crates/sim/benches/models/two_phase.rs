//! Two-phase commit as Gray and Lamport specify it ("Consensus on transaction commit", 2006, section 3): resource managers, a transaction manager, and messages that
//! once sent can always be received, for that is all that matters to safety. The numbers of its states are known: 288 for three resource managers, 8,832 for five.

use std::collections::BTreeSet;

/// How many resource managers there are.
#[derive(Clone, Copy, Debug)]
pub struct TwoPhase(pub usize);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    managers: Vec<Manager>,
    coordinator: Coordinator,
    prepared: Vec<bool>,
    messages: BTreeSet<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Manager {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Coordinator {
    Init,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Prepared(usize),
    Commit,
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Hear(usize),
    DecideCommit,
    DecideAbort,
    Prepare(usize),
    ChooseAbort(usize),
    ObeyCommit(usize),
    ObeyAbort(usize),
}

impl State {
    /// No manager commits while another aborts.
    pub fn sound(&self) -> bool {
        !(self.managers.contains(&Manager::Committed) && self.managers.contains(&Manager::Aborted))
    }
}

impl TwoPhase {
    fn beginning(&self) -> State {
        State {
            managers: vec![Manager::Working; self.0],
            coordinator: Coordinator::Init,
            prepared: vec![false; self.0],
            messages: BTreeSet::new(),
        }
    }

    fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let undecided = state.coordinator == Coordinator::Init;
        if undecided && state.prepared.iter().all(|prepared| *prepared) {
            actions.push(Action::DecideCommit);
        }
        if undecided {
            actions.push(Action::DecideAbort);
        }
        for (place, manager) in state.managers.iter().enumerate() {
            if undecided && state.messages.contains(&Message::Prepared(place)) {
                actions.push(Action::Hear(place));
            }
            if *manager == Manager::Working {
                actions.extend([Action::Prepare(place), Action::ChooseAbort(place)]);
            }
            if state.messages.contains(&Message::Commit) {
                actions.push(Action::ObeyCommit(place));
            }
            if state.messages.contains(&Message::Abort) {
                actions.push(Action::ObeyAbort(place));
            }
        }
    }

    fn after(&self, state: &State, action: Action) -> State {
        let mut state = state.clone();
        match action {
            Action::Hear(place) => state.prepared[place] = true,
            Action::DecideCommit => {
                state.coordinator = Coordinator::Committed;
                state.messages.insert(Message::Commit);
            }
            Action::DecideAbort => {
                state.coordinator = Coordinator::Aborted;
                state.messages.insert(Message::Abort);
            }
            Action::Prepare(place) => {
                state.managers[place] = Manager::Prepared;
                state.messages.insert(Message::Prepared(place));
            }
            Action::ChooseAbort(place) | Action::ObeyAbort(place) => state.managers[place] = Manager::Aborted,
            Action::ObeyCommit(place) => state.managers[place] = Manager::Committed,
        }
        state
    }
}

super::explored!(TwoPhase, Action, State, "consistency");
