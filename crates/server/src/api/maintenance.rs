//! The service Maintenance: what an operator asks of one member.
//!
//! Snapshots, defragmentation, downgrades and the raising of alarms are declared and not built. Alarms are listed; to lower
//! one where none is raised succeeds, as in etcd.

use std::sync::Arc;

use futures_util::stream;
use tonic::{Request, Response, Status};

use super::ETCD_VERSION;
use super::edge::Edge;
use super::errors::{self, unsupported};
use crate::backend::{Alarm, AlarmKind, Backend};
use crate::proto::etcdserverpb as pb;

/// Maintenance over a backend.
pub struct MaintenanceService<B>(pub Arc<Edge<B>>);

#[tonic::async_trait]
impl<B: Backend> pb::maintenance_server::Maintenance for MaintenanceService<B> {
    async fn status(
        &self,
        _request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusResponse>, Status> {
        let status = self.0.backend.status().await?;
        let position = self.0.backend.position();
        let mut problems = Vec::new();
        if position.leader.is_none() {
            problems.push(errors::NO_LEADER.text.to_owned());
        }
        problems.extend(self.0.backend.alarms().iter().map(describe));
        Ok(Response::new(pb::StatusResponse {
            header: self.0.header(position.revision),
            version: ETCD_VERSION.to_owned(),
            db_size: signed(status.store_bytes),
            leader: position.leader.unwrap_or(0),
            raft_index: status.committed_index,
            raft_term: position.term,
            raft_applied_index: status.applied_index,
            errors: problems,
            db_size_in_use: signed(status.store_bytes_in_use),
            is_learner: position.is_learner,
            db_size_quota: signed(status.quota_bytes),
        }))
    }

    async fn hash(&self, _request: Request<pb::HashRequest>) -> Result<Response<pb::HashResponse>, Status> {
        let (header, hash) = self.0.read(self.0.backend.hash().await?);
        Ok(Response::new(pb::HashResponse { header, hash }))
    }

    async fn hash_kv(
        &self,
        request: Request<pb::HashKvRequest>,
    ) -> Result<Response<pb::HashKvResponse>, Status> {
        let hash = self.0.backend.hash_kv(request.into_inner().revision).await?;
        Ok(Response::new(pb::HashKvResponse {
            header: self.0.header(hash.revision),
            hash: hash.hash,
            compact_revision: hash.compacted,
            hash_revision: hash.hash_revision,
        }))
    }

    async fn move_leader(
        &self,
        request: Request<pb::MoveLeaderRequest>,
    ) -> Result<Response<pb::MoveLeaderResponse>, Status> {
        if self.0.backend.position().leader != Some(self.0.backend.identity().member_id) {
            return Err(errors::NOT_LEADER.status());
        }
        self.0.backend.move_leader(request.into_inner().target_id).await?;
        Ok(Response::new(pb::MoveLeaderResponse { header: None }))
    }

    async fn alarm(&self, request: Request<pb::AlarmRequest>) -> Result<Response<pb::AlarmResponse>, Status> {
        use pb::alarm_request::AlarmAction;
        let request = request.into_inner();
        let wanted = |alarm: &Alarm| {
            (request.member_id == 0 || request.member_id == alarm.member_id)
                && (request.alarm() == pb::AlarmType::None || request.alarm() == alarm_type(alarm.kind))
        };
        let raised: Vec<Alarm> = self.0.backend.alarms().into_iter().filter(wanted).collect();
        match request.action() {
            AlarmAction::Get => {}
            AlarmAction::Deactivate if raised.is_empty() => {}
            AlarmAction::Deactivate => return Err(unsupported("lowering an alarm")),
            AlarmAction::Activate => return Err(unsupported("raising an alarm")),
        }
        let alarms = raised
            .into_iter()
            .map(|alarm| pb::AlarmMember { member_id: alarm.member_id, alarm: alarm_type(alarm.kind).into() })
            .collect();
        Ok(Response::new(pb::AlarmResponse { header: self.0.header_now(), alarms }))
    }

    async fn defragment(
        &self,
        _request: Request<pb::DefragmentRequest>,
    ) -> Result<Response<pb::DefragmentResponse>, Status> {
        Err(unsupported("defragmentation"))
    }

    type SnapshotStream = stream::Empty<Result<pb::SnapshotResponse, Status>>;

    async fn snapshot(
        &self,
        _request: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(unsupported("a snapshot over the API"))
    }

    async fn downgrade(
        &self,
        _request: Request<pb::DowngradeRequest>,
    ) -> Result<Response<pb::DowngradeResponse>, Status> {
        Err(unsupported("a downgrade"))
    }
}

/// As etcd prints an alarm.
fn describe(alarm: &Alarm) -> String {
    format!("memberID:{} alarm:{} ", alarm.member_id, alarm.kind)
}

fn alarm_type(kind: AlarmKind) -> pb::AlarmType {
    match kind {
        AlarmKind::NoSpace => pb::AlarmType::Nospace,
        AlarmKind::Corrupt => pb::AlarmType::Corrupt,
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
