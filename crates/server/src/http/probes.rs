//! What supervisors and scrapers ask over plain HTTP, as etcd 3.5 answers it: `/health`, `/livez`, `/readyz`, `/version`,
//! `/metrics`.
//!
//! `/health` and `/readyz` read through consensus, with a bound on the time; `/livez` and `serializable=true` read what this
//! member has.

use std::time::Duration;

use ::http::{Method, Response, StatusCode, Uri, header};
use bytes::Bytes;
use serde_json::json;
use synod_storage::mvcc::{KeyRange, RangeRequest};
use tokio::time::timeout;
use tonic::Status;

use crate::api::{ETCD_CLUSTER_VERSION, ETCD_VERSION, Edge, VERSION, errors};
use crate::backend::{AlarmKind, Backend, Consistency};
use crate::metrics::CONTENT_TYPE;

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// One thing that `/livez` or `/readyz` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

impl Check {
    const LIVE: &[Check] = &[Check::SerializableRead];
    const READY: &[Check] =
        &[Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead, Check::NonLearner];

    fn name(self) -> &'static str {
        match self {
            Check::DataCorruption => "data_corruption",
            Check::SerializableRead => "serializable_read",
            Check::LinearizableRead => "linearizable_read",
            Check::NonLearner => "non_learner",
        }
    }

    async fn run<B: Backend>(self, edge: &Edge<B>) -> Result<(), String> {
        match self {
            Check::DataCorruption => {
                let corrupt = edge.backend.alarms().iter().any(|alarm| alarm.kind == AlarmKind::Corrupt);
                if corrupt { Err("alarm activated: CORRUPT".to_owned()) } else { Ok(()) }
            }
            Check::SerializableRead => read(edge, Consistency::Serializable).await,
            Check::LinearizableRead => read(edge, Consistency::Linearizable).await,
            Check::NonLearner if edge.backend.position().is_learner => {
                Err("not supported for learner".to_owned())
            }
            Check::NonLearner => Ok(()),
        }
    }
}

/// Answers a plain request.
pub async fn answer<B: Backend>(edge: &Edge<B>, method: &Method, uri: &Uri) -> Response<Bytes> {
    let path = uri.path();
    let probe = path.split('/').nth(1).unwrap_or("");
    if !matches!(probe, "health" | "livez" | "readyz" | "version" | "metrics") {
        return text(StatusCode::NOT_FOUND, PLAIN_TEXT, "404 page not found\n");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN_TEXT, "Method Not Allowed\n");
        refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET"));
        return refused;
    }
    match path {
        "/health" => health(edge, uri).await,
        "/version" => text(StatusCode::OK, JSON, version()),
        "/metrics" => metrics(edge).await,
        _ => match path.strip_prefix("/livez") {
            Some(rest) => checks(edge, Check::LIVE, rest, uri).await,
            None => checks(edge, Check::READY, path.strip_prefix("/readyz").unwrap_or(path), uri).await,
        },
    }
}

async fn health<B: Backend>(edge: &Edge<B>, uri: &Uri) -> Response<Bytes> {
    let serializable = values(uri, "serializable").next() == Some("true");
    let result = health_of(edge, uri, serializable).await;
    let body = |health: &str, reason: &str| json!({ "health": health, "reason": reason }).to_string();
    match result {
        Ok(()) => {
            edge.metrics.health_success.inc();
            text(StatusCode::OK, PLAIN_TEXT, body("true", ""))
        }
        Err(reason) => {
            edge.metrics.health_failures.inc();
            text(StatusCode::SERVICE_UNAVAILABLE, PLAIN_TEXT, body("false", &reason) + "\n")
        }
    }
}

async fn health_of<B: Backend>(edge: &Edge<B>, uri: &Uri, serializable: bool) -> Result<(), String> {
    let counts = |kind: AlarmKind| values(uri, "exclude").all(|excluded| excluded != kind.to_string());
    if let Some(alarm) = edge.backend.alarms().iter().find(|alarm| counts(alarm.kind)) {
        return Err(format!("ALARM {}", alarm.kind));
    }
    if !serializable && edge.backend.position().leader.is_none() {
        return Err("RAFT NO LEADER".to_owned());
    }
    let consistency = if serializable { Consistency::Serializable } else { Consistency::Linearizable };
    read(edge, consistency).await.map_err(|error| format!("RANGE ERROR:{error}"))
}

/// `rest` is what follows the probe's name: nothing for all checks, or `/` and the name of one.
async fn checks<B: Backend>(edge: &Edge<B>, all: &[Check], rest: &str, uri: &Uri) -> Response<Bytes> {
    let wanted = |check: &&Check| match rest.strip_prefix('/') {
        Some(name) => check.name() == name,
        None => values(uri, "exclude").all(|excluded| excluded != check.name()),
    };
    let chosen: Vec<Check> = all.iter().filter(wanted).copied().collect();
    if !rest.is_empty() && chosen.is_empty() {
        return text(StatusCode::NOT_FOUND, PLAIN_TEXT, "404 page not found\n");
    }
    let mut report = String::new();
    let mut status = StatusCode::OK;
    for check in chosen {
        match check.run(edge).await {
            Ok(()) => report.push_str(&format!("[+]{} ok\n", check.name())),
            Err(error) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                report.push_str(&format!("[-]{} failed: {error}\n", check.name()));
            }
        }
    }
    if status == StatusCode::OK {
        let verbose = values(uri, "verbose").next().is_some();
        report = if verbose { report + "ok\n" } else { "ok\n".to_owned() };
    }
    text(status, PLAIN_TEXT, report)
}

async fn metrics<B: Backend>(edge: &Edge<B>) -> Response<Bytes> {
    let status = timeout(edge.limits.probe_timeout, edge.backend.status()).await.ok().and_then(Result::ok);
    edge.backend.measure(&edge.metrics);
    edge.metrics.observe(edge.backend.identity(), edge.backend.position(), status.as_ref());
    text(StatusCode::OK, CONTENT_TYPE, edge.metrics.expose())
}

fn version() -> String {
    json!({ "etcdserver": ETCD_VERSION, "etcdcluster": ETCD_CLUSTER_VERSION, "synod": VERSION }).to_string()
}

/// Reads one key at most, within the time that a probe may take.
async fn read<B: Backend>(edge: &Edge<B>, consistency: Consistency) -> Result<(), String> {
    let all = KeyRange { key: Bytes::from_static(b"\0"), end: Bytes::from_static(b"\0") };
    let request = RangeRequest { range: all, limit: 1, keys_only: true, ..RangeRequest::default() };
    let wait: Duration = edge.limits.probe_timeout;
    match timeout(wait, edge.backend.range(request, consistency)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Status::from(error).message().to_owned()),
        Err(_) => Err(errors::TIMEOUT.text.to_owned()),
    }
}

/// The values of a query parameter. Nothing that is asked for here needs unescaping.
fn values<'a>(uri: &'a Uri, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = uri.query().unwrap_or("").split('&');
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(key, _)| *key == name)
        .map(|(_, v)| v)
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
