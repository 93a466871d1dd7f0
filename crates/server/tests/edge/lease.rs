//! Lease: identities, times, what an unknown lease is answered with.

use pb::lease_client::LeaseClient;
use synod_server::api::errors;

use super::support::{Running, soon};
use super::*;

async fn start() -> (Running, LeaseClient<Channel>, Kv) {
    let running = Running::start();
    let channel = running.channel().await;
    (running, LeaseClient::new(channel.clone()), Kv::new(channel))
}

#[tokio::test]
async fn a_lease_gets_an_identity_and_at_least_the_least_time() {
    let (_running, mut leases, _kv) = start().await;
    let chosen = leases.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 0 }).await.unwrap().into_inner();
    assert!(chosen.id > 0);
    assert_eq!((chosen.ttl, chosen.header.unwrap().revision), (60, 1));
    for ttl in [-5, 0, 1] {
        let short = leases.lease_grant(pb::LeaseGrantRequest { ttl, id: 0 }).await.unwrap().into_inner();
        assert_eq!(short.ttl, 2);
        assert_ne!(short.id, chosen.id);
    }
    leases.lease_grant(pb::LeaseGrantRequest { ttl: 9_000_000_000, id: 5 }).await.unwrap();
    refused(
        leases.lease_grant(pb::LeaseGrantRequest { ttl: 9_000_000_001, id: 6 }).await,
        errors::LEASE_TTL_TOO_LARGE,
    );
    refused(leases.lease_grant(pb::LeaseGrantRequest { ttl: 10, id: 5 }).await, errors::LEASE_EXISTS);
    let listed = leases.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().into_inner().leases;
    assert_eq!(listed.len(), 5);
}

#[tokio::test]
async fn revoking_deletes_the_keys_in_one_revision() {
    let (_running, mut leases, mut kv) = start().await;
    leases.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 7 }).await.unwrap();
    for key in ["a", "b"] {
        kv.put(pb::PutRequest { lease: 7, ..put(key, "v") }).await.unwrap();
    }
    let ask = |keys| pb::LeaseTimeToLiveRequest { id: 7, keys };
    let left = leases.lease_time_to_live(ask(true)).await.unwrap().into_inner();
    assert_eq!((left.id, left.ttl, left.granted_ttl, left.keys.len()), (7, 60, 60, 2));
    assert!(leases.lease_time_to_live(ask(false)).await.unwrap().into_inner().keys.is_empty());
    let revoked = leases.lease_revoke(pb::LeaseRevokeRequest { id: 7 }).await.unwrap().into_inner();
    assert_eq!(revoked.header.unwrap().revision, 4);
    assert_eq!(kv.range(prefix("a")).await.unwrap().into_inner().count, 0);
    refused(leases.lease_revoke(pb::LeaseRevokeRequest { id: 7 }).await, errors::LEASE_NOT_FOUND);
    let gone = leases.lease_time_to_live(ask(true)).await.unwrap().into_inner();
    assert_eq!((gone.id, gone.ttl, gone.granted_ttl), (7, -1, 0));
}

#[tokio::test]
async fn renewals_are_answered_one_by_one_and_an_unknown_lease_with_zero() {
    let (_running, mut leases, _kv) = start().await;
    leases.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 7 }).await.unwrap();
    let asked = tokio_stream::iter([7, 8, 7].map(|id| pb::LeaseKeepAliveRequest { id }));
    let mut answers = soon(leases.lease_keep_alive(asked)).await.unwrap().into_inner();
    for (id, ttl) in [(7, 60), (8, 0), (7, 60)] {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        assert_eq!((answer.id, answer.ttl), (id, ttl));
        assert_eq!(answer.header.unwrap().revision, 1);
    }
    assert!(soon(answers.message()).await.unwrap().is_none(), "it ends when the client has ended");
}
