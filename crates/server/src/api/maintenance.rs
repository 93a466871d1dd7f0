//! The service Maintenance: what an operator asks of one member.
//!
//! Downgrades and the raising of alarms are declared and not built. Alarms are listed; to lower
//! one where none is raised succeeds, as in etcd.

use std::sync::Arc;

use tonic::Status;

use super::ETCD_VERSION;
use super::edge::Edge;
use super::errors::{self, unsupported};
use crate::backend::{Alarm, AlarmKind, Backend};
use crate::proto::etcdserverpb as pb;

/// Maintenance over a backend.
pub struct MaintenanceService<B>(pub Arc<Edge<B>>);

impl<B: Backend> MaintenanceService<B> {
    /// Sizes and positions.
    ///
    /// # Errors
    /// As the backend refuses; so it is with all that follow.
    pub async fn status(&self, _request: pb::StatusRequest) -> Result<pb::StatusResponse, Status> {
        let status = self.0.backend.status().await?;
        let position = self.0.backend.position();
        let mut problems = Vec::new();
        if position.leader.is_none() {
            problems.push(errors::NO_LEADER.text.to_owned());
        }
        problems.extend(self.0.backend.alarms().iter().map(describe));
        Ok(pb::StatusResponse {
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
        })
    }

    /// A hash of the whole state.
    pub async fn hash(&self, _request: pb::HashRequest) -> Result<pb::HashResponse, Status> {
        let (header, hash) = self.0.read(self.0.backend.hash().await?);
        Ok(pb::HashResponse { header, hash })
    }

    /// A hash of all keys up to a revision.
    pub async fn hash_kv(&self, request: pb::HashKvRequest) -> Result<pb::HashKvResponse, Status> {
        let hash = self.0.backend.hash_kv(request.revision).await?;
        Ok(pb::HashKvResponse {
            header: self.0.header(hash.revision),
            hash: hash.hash,
            compact_revision: hash.compacted,
            hash_revision: hash.hash_revision,
        })
    }

    /// Hands leadership over.
    pub async fn move_leader(
        &self,
        request: pb::MoveLeaderRequest,
    ) -> Result<pb::MoveLeaderResponse, Status> {
        if self.0.backend.position().leader != Some(self.0.backend.identity().member_id) {
            return Err(errors::NOT_LEADER.status());
        }
        self.0.backend.move_leader(request.target_id).await?;
        Ok(pb::MoveLeaderResponse { header: None })
    }

    /// Lists alarms.
    pub async fn alarm(&self, request: pb::AlarmRequest) -> Result<pb::AlarmResponse, Status> {
        use pb::alarm_request::AlarmAction;
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
        Ok(pb::AlarmResponse { header: self.0.header_now(), alarms })
    }

    /// Gives the disk what the store shows no more.
    pub async fn defragment(
        &self,
        _request: pb::DefragmentRequest,
    ) -> Result<pb::DefragmentResponse, Status> {
        self.0.backend.defragment().await?;
        Ok(pb::DefragmentResponse { header: self.0.header_now() })
    }

    /// Not built.
    pub async fn downgrade(&self, _request: pb::DowngradeRequest) -> Result<pb::DowngradeResponse, Status> {
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
