//! The gRPC health service. The server as a whole serves until it stops, as in etcd 3.5, where a member without a leader
//! still serves; `/health` and `/readyz` say more.

use std::pin::Pin;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};

use super::edge::Signals;
use crate::proto::health::health_check_response::ServingStatus;
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse, health_server::Health};

/// Health of the server as a whole; it knows no other service name.
pub struct HealthService(pub Signals);

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !request.get_ref().service.is_empty() {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(answer(status(&self.0))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = request.get_ref().service.is_empty();
        let observer = Observer { signals: self.0.clone(), known, told: None };
        let states = stream::unfold(observer, |mut observer| async move {
            Some((Ok(answer(observer.next().await)), observer))
        });
        Ok(Response::new(Box::pin(states)))
    }
}

/// One client that wants to hear of changes.
struct Observer {
    signals: Signals,
    known: bool,
    told: Option<ServingStatus>,
}

impl Observer {
    async fn next(&mut self) -> ServingStatus {
        let next = match self.told {
            None if !self.known => ServingStatus::ServiceUnknown,
            None => status(&self.signals),
            Some(ServingStatus::Serving) => {
                self.signals.end(false).await;
                ServingStatus::NotServing
            }
            // Nothing follows a stop, and an unknown service stays unknown.
            Some(_) => std::future::pending().await,
        };
        self.told = Some(next);
        next
    }
}

fn status(signals: &Signals) -> ServingStatus {
    if *signals.stopping.borrow() { ServingStatus::NotServing } else { ServingStatus::Serving }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
