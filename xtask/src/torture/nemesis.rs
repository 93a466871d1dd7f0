//! What is done to the cluster while clients use it.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::clients::Connection;
use super::dice::Dice;
use super::journal::Shared;
use super::network::{Cut, Cuts};
use crate::cluster::Cluster;
use crate::cluster::api::etcdserverpb as wire;

/// How often it is checked that no member ended by itself.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// How long a member may take to say who leads.
const STATUS_TIMEOUT: Duration = Duration::from_millis(300);

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exercised {
    /// Processes killed.
    pub kills: u64,
    /// Of those, processes that led at that time.
    pub leader_kills: u64,
    /// Times that a majority was killed at once.
    pub majority_kills: u64,
    /// Times that all were killed at once.
    pub total_kills: u64,
    /// Processes started again.
    pub restarts: u64,
    /// Processes stopped for a while.
    pub pauses: u64,
    /// Of those, processes that led.
    pub leader_pauses: u64,
    /// Cuts made in the network.
    pub partitions: u64,
    /// Of those, cuts around the leader.
    pub leader_partitions: u64,
}

/// Does it.
#[derive(Debug)]
pub struct Nemesis {
    shared: Shared,
    dice: Dice,
    /// What has been done so far.
    pub exercised: Exercised,
    /// What was done in this window, in a few words.
    pub story: Vec<String>,
}

impl Nemesis {
    /// One that has done nothing yet.
    pub fn new(shared: Shared, dice: Dice) -> Self {
        Self { shared, dice, exercised: Exercised::default(), story: Vec::new() }
    }

    /// Does one thing after the other until a time.
    ///
    /// # Errors
    /// A member ended by itself, or the system refuses something.
    pub async fn rage(
        &mut self,
        cluster: &mut Cluster,
        mut cuts: Option<&mut Cuts>,
        until: Instant,
    ) -> anyhow::Result<()> {
        while Instant::now() < until {
            match &mut cuts {
                Some(cuts) if self.dice.percent(60) => self.cut(cluster, cuts).await?,
                _ => self.strike(cluster).await?,
            }
            let dwell = self.dice.milliseconds(200, 4_000);
            self.pass(cluster, dwell.min(until.saturating_duration_since(Instant::now()))).await?;
            if self.dice.percent(75) {
                self.remedy(cluster, cuts.as_deref_mut())?;
                let calm = self.dice.milliseconds(100, 2_500);
                self.pass(cluster, calm.min(until.saturating_duration_since(Instant::now()))).await?;
            }
        }
        Ok(())
    }

    /// Undoes everything that was done.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remedy(&mut self, cluster: &mut Cluster, cuts: Option<&mut Cuts>) -> anyhow::Result<()> {
        for index in cluster.paused() {
            cluster.members[index].resume()?;
        }
        for index in cluster.down() {
            cluster.start(index)?;
            self.exercised.restarts += 1;
        }
        if let Some(cuts) = cuts.filter(|cuts| cuts.any()) {
            cuts.heal()?;
        }
        self.story.push("remedy".to_owned());
        Ok(())
    }

    /// Lets time pass, with an eye on the members.
    async fn pass(&self, cluster: &mut Cluster, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            cluster.check_alive()?;
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
        Ok(())
    }

    /// Kills or pauses some members.
    async fn strike(&mut self, cluster: &mut Cluster) -> anyhow::Result<()> {
        let running = cluster.running();
        if running.is_empty() {
            return Ok(());
        }
        let leader = self.leader(cluster).await;
        let one = self.dice.pick(&running);
        match self.dice.below(100) {
            0..25 => self.kill(cluster, &[one], leader),
            25..45 => self.kill(cluster, &[leader.unwrap_or(one)], leader),
            45..58 => {
                let others: Vec<usize> = running.into_iter().filter(|&index| index != one).take(1).collect();
                self.kill(cluster, &[&[one], others.as_slice()].concat(), leader);
            }
            58..65 => self.kill(cluster, &running, leader),
            65..82 => self.pause(cluster, one, leader)?,
            _ => self.pause(cluster, leader.unwrap_or(one), leader)?,
        }
        Ok(())
    }

    fn kill(&mut self, cluster: &mut Cluster, indices: &[usize], leader: Option<usize>) {
        for &index in indices {
            cluster.members[index].kill();
            self.exercised.kills += 1;
            self.exercised.leader_kills += u64::from(leader == Some(index));
        }
        self.exercised.majority_kills += u64::from(indices.len() * 2 > cluster.members.len());
        self.exercised.total_kills += u64::from(indices.len() == cluster.members.len());
        self.story.push(format!("kill {}", names(indices, leader)));
    }

    fn pause(&mut self, cluster: &mut Cluster, index: usize, leader: Option<usize>) -> anyhow::Result<()> {
        cluster.members[index].pause()?;
        self.exercised.pauses += 1;
        self.exercised.leader_pauses += u64::from(leader == Some(index));
        self.story.push(format!("pause {}", names(&[index], leader)));
        Ok(())
    }

    /// Cuts the network somewhere.
    async fn cut(&mut self, cluster: &Cluster, cuts: &mut Cuts) -> anyhow::Result<()> {
        let count = cluster.members.len();
        let leader = self.leader(cluster).await;
        let random = self.dice.index(count);
        let one = if self.dice.percent(60) { leader.unwrap_or(random) } else { random };
        let other = (one + 1 + self.dice.index(count - 1)) % count;
        let others = || (0..count).filter(move |&index| index != one);
        let (word, made): (&str, Vec<Cut>) = match self.dice.below(5) {
            0 => ("isolate", vec![Cut::Alone(one)]),
            1 => {
                let both = |other| [Cut::OneWay(one, other), Cut::OneWay(other, one)];
                ("isolate from members", others().flat_map(both).collect())
            }
            2 => ("mute", others().map(|other| Cut::OneWay(one, other)).collect()),
            3 => ("deafen", others().map(|other| Cut::OneWay(other, one)).collect()),
            _ => ("part two", vec![Cut::OneWay(one, other), Cut::OneWay(other, one)]),
        };
        for cut in made {
            cuts.make(cut)?;
        }
        self.exercised.partitions += 1;
        self.exercised.leader_partitions += u64::from(leader == Some(one));
        self.story.push(format!("{word} {}", names(&[one], leader)));
        Ok(())
    }

    /// The member that leads, as far as one that runs knows.
    async fn leader(&self, cluster: &Cluster) -> Option<usize> {
        let mut claims: Vec<(u64, u64)> = Vec::new();
        let mut by_id: Vec<(u64, usize)> = Vec::new();
        for index in cluster.running() {
            let asking = status(cluster.members[index].endpoint(), &self.shared);
            let Ok(Ok(status)) = tokio::time::timeout(STATUS_TIMEOUT, asking).await else { continue };
            let Some(header) = status.header else { continue };
            self.shared.journal().saw_term(header.raft_term);
            by_id.push((header.member_id, index));
            claims.push((status.raft_term, status.leader));
        }
        // Of two claims the one of the later term is right.
        let (_, leader) = claims.into_iter().filter(|(_, leader)| *leader != 0).max()?;
        by_id.into_iter().find(|(id, _)| *id == leader).map(|(_, index)| index)
    }
}

async fn status(endpoint: String, shared: &Shared) -> anyhow::Result<wire::StatusResponse> {
    let mut connection = Connection::open(&endpoint, shared).await?;
    let status = connection.maintenance.status(wire::StatusRequest {}).await;
    Ok(status.context("no status")?.into_inner())
}

fn names(indices: &[usize], leader: Option<usize>) -> String {
    let name =
        |&index: &usize| format!("m{}{}", index + 1, if leader == Some(index) { " (leader)" } else { "" });
    indices.iter().map(name).collect::<Vec<_>>().join(", ")
}
