//! Cluster, Maintenance, Health; learners; clients that require a leader; stopping.

use std::time::Duration;

use pb::cluster_client::ClusterClient;
use pb::maintenance_client::MaintenanceClient;
use synod_server::api::errors;
use synod_server::backend::{Alarm, AlarmKind};
use synod_server::http::Options;
use synod_server::proto::health::health_check_response::ServingStatus;
use synod_server::proto::health::{HealthCheckRequest, health_client::HealthClient};
use tonic::{Code, Request};

use super::support::{IDENTITY, Running, TERM, soon};
use super::*;

#[tokio::test]
async fn members_and_status_are_told() {
    let running = Running::start();
    let channel = running.channel().await;
    let mut cluster = ClusterClient::new(channel.clone());
    let list = cluster.member_list(pb::MemberListRequest { linearizable: true }).await.unwrap().into_inner();
    assert_eq!(list.members[0].client_ur_ls, ["http://127.0.0.1:2379"]);
    assert_eq!(list.header.unwrap().revision, 0, "membership has no revision");
    let add = cluster.member_add(pb::MemberAddRequest::default()).await.unwrap_err();
    assert_eq!(add.code(), Code::Unimplemented);
    let mut maintenance = MaintenanceClient::new(channel);
    let status = maintenance.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.version, "3.5.16");
    assert_eq!((status.leader, status.raft_term, status.db_size), (IDENTITY.member_id, TERM, 4_096));
    assert!(status.errors.is_empty());
    assert_eq!(maintenance.hash(pb::HashRequest {}).await.unwrap().into_inner().hash, 42);
    let hash = maintenance.hash_kv(pb::HashKvRequest { revision: 0 }).await.unwrap().into_inner();
    assert_eq!((hash.hash, hash.hash_revision, hash.header.unwrap().revision), (42, 1, 1));
    refused(maintenance.hash_kv(pb::HashKvRequest { revision: 9 }).await, errors::FUTURE_REVISION);
    let snapshot = maintenance.snapshot(pb::SnapshotRequest {}).await.unwrap_err();
    assert_eq!(snapshot.code(), Code::Unimplemented);
    running.memory.set(|state| state.leader = None);
    refused(maintenance.move_leader(pb::MoveLeaderRequest { target_id: 1 }).await, errors::NOT_LEADER);
    let lost = maintenance.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((lost.leader, lost.errors), (0, vec!["etcdserver: no leader".to_owned()]));
}

#[tokio::test]
async fn alarms_are_listed_and_lowering_none_succeeds() {
    let running = Running::start();
    let mut maintenance = MaintenanceClient::new(running.channel().await);
    let ask = |action: pb::alarm_request::AlarmAction| pb::AlarmRequest {
        action: action.into(),
        ..Default::default()
    };
    let lower = ask(pb::alarm_request::AlarmAction::Deactivate);
    assert!(maintenance.alarm(lower).await.unwrap().into_inner().alarms.is_empty());
    running.memory.set(|state| state.alarms = vec![Alarm { member_id: 3, kind: AlarmKind::NoSpace }]);
    let listed = maintenance.alarm(ask(pb::alarm_request::AlarmAction::Get)).await.unwrap().into_inner();
    assert_eq!(listed.alarms, [pb::AlarmMember { member_id: 3, alarm: pb::AlarmType::Nospace.into() }]);
    let status = maintenance.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.errors, ["memberID:3 alarm:NOSPACE "]);
}

#[tokio::test]
async fn an_unknown_service_or_method_is_unimplemented() {
    let running = Running::start();
    let channel = running.channel().await;
    let ask = |path: &'static str| {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        async move {
            grpc.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<pb::StatusRequest, pb::StatusResponse>::default();
            let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
            grpc.unary(Request::new(pb::StatusRequest {}), path, codec).await.unwrap_err()
        }
    };
    let service = ask("/etcdserverpb.Auth/AuthEnable").await;
    assert_eq!(
        (service.code(), service.message()),
        (Code::Unimplemented, "unknown service etcdserverpb.Auth")
    );
    let method = ask("/etcdserverpb.KV/RangeStream").await;
    assert_eq!(method.message(), "unknown method RangeStream for service etcdserverpb.KV");
}

#[tokio::test]
async fn a_learner_answers_local_reads_and_status_alone() {
    let running = Running::start();
    let channel = running.channel().await;
    let mut kv = Kv::new(channel.clone());
    kv.put(put("a", "v")).await.unwrap();
    running.memory.set(|state| state.is_learner = true);
    refused(kv.range(get("a")).await, errors::LEARNER);
    refused(kv.put(put("a", "v")).await, errors::LEARNER);
    kv.range(pb::RangeRequest { serializable: true, ..get("a") }).await.unwrap();
    let mut maintenance = MaintenanceClient::new(channel.clone());
    assert!(maintenance.status(pb::StatusRequest {}).await.unwrap().into_inner().is_learner);
    let mut cluster = ClusterClient::new(channel);
    refused(cluster.member_list(pb::MemberListRequest::default()).await, errors::LEARNER);
}

fn requiring_leader<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("hasleader", "true".parse().unwrap());
    request
}

#[tokio::test]
async fn who_requires_a_leader_is_refused_while_there_is_none() {
    let running = Running::start();
    let mut kv = Kv::new(running.channel().await);
    let local = pb::RangeRequest { serializable: true, ..get("a") };
    kv.range(requiring_leader(local.clone())).await.unwrap();
    running.memory.set(|state| state.leader = None);
    refused(kv.range(requiring_leader(local.clone())).await, errors::NO_LEADER);
    kv.range(local).await.unwrap();
}

#[tokio::test]
async fn streams_that_require_a_leader_end_after_three_election_timeouts_without_one() {
    let options = Options { election_timeout: Duration::from_millis(10), ..Options::default() };
    let running = Running::start_with(options, None);
    let mut watch = pb::watch_client::WatchClient::new(running.channel().await);
    let (_ask, asked) = tokio::sync::mpsc::channel::<pb::WatchRequest>(1);
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let mut answers = soon(watch.watch(requiring_leader(asked))).await.unwrap().into_inner();
    let (_other, asked) = tokio::sync::mpsc::channel::<pb::WatchRequest>(1);
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let mut patient = soon(watch.watch(asked)).await.unwrap().into_inner();
    running.memory.set(|state| state.leader = None);
    refused(soon(answers.message()).await, errors::NO_LEADER);
    // The other stream still stands: it is the stop that ends it.
    let mut running = running;
    running.stop();
    refused(soon(patient.message()).await, errors::STOPPED);
}

#[tokio::test]
async fn health_serves_until_the_server_stops() {
    let mut running = Running::start();
    let mut health = HealthClient::new(running.channel().await);
    let ask = |service: &str| HealthCheckRequest { service: service.to_owned() };
    assert_eq!(health.check(ask("")).await.unwrap().into_inner().status(), ServingStatus::Serving);
    assert_eq!(health.check(ask("x")).await.unwrap_err().code(), Code::NotFound);
    let mut states = health.watch(ask("")).await.unwrap().into_inner();
    assert_eq!(soon(states.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    running.stop();
    assert_eq!(soon(states.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn stopping_ends_streams_and_lets_go_of_the_port() {
    let mut running = Running::start();
    let mut watch = pb::watch_client::WatchClient::new(running.channel().await);
    let (_ask, asked) = tokio::sync::mpsc::channel::<pb::WatchRequest>(1);
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let mut answers = soon(watch.watch(asked)).await.unwrap().into_inner();
    running.stop();
    refused(soon(answers.message()).await, errors::STOPPED);
    soon(running.serving.take().unwrap()).await.unwrap();
    assert!(tokio::net::TcpStream::connect(running.address).await.is_err());
}
