//! A watch over connections that break, against servers in this process.

use std::time::Duration;

use synod_server::proto::etcdserverpb::{ResponseHeader, WatchCreateRequest, WatchResponse};
use synod_server::proto::mvccpb::{Event, KeyValue};
use tonic::Status;

use super::session::Session;
use crate::client::fake::{self, Behaviour, Running};
use crate::client::{Client, Options};
use crate::failure::{Exit, Failure};
use crate::format::watch::is_progress;

fn client(servers: &[&Running]) -> Client {
    Client::new(&Options {
        endpoints: servers.iter().map(|server| server.endpoint.clone()).collect(),
        authorities: None,
        certificate: None,
        private_key: None,
        dial_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(30),
    })
    .expect("valid endpoints")
}

fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { revision, ..ResponseHeader::default() })
}

fn created(revision: i64) -> Result<WatchResponse, Status> {
    Ok(WatchResponse { header: header(revision), created: true, ..WatchResponse::default() })
}

fn event(revision: i64) -> Result<WatchResponse, Status> {
    let kv = KeyValue { mod_revision: revision, ..KeyValue::default() };
    let events = vec![Event { kv: Some(kv), ..Event::default() }];
    Ok(WatchResponse { header: header(revision), events, ..WatchResponse::default() })
}

fn canceled() -> Result<WatchResponse, Status> {
    Ok(WatchResponse { canceled: true, ..WatchResponse::default() })
}

fn broken() -> Result<WatchResponse, Status> {
    Err(Status::unavailable("the server is leaving"))
}

/// Runs a watch to its end; returns the revisions of the events that were shown.
async fn shown(client: &Client, start_revision: i64) -> (Vec<i64>, Result<(), Failure>) {
    let mut session = Session::new(WatchCreateRequest { start_revision, ..WatchCreateRequest::default() });
    let mut revisions = Vec::new();
    let show = async |answer: WatchResponse| {
        revisions
            .extend(answer.events.iter().filter_map(|event| event.kv.as_ref()).map(|kv| kv.mod_revision));
        Ok(())
    };
    let end = session.run(client, show).await;
    (revisions, end)
}

#[tokio::test]
async fn a_broken_watch_goes_on_behind_the_last_event() {
    let mut first = fake::start(Behaviour::Serve, vec![created(10), event(11), event(14), broken()]).await;
    let mut second = fake::start(Behaviour::Serve, vec![created(20), event(17), canceled()]).await;
    let (revisions, end) = shown(&client(&[&first, &second]), 0).await;
    assert_eq!((revisions, end), (vec![11, 14, 17], Ok(())));
    assert_eq!(first.created.recv().await.expect("asked").start_revision, 0);
    assert_eq!(second.created.recv().await.expect("asked").start_revision, 15);
}

#[tokio::test]
async fn a_watch_that_broke_before_any_event_goes_on_from_where_it_began() {
    let first = fake::start(Behaviour::Serve, vec![created(10), broken()]).await;
    let mut second = fake::start(Behaviour::Serve, vec![created(20), event(12), canceled()]).await;
    let (revisions, end) = shown(&client(&[&first, &second]), 0).await;
    assert_eq!((revisions, end), (vec![12], Ok(())));
    assert_eq!(second.created.recv().await.expect("asked").start_revision, 11);
}

#[tokio::test]
async fn a_watch_of_the_past_keeps_its_first_revision() {
    let first = fake::start(Behaviour::Serve, vec![created(10), broken()]).await;
    let mut second = fake::start(Behaviour::Serve, vec![created(10), event(3), canceled()]).await;
    let (revisions, _) = shown(&client(&[&first, &second]), 3).await;
    assert_eq!(revisions, [3]);
    assert_eq!(second.created.recv().await.expect("asked").start_revision, 3);
}

#[tokio::test]
async fn a_refusal_ends_the_watch() {
    let refusal = Err(Status::permission_denied("etcdserver: permission denied"));
    let server = fake::start(Behaviour::Serve, vec![created(10), refusal]).await;
    let (_, end) = shown(&client(&[&server]), 0).await;
    assert_eq!(end, Err(Failure::refused("etcdserver: permission denied")));
}

#[tokio::test]
async fn progress_is_asked_for_and_shown() {
    let server = fake::start(Behaviour::Serve, vec![created(10)]).await;
    let mut session = Session::new(WatchCreateRequest::default());
    session.progress_requests().try_send(()).expect("there is room");
    let enough = || Failure { exit: Exit::Fine, sentence: None };
    let show = async |answer: WatchResponse| {
        assert!(is_progress(&answer));
        assert_eq!(answer.header.map(|header| header.revision), Some(77));
        Err(enough())
    };
    assert_eq!(session.run(&client(&[&server]), show).await, Err(enough()));
}
