//! The gRPC health service. The server as a whole serves until it stops, as in etcd 3.5, where a member without a leader
//! still serves; `/health` and `/readyz` say more.

use tonic::Status;

use super::edge::Signals;
use crate::proto::health::health_check_response::ServingStatus;
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse};

/// Health of the server as a whole; it knows no other service name.
pub struct HealthService(pub Signals);

impl HealthService {
    /// Whether it serves.
    ///
    /// # Errors
    /// NotFound for the name of a service.
    pub async fn check(&self, request: HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
        if !request.service.is_empty() {
            return Err(Status::not_found("unknown service"));
        }
        Ok(answer(self.status()))
    }

    /// What a client that wants to hear of changes is told at first. A service that is unknown stays so, and one that is known
    /// changes once, see [`HealthService::stopped`].
    pub fn watch(&self, request: &HealthCheckRequest) -> HealthCheckResponse {
        answer(if request.service.is_empty() { self.status() } else { ServingStatus::ServiceUnknown })
    }

    /// What it is told when the server stops.
    pub fn stopped() -> HealthCheckResponse {
        answer(ServingStatus::NotServing)
    }

    fn status(&self) -> ServingStatus {
        if *self.0.stopping.borrow() { ServingStatus::NotServing } else { ServingStatus::Serving }
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
