//! The service Cluster: who is a member. Changes of membership are declared and not built.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::convert;
use super::edge::Edge;
use super::errors::unsupported;
use crate::backend::{Backend, Consistency, Member};
use crate::proto::etcdserverpb as pb;

/// Cluster over a backend.
pub struct ClusterService<B>(pub Arc<Edge<B>>);

#[tonic::async_trait]
impl<B: Backend> pb::cluster_server::Cluster for ClusterService<B> {
    async fn member_list(
        &self,
        request: Request<pb::MemberListRequest>,
    ) -> Result<Response<pb::MemberListResponse>, Status> {
        let consistency: Consistency = convert::consistency(!request.into_inner().linearizable);
        let members = self.0.backend.members(consistency).await?.into_iter().map(member).collect();
        // Membership has no revision, so the header has none.
        Ok(Response::new(pb::MemberListResponse { header: self.0.header(0), members }))
    }

    async fn member_add(
        &self,
        _request: Request<pb::MemberAddRequest>,
    ) -> Result<Response<pb::MemberAddResponse>, Status> {
        Err(unsupported("adding a member"))
    }

    async fn member_remove(
        &self,
        _request: Request<pb::MemberRemoveRequest>,
    ) -> Result<Response<pb::MemberRemoveResponse>, Status> {
        Err(unsupported("removing a member"))
    }

    async fn member_update(
        &self,
        _request: Request<pb::MemberUpdateRequest>,
    ) -> Result<Response<pb::MemberUpdateResponse>, Status> {
        Err(unsupported("updating a member"))
    }

    async fn member_promote(
        &self,
        _request: Request<pb::MemberPromoteRequest>,
    ) -> Result<Response<pb::MemberPromoteResponse>, Status> {
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
