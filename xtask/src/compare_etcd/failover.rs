//! How long nothing is written when the leader goes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tonic::transport::{Channel, Endpoint};

use crate::cluster::api::etcdserverpb::kv_client::KvClient;
use crate::cluster::api::etcdserverpb::maintenance_client::MaintenanceClient;
use crate::cluster::api::etcdserverpb::{PutRequest, StatusRequest};
use crate::cluster::{Cluster, POLL, READY_WAIT_MAX, Signal};

/// Puts a second.
const PUTS_PER_SECOND: u32 = 200;
/// Of puts before the leader is killed, and after.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(4);
/// How long one put is waited for.
const PUT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Puts through those members that stay, sends the leader a signal that ends it, and gives the longest time between two puts
/// that were answered. Then the former leader is started again.
///
/// # Errors
/// There is no leader, nothing is written after it went, or it does not come back.
pub fn longest_gap(cluster: &mut Cluster, signal: Signal) -> anyhow::Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let leader = runtime.block_on(leader(cluster))?;
    let mut stay = cluster.endpoints();
    stay.remove(leader);
    let began = Instant::now();
    let putting = runtime.block_on(async {
        let puts = tokio::spawn(put(stay, began + BEFORE + AFTER));
        tokio::time::sleep(BEFORE).await;
        if let Some(process) = &cluster.members[leader].process {
            process.signal(signal)?;
        }
        anyhow::Ok(puts.await)
    });
    let answered = putting???;
    // It has ended by now, or has had its time.
    cluster.members[leader].kill();
    cluster.start(leader)?;
    wait_until_ready(cluster)?;
    let longest = answered.windows(2).map(|pair| pair[1] - pair[0]).max();
    match (longest, answered.last()) {
        (Some(longest), Some(last)) if *last > began + BEFORE + AFTER / 2 => Ok(longest),
        _ => bail!("nothing was written after the leader had gone"),
    }
}

/// The members' endpoints, the leader's before the others: who sends one request at a time sends it there, to either server, and not to
/// whoever happened to be elected.
///
/// # Errors
/// No member leads, or one does not answer.
pub fn leader_first(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut endpoints = cluster.endpoints();
    let leader = runtime.block_on(leader(cluster))?;
    endpoints.rotate_left(leader);
    Ok(endpoints)
}

fn wait_until_ready(cluster: &mut Cluster) -> anyhow::Result<()> {
    let began = Instant::now();
    while !cluster.all_ready()? {
        if began.elapsed() > READY_WAIT_MAX {
            bail!("the former leader did not come back within {READY_WAIT_MAX:?}");
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

async fn leader(cluster: &Cluster) -> anyhow::Result<usize> {
    for (index, endpoint) in cluster.endpoints().into_iter().enumerate() {
        let channel = Endpoint::new(endpoint)?.connect().await?;
        let status = MaintenanceClient::new(channel).status(StatusRequest {}).await?.into_inner();
        if status.header.is_some_and(|header| header.member_id == status.leader) {
            return Ok(index);
        }
    }
    bail!("no member leads")
}

/// Sends puts at their times, to the members in turn, each without waiting for those before; gives when answers came, in order.
async fn put(endpoints: Vec<String>, until: Instant) -> anyhow::Result<Vec<Instant>> {
    let mut clients: Vec<KvClient<Channel>> = Vec::new();
    for endpoint in endpoints {
        clients.push(KvClient::new(Endpoint::new(endpoint)?.connect().await?));
    }
    let mut underway = tokio::task::JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PUTS_PER_SECOND);
    let mut clients = (0_u32..).zip(clients.into_iter().cycle());
    while Instant::now() < until {
        ticks.tick().await;
        let (number, mut client) = clients.next().context("a cycle does not end")?;
        underway.spawn(async move {
            let key = format!("failover/{}", number % 100).into();
            let request = PutRequest { key, value: vec![b'v'; 256].into(), ..PutRequest::default() };
            let answer = tokio::time::timeout(PUT_WAIT_MAX, client.put(request)).await;
            matches!(answer, Ok(Ok(_))).then(Instant::now)
        });
    }
    let mut answered: Vec<Instant> = underway.join_all().await.into_iter().flatten().collect();
    answered.sort();
    Ok(answered)
}
