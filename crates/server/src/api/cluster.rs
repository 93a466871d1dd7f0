//! The service Cluster: who is a member. Changes of membership are declared and not built.

use std::sync::Arc;

use tonic::Status;

use super::convert;
use super::edge::Edge;
use super::errors::unsupported;
use crate::backend::{Backend, Consistency, Member};
use crate::proto::etcdserverpb as pb;

/// Cluster over a backend.
pub struct ClusterService<B>(pub Arc<Edge<B>>);

impl<B: Backend> ClusterService<B> {
    /// Who is a member.
    ///
    /// # Errors
    /// As the backend refuses; so it is with all that follow.
    pub async fn member_list(
        &self,
        request: pb::MemberListRequest,
    ) -> Result<pb::MemberListResponse, Status> {
        let consistency: Consistency = convert::consistency(!request.linearizable);
        let members = self.0.backend.members(consistency).await?.into_iter().map(member).collect();
        // Membership has no revision, so the header has none.
        Ok(pb::MemberListResponse { header: self.0.header(0), members })
    }

    /// Not built.
    pub async fn member_add(&self, _request: pb::MemberAddRequest) -> Result<pb::MemberAddResponse, Status> {
        Err(unsupported("adding a member"))
    }

    /// Not built.
    pub async fn member_remove(
        &self,
        _request: pb::MemberRemoveRequest,
    ) -> Result<pb::MemberRemoveResponse, Status> {
        Err(unsupported("removing a member"))
    }

    /// Not built.
    pub async fn member_update(
        &self,
        _request: pb::MemberUpdateRequest,
    ) -> Result<pb::MemberUpdateResponse, Status> {
        Err(unsupported("updating a member"))
    }

    /// Not built.
    pub async fn member_promote(
        &self,
        _request: pb::MemberPromoteRequest,
    ) -> Result<pb::MemberPromoteResponse, Status> {
        Err(unsupported("promoting a member"))
    }
}

fn member(member: Member) -> pb::Member {
    pb::Member {
        id: member.id,
        name: member.name,
        peer_ur_ls: member.peer_urls,
        client_ur_ls: member.client_urls,
        is_learner: member.is_learner,
    }
}
