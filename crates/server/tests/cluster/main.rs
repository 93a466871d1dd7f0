//! A cluster of three members over real sockets and directories, asked by the generated client.

mod backups;
mod support;

use std::fs;
use std::path::Path;

use pb::lease_client::LeaseClient;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use synod_server::engine::StartError;
use synod_server::proto::etcdserverpb as pb;
use tokio_stream::wrappers::ReceiverStream;

use self::support::{Cluster, get, put, refused, soon, value, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_follower_took_is_read_and_watched_everywhere() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    let mut watches = Vec::new();
    for member in cluster.members() {
        let (ask, asked) = tokio::sync::mpsc::channel(4);
        let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
        let create = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        ask.send(create).await.unwrap();
        let mut client = WatchClient::new(cluster.channel(member).await);
        let mut answers = soon(client.watch(ReceiverStream::new(asked))).await.unwrap().into_inner();
        assert!(soon(answers.message()).await.unwrap().unwrap().created);
        watches.push((ask, answers));
    }
    let mut kv = cluster.kv(follower).await;
    let mut revisions = Vec::new();
    for number in 0..10 {
        let answer = soon(kv.put(put("k", &number.to_string()))).await.unwrap().into_inner();
        revisions.push(answer.header.unwrap().revision);
    }
    assert!(revisions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "revisions are dense: {revisions:?}");
    for member in cluster.members() {
        assert_eq!(value(&mut cluster.kv(member).await, "k").await.unwrap(), "9");
    }
    for (_ask, answers) in &mut watches {
        let mut seen = Vec::new();
        while seen.len() < revisions.len() {
            let answer = soon(answers.message()).await.unwrap().unwrap();
            seen.extend(answer.events.into_iter().map(|event| event.kv.unwrap().mod_revision));
        }
        assert_eq!(seen, revisions, "every event once, in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_kept_alive_through_a_follower_and_its_keys_go_when_it_ends() {
    let cluster = Cluster::start(3).await;
    let follower = cluster.follower().await;
    let mut leases = LeaseClient::new(cluster.channel(follower).await);
    let mut kv = cluster.kv(follower).await;
    let grant = pb::LeaseGrantRequest { ttl: 60, id: 7 };
    assert_eq!(soon(leases.lease_grant(grant)).await.unwrap().into_inner().ttl, 60);
    soon(kv.put(pb::PutRequest { lease: 7, ..put("leased", "v") })).await.unwrap();

    let (ask, asked) = tokio::sync::mpsc::channel(4);
    let mut kept = soon(leases.lease_keep_alive(ReceiverStream::new(asked))).await.unwrap().into_inner();
    for (id, ttl) in [(7, 60), (8, 0), (7, 60)] {
        ask.send(pb::LeaseKeepAliveRequest { id }).await.unwrap();
        let answer = soon(kept.message()).await.unwrap().unwrap();
        assert_eq!((answer.id, answer.ttl), (id, ttl), "a lease that does not exist has no time");
    }
    let ask_time = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
    let time = soon(leases.lease_time_to_live(ask_time)).await.unwrap().into_inner();
    assert_eq!((time.granted_ttl, time.keys.len()), (60, 1));
    assert!((1..=60).contains(&time.ttl));

    soon(leases.lease_revoke(pb::LeaseRevokeRequest { id: 7 })).await.unwrap();
    for member in cluster.members() {
        assert_eq!(value(&mut cluster.kv(member).await, "leased").await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_lease_takes_its_keys_along() {
    let cluster = Cluster::start(1).await;
    let mut leases = LeaseClient::new(cluster.channel(0).await);
    let mut kv = cluster.kv(0).await;
    let granted = soon(leases.lease_grant(pb::LeaseGrantRequest { ttl: 1, id: 9 })).await;
    let ttl = granted.unwrap().into_inner().ttl;
    let began = std::time::Instant::now();
    soon(kv.put(pb::PutRequest { lease: 9, ..put("leased", "v") })).await.unwrap();
    wait_for("the key to go with its lease", async || {
        value(&mut cluster.kv(0).await, "leased").await.is_none().then_some(())
    })
    .await;
    // The put came after the grant, so the lease's time began before `began`: by less than a second.
    assert!(
        began.elapsed().as_secs() + 1 >= u64::try_from(ttl).unwrap(),
        "it ended early: {:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_comes_back_with_its_data_and_what_it_missed() {
    let mut cluster = Cluster::start(3).await;
    for round in 0..2 {
        // First the leader, then whoever.
        let victim = if round == 0 { cluster.leader().await } else { cluster.follower().await };
        let other = (victim + 1) % 3;
        let mut kv = cluster.kv(other).await;
        soon(kv.put(put(&format!("before{round}"), "v"))).await.unwrap();
        cluster.kill(victim);
        wait_for("the others to go on", async || {
            soon(kv.put(put(&format!("during{round}"), "v"))).await.ok()
        })
        .await;
        cluster.restart(victim).await;
        let mut back = cluster.kv(victim).await;
        for key in [format!("before{round}"), format!("during{round}")] {
            let found = wait_for("the member to catch up", async || {
                let answer = soon(back.range(get(&key))).await.ok()?.into_inner();
                answer.kvs.into_iter().next()
            });
            assert_eq!(found.await.value, "v");
        }
    }
    equal_everywhere(&cluster).await;
}

/// All members have the same keys at the same revision.
async fn equal_everywhere(cluster: &Cluster) {
    let revision = {
        let answer = soon(cluster.kv(0).await.range(get("x"))).await.unwrap().into_inner();
        answer.header.unwrap().revision
    };
    let mut hashes = Vec::new();
    for member in cluster.members() {
        // A linearizable read: afterwards the member has applied at least that much.
        value(&mut cluster.kv(member).await, "x").await;
        let mut maintenance = pb::maintenance_client::MaintenanceClient::new(cluster.channel(member).await);
        let hash = soon(maintenance.hash_kv(pb::HashKvRequest { revision })).await.unwrap().into_inner();
        hashes.push(hash.hash);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "replicas differ: {hashes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_stops_in_good_order_and_starts_again() {
    let mut cluster = Cluster::start(1).await;
    soon(cluster.kv(0).await.put(put("k", "v"))).await.unwrap();
    cluster.stop(0).await;
    cluster.restart(0).await;
    assert_eq!(value(&mut cluster.kv(0).await, "k").await.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_another_cluster_or_without_its_log_is_refused() {
    let mut cluster = Cluster::start(1).await;
    soon(cluster.kv(0).await.put(put("k", "v"))).await.unwrap();
    // In good order: the store has the data durably, so that it is known what the log should have.
    cluster.stop(0).await;
    let config = cluster.config(0);

    let foreign = refused(synod_server::engine::MemberConfig { cluster_id: 0xbad, ..config.clone() }).await;
    let StartError::Foreign { found, expected, .. } = &foreign else { panic!("found {foreign}") };
    assert_eq!((found.as_str(), expected.as_str()), ("cluster c1 member 1", "cluster bad member 1"));

    let log = config.data_dir.join("member").join("wal");
    fs::remove_dir_all(&log).unwrap();
    let lost = refused(config.clone()).await;
    assert!(matches!(&lost, StartError::LogLost { path } if *path == log), "found {lost}");
    // Refusing has not made it look like a new member's directory either.
    let again = refused(config).await;
    assert!(matches!(again, StartError::LogLost { .. }), "found {again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_comes_back_on_an_empty_directory_is_refused_by_the_others() {
    let mut cluster = Cluster::start(3).await;
    soon(cluster.kv(0).await.put(put("k", "v"))).await.unwrap();
    cluster.stop(2).await;
    let directory = cluster.config(2).data_dir;
    let aside = directory.with_extension("aside");
    fs::rename(&directory, &aside).unwrap();
    cluster.restart(2).await;
    // It has its name, its port and none of its votes.
    let reason = soon(cluster.running(2).failure()).await;
    assert!(reason.contains("another data directory"), "{reason}");
    cluster.kill(2);
    fs::remove_dir_all(&directory).unwrap();
    fs::rename(&aside, &directory).unwrap();
    cluster.restart(2).await;
    assert_eq!(value(&mut cluster.kv(2).await, "k").await.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lost_its_end_is_refused_where_the_log_does_not_reach_back() {
    let mut cluster = Cluster::start(1).await;
    soon(cluster.kv(0).await.put(put("k", "v"))).await.unwrap();
    cluster.stop(0).await;
    let config = cluster.config(0);
    let store = config.data_dir.join("member").join("store");
    let old = config.data_dir.with_extension("old");
    copy(&store, &old);
    cluster.restart(0).await;
    // More than the log keeps behind what is durable in the store.
    let kv = cluster.kv(0).await;
    for _ in 0..60 {
        let puts = (0..200).map(|_| {
            let mut kv = kv.clone();
            async move { kv.put(put("k", "w")).await }
        });
        let puts: Vec<_> = puts.map(tokio::spawn).collect();
        for put in puts {
            soon(put).await.unwrap().unwrap();
        }
    }
    wait_for("a log that has let go of its beginning", async || {
        let scraped = scrape(&cluster, 0).await;
        let released =
            scraped.lines().find(|line| line.starts_with("synod_raft_log_released_entries_total "));
        released.is_some_and(|line| !line.ends_with(" 0")).then_some(())
    })
    .await;
    cluster.stop(0).await;
    fs::remove_dir_all(&store).unwrap();
    copy(&old, &store);
    let lost = refused(config).await;
    let StartError::StoreLost { applied, base } = lost else { panic!("found {lost}") };
    assert!(applied < base, "{applied} {base}");
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_figures_are_told_under_etcds_names() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut kv = cluster.kv(leader).await;
    for number in 0..20 {
        soon(kv.put(put(&number.to_string(), "v"))).await.unwrap();
    }
    let mut leases = LeaseClient::new(cluster.channel(leader).await);
    soon(leases.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 7 })).await.unwrap();
    let scraped = scrape(&cluster, leader).await;
    let figure = |name: &str| {
        let line =
            scraped.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{name} is missing in {scraped}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert_eq!(figure("etcd_server_has_leader"), 1.0);
    assert_eq!(figure("etcd_server_is_leader"), 1.0);
    assert!(figure("etcd_server_leader_changes_seen_total") >= 1.0);
    assert!(figure("etcd_server_proposals_committed_total") >= 21.0);
    assert!(figure("etcd_server_proposals_applied_total") >= 21.0);
    assert_eq!(figure("etcd_server_proposals_pending"), 0.0);
    assert_eq!(figure("etcd_server_proposals_failed_total"), 0.0);
    assert!(figure("etcd_disk_wal_fsync_duration_seconds_count") >= 20.0);
    assert!(figure("etcd_disk_wal_fsync_duration_seconds_sum") > 0.0);
    assert!(figure("etcd_disk_wal_write_bytes_total") > 0.0);
    assert_eq!(figure("etcd_debugging_lease_granted_total"), 1.0);
    assert!(scraped.contains("etcd_mvcc_db_total_size_in_bytes "), "its value is the next test's");
    assert!(scraped.contains("etcd_disk_backend_commit_duration_seconds_count "));
    for peer in cluster.members().filter(|member| *member != leader) {
        let (me, peer) = (leader + 1, peer + 1);
        assert!(figure(&format!("etcd_network_peer_sent_bytes_total{{To=\"{peer}\"}}")) > 0.0);
        assert!(figure(&format!("etcd_network_peer_received_bytes_total{{From=\"{peer}\"}}")) > 0.0);
        let link = format!("etcd_network_active_peers{{Local=\"{me}\",Remote=\"{peer}\"}}");
        assert_eq!(figure(&link), 1.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_size_is_fresh_though_nothing_happens_any_more() {
    const VALUE_BYTES: usize = 400_000;
    let cluster = Cluster::start(1).await;
    let mut kv = cluster.kv(0).await;
    let size = async || {
        let mut maintenance = pb::maintenance_client::MaintenanceClient::new(cluster.channel(0).await);
        soon(maintenance.status(pb::StatusRequest {})).await.unwrap().into_inner().db_size
    };
    let before = size().await;
    let value: String = (0..VALUE_BYTES).map(|i| char::from(b'a' + (i * 7 % 26) as u8)).collect();
    soon(kv.put(put("large", &value))).await.unwrap();
    wait_for("the size to include the last put", async || {
        (size().await >= before + VALUE_BYTES as i64 / 2).then_some(())
    })
    .await;
}

/// What a Prometheus server would get.
async fn scrape(cluster: &Cluster, member: usize) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = cluster.running(member).addresses()[0];
    let mut socket = soon(tokio::net::TcpStream::connect(address)).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    soon(socket.read_to_string(&mut text)).await.unwrap();
    text
}
