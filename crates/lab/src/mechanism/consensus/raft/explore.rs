//! Raft in worlds that are small enough to be seen in full: a few elections and one command.
//!
//! A node's clock goes on as its own timers fire, and has nothing to do with the others': what refuses votes by the clock, pre-votes and the check of the quorum, is
//! off. That leaves the paper's protocol, in every order of its messages and timers. A follower stands for election when its timer fires for the second time: at the first
//! it has seen the silence, and draws how long it still waits.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use synod_machine::NodeId;
use synod_protocols::consensus::raft::{
    Command, Config, Configuration, Entry, Event, Flaws, Index, Raft, Role, SnapshotPoint, Term,
};
use synod_sim::explore::{Budgets, Observation, SmallWorld, View};

use crate::entry::{Exploration, Parameter, Settings};

/// The worlds.
pub static EXPLORATIONS: [Exploration; 4] = [
    Exploration {
        name: "pair",
        sentence: "Two nodes: time for two elections, so that the second leader finds what the first has left, and n1 is asked to append a command.",
        parameters: &PAIR,
        run: |settings, explore, progress| explore.run_with(&world(settings, Flaws::default()), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "majority",
        sentence: "Three nodes, of which two decide: an election, a command, and a timer that fires when nobody expects it.",
        parameters: &MAJORITY,
        run: |settings, explore, progress| explore.run_with(&world(settings, Flaws::default()), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "forget-vote",
        sentence: "Three nodes and a crash, and a restarted node does not remember for whom it voted: a term has two leaders.",
        parameters: &FLAWED,
        violates: Some("election safety"),
        run: |settings, explore, progress| {
            let forgetful = Flaws { forget_vote: true, ..Flaws::default() };
            let crash = Budgets { crashes: 1, restarts: 1, ..budgets(settings) };
            explore.run_with(&world(settings, forgetful).budgets(crash), progress)
        },
    },
    Exploration {
        name: "vote-for-stale-log",
        sentence: "Three nodes, and votes are given to candidates whose logs are behind: a leader lacks what was committed.",
        parameters: &FLAWED,
        violates: Some("leader completeness"),
        run: |settings, explore, progress| {
            let careless = Flaws { vote_for_stale_log: true, ..Flaws::default() };
            explore.run_with(&world(settings, careless), progress)
        },
    },
];

static PAIR: [Parameter; 3] = parameters(2, 4);
static MAJORITY: [Parameter; 3] = parameters(3, 3);
static FLAWED: [Parameter; 3] = parameters(3, 4);

const fn parameters(nodes: u64, timeouts: u64) -> [Parameter; 3] {
    [
        Parameter::integer("nodes", nodes, 2..=3, "Nodes, all of them voters."),
        Parameter::integer(
            "timeouts",
            timeouts,
            2..=6,
            "Timers that fire; an election takes two of one node.",
        ),
        Parameter::integer("crashes", 0, 0..=1, "Crashes, each with a restart from the disk."),
    ]
}

/// What properties need of the past.
#[derive(Clone, Debug, Default, Hash)]
struct Past {
    terms: BTreeMap<NodeId, Term>,
    leaders: BTreeMap<Term, NodeId>,
    /// Each committed entry, with the term of the first node that knew.
    committed: BTreeMap<Index, (Entry, Term)>,
    two_leaders: Option<String>,
    two_entries: Option<String>,
}

impl Past {
    fn see(&mut self, seen: Observation<'_, Raft>) {
        let Observation::Event { node, event } = seen else { return };
        match event {
            Event::Role { role, term, .. } => {
                self.terms.insert(node, *term);
                if *role == Role::Leader {
                    let first = *self.leaders.entry(*term).or_insert(node);
                    if first != node {
                        self.two_leaders = Some(format!("{first} and {node} both lead in {term}"));
                    }
                }
            }
            Event::Committed(entries) => {
                let by = self.terms.get(&node).copied().unwrap_or_default();
                entries.iter().for_each(|entry| self.commit(node, entry, by));
            }
            _ => {}
        }
    }

    fn commit(&mut self, node: NodeId, entry: &Entry, by: Term) {
        let (first, since) = self.committed.entry(entry.index).or_insert_with(|| (entry.clone(), by));
        *since = by.min(*since);
        if first != entry {
            self.two_entries = Some(format!(
                "{node} commits an entry of {} at {}, others one of {}",
                entry.term, entry.index, first.term
            ));
        }
    }
}

/// After such a silence a follower stands for election.
const ELECTION_MOST: Duration = Duration::from_secs(2);

type Seen<'a> = View<'a, Raft, Past>;

fn budgets(settings: &Settings) -> Budgets {
    let few = |name: &str| u32::try_from(settings.integer(name)).unwrap_or(u32::MAX);
    let crashes = few("crashes");
    Budgets { timeouts: few("timeouts"), crashes, restarts: crashes, ..Budgets::NONE }
}

fn world(settings: &Settings, flaws: Flaws) -> SmallWorld<Raft, Past> {
    let nodes = settings.integer("nodes");
    let config = Config {
        election_most: ELECTION_MOST,
        pre_vote: false,
        check_quorum: false,
        suspicion: None,
        flaws,
        ..Config::default()
    };
    let configuration = Configuration::of((1..=nodes).map(NodeId));
    let point = SnapshotPoint { configuration, ..SnapshotPoint::default() };
    let boot = move |me| Raft::new(me, config.clone(), point.clone());
    let world = SmallWorld::remembering(nodes as usize, boot, Past::default(), Past::see)
        .command(NodeId(1), Command::Propose(Bytes::from_static(b"X")))
        .budgets(budgets(settings))
        .clock_step(ELECTION_MOST)
        // Whatever leaves a node waits for its write, so a crash between the two shows nothing new.
        .synchronous_disk()
        .role(|raft| match raft.role() {
            Role::Leader => 'L',
            Role::Candidate | Role::PreCandidate => 'C',
            Role::Follower => '·',
        })
        .always("election safety", |view| view.memory().two_leaders.clone().map_or(Ok(()), Err))
        .always("state machine safety", |view| view.memory().two_entries.clone().map_or(Ok(()), Err))
        .always("leader completeness", leader_completeness)
        .always("log matching", log_matching)
        .sometimes("a command is committed", |view| view.memory().committed.len() > 1);
    if settings.integer("timeouts") < 4 {
        return world;
    }
    world.sometimes("two terms have leaders", |view| view.memory().leaders.len() > 1)
}

/// Paper, figure 3: an entry committed in a term is in the log of every leader of later terms.
fn leader_completeness(view: &Seen<'_>) -> Result<(), String> {
    let leaders = || view.machines().filter(|(_, raft)| raft.role() == Role::Leader);
    for (index, (entry, by)) in &view.memory().committed {
        let lacks = |raft: &Raft| *by < raft.term() && raft.log().term(*index) != Some(entry.term);
        if let Some((node, raft)) = leaders().find(|(_, raft)| lacks(raft)) {
            let (term, of) = (raft.term(), entry.term);
            return Err(format!(
                "{node} leads in {term} without the entry of {of} at {index}, which was committed in {by}"
            ));
        }
    }
    Ok(())
}

/// Paper, figure 3: two logs with the same index and term somewhere are the same up to there.
fn log_matching(view: &Seen<'_>) -> Result<(), String> {
    let logs: Vec<(NodeId, &Raft)> = view.machines().collect();
    for (at, (one, a)) in logs.iter().enumerate() {
        for (other, b) in &logs[at + 1..] {
            let last = a.last_index().min(b.last_index()).0;
            let same = |index: &u64| a.log().term(Index(*index)) == b.log().term(Index(*index));
            let Some(common) = (1..=last).rev().find(same) else { continue };
            if let Some(index) =
                (1..common).find(|index| a.log().entry(Index(*index)) != b.log().entry(Index(*index)))
            {
                return Err(format!("{one} and {other} agree at {common} and differ at {index}"));
            }
        }
    }
    Ok(())
}
