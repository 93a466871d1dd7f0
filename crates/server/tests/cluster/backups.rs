//! Copies of a store, and clusters that are made from them.

use std::fs;
use std::path::Path;

use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;
use synod_server::engine::{RestoreError, restore};
use synod_server::proto::etcdserverpb as pb;

use super::support::{Cluster, get, put, soon, value};

/// More than a piece of a copy, and more than a client's window.
const KEYS: u32 = 40;
const VALUE_BYTES: usize = 100_000;

async fn copy(cluster: &Cluster, member: usize) -> Vec<u8> {
    let mut maintenance = MaintenanceClient::new(cluster.channel(member).await);
    let mut pieces = soon(maintenance.snapshot(pb::SnapshotRequest {})).await.unwrap().into_inner();
    let mut copy = Vec::new();
    while let Some(piece) = soon(pieces.message()).await.unwrap() {
        copy.extend_from_slice(&piece.blob);
    }
    assert_eq!(copy.len() % 512, 32, "etcdctl asks no more of a digest than that there is room for it");
    copy
}

async fn fill(cluster: &Cluster) {
    let mut leases = LeaseClient::new(cluster.channel(0).await);
    soon(leases.lease_grant(pb::LeaseGrantRequest { ttl: 600, id: 7 })).await.unwrap();
    let mut kv = cluster.kv(0).await;
    for number in 0..KEYS {
        let value = format!("{number:02}").repeat(VALUE_BYTES / 2);
        soon(kv.put(put(&format!("key{number}"), &value))).await.unwrap();
    }
    soon(kv.put(pb::PutRequest { lease: 7, ..put("leased", "v") })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_three_made_from_one_members_copy_goes_on_where_that_was() {
    let one = Cluster::start(1).await;
    fill(&one).await;
    let copy = copy(&one, 0).await;
    let mut kv = one.kv(0).await;
    let later = soon(kv.put(put("later", "not in the copy"))).await.unwrap().into_inner();
    let revision = later.header.unwrap().revision - 1;

    let mut three = Cluster::down(3);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &copy).unwrap();
    for member in three.members() {
        let restored = restore(&three.config(member), file.path()).unwrap();
        assert_eq!(restored.revision, revision);
        assert!(matches!(restore(&three.config(member), file.path()), Err(RestoreError::Exists(_))));
    }
    for member in three.members() {
        three.restart(member).await;
    }
    three.leader().await;
    for member in three.members() {
        let mut kv = three.kv(member).await;
        assert_eq!(value(&mut kv, "later").await, None);
        let found = soon(kv.range(get("key39"))).await.unwrap().into_inner();
        assert_eq!(found.kvs[0].value.len(), VALUE_BYTES);
        assert_eq!(found.kvs[0].mod_revision, revision - 1);
    }
    let mut leases = LeaseClient::new(three.channel(1).await);
    let ask = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
    assert_eq!(soon(leases.lease_time_to_live(ask)).await.unwrap().into_inner().keys, ["leased"]);
    let put = soon(three.kv(2).await.put(put("new", "v"))).await.unwrap().into_inner();
    assert_eq!(put.header.unwrap().revision, revision + 1);
    // A restored member is one like any other.
    let follower = three.follower().await;
    three.kill(follower);
    three.restart(follower).await;
    assert_eq!(value(&mut three.kv(follower).await, "new").await.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_damaged_or_cut_off_makes_no_member() {
    let one = Cluster::start(1).await;
    fill(&one).await;
    let copy = copy(&one, 0).await;
    let target = Cluster::down(1);
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = |bytes: &[u8]| -> String {
        fs::write(file.path(), bytes).unwrap();
        let error = restore(&target.config(0), file.path()).unwrap_err().to_string();
        assert!(!target.config(0).data_dir.join("member").exists(), "{error}");
        error
    };
    for cut in [0, 5, copy.len() / 2, copy.len() - 1] {
        assert!(refused(&copy[..cut]).contains("it is cut off"), "at {cut}");
    }
    assert!(refused(b"SQLite format 3 and more").contains("begins with something else"));
    for place in [30, copy.len() / 2, copy.len() - 3] {
        let mut damaged = copy.clone();
        damaged[place] ^= 1;
        refused(&damaged);
    }
    assert!(refused(&[&copy[..], b"more"].concat()).contains("4 bytes behind its end"));
    let error = restore(&target.config(0), Path::new("/nonexistent/copy")).unwrap_err();
    assert!(matches!(error, RestoreError::File { .. }), "{error}");
    // And what was refused does not stand in the way.
    fs::write(file.path(), &copy).unwrap();
    restore(&target.config(0), file.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_a_copy_leaves_room_for_the_next() {
    let one = Cluster::start(1).await;
    fill(&one).await;
    for _ in 0..8 {
        let mut maintenance = MaintenanceClient::new(one.channel(0).await);
        let mut pieces = soon(async {
            loop {
                // Until those before have been heard to be gone.
                match maintenance.snapshot(pb::SnapshotRequest {}).await {
                    Ok(pieces) => return pieces.into_inner(),
                    Err(status) => assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status}"),
                }
            }
        })
        .await;
        assert!(soon(pieces.message()).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defragmentation_changes_nothing_that_is_seen() {
    let one = Cluster::start(1).await;
    fill(&one).await;
    let mut maintenance = MaintenanceClient::new(one.channel(0).await);
    let hash = soon(maintenance.hash_kv(pb::HashKvRequest { revision: 0 })).await.unwrap().into_inner();
    soon(maintenance.defragment(pb::DefragmentRequest {})).await.unwrap();
    let after = soon(maintenance.hash_kv(pb::HashKvRequest { revision: 0 })).await.unwrap().into_inner();
    assert_eq!((hash.hash, hash.hash_revision), (after.hash, after.hash_revision));
    assert_eq!(value(&mut one.kv(0).await, "key1").await.unwrap().len(), VALUE_BYTES);
}
