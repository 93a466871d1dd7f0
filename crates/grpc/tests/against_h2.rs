//! Another implementation on the other side: the `h2` library as our server's client, and as our client's server.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use synod_grpc::{CallHead, Connection, Event, Limits, Messages, Wire};
use tokio::io::{DuplexStream, duplex};

const PATH: &str = "/echo.Echo/Echo";

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it should have come long ago")
}

/// Echoes messages until the client goes.
async fn our_server(stream: DuplexStream) {
    let mut wire = Wire::new(stream, Connection::server(Limits::default()), BytesMut::new());
    let mut events = VecDeque::new();
    let mut calls = std::collections::BTreeMap::<u32, Messages>::new();
    loop {
        let read = std::future::poll_fn(|cx| {
            let _ = wire.poll_write(cx)?;
            let read = wire.poll_read(cx, &mut events);
            let _ = wire.poll_write(cx)?;
            read
        });
        if read.await.expect("h2 keeps the rules") == 0 {
            return;
        }
        while let Some(event) = events.pop_front() {
            match event {
                Event::Request { stream, request, .. } => {
                    assert_eq!((&request.path[..], request.is_grpc), (PATH.as_bytes(), true));
                    assert_eq!(request.field("custom"), Some(&b"value"[..]));
                    calls.insert(stream, Messages::default());
                }
                Event::Data { stream, data, ended } => {
                    wire.http.release(stream, data.len());
                    let messages = calls.get_mut(&stream).unwrap();
                    messages.push(data);
                    if ended {
                        let message = messages.next(usize::MAX).unwrap().unwrap();
                        wire.http.answer(stream, |out| out.extend_from_slice(&message));
                    }
                }
                _ => {}
            }
        }
    }
}

fn framed(message: &[u8]) -> Bytes {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat().into()
}

#[tokio::test]
async fn h2_calls_our_server() {
    let (ours, theirs) = duplex(10_000);
    let serving = tokio::spawn(our_server(ours));
    let (client, connection) = h2::client::handshake(theirs).await.unwrap();
    let driving = tokio::spawn(connection);
    for size in [0, 1, 20_000, 200_000, 3] {
        let mut client = client.clone().ready().await.unwrap();
        let request = http::Request::post(format!("http://test{PATH}"))
            .header("content-type", "application/grpc")
            .header("custom", "value")
            .body(())
            .unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        let message = framed(&vec![7; size]);
        body.send_data(message.clone(), true).unwrap();
        let (head, mut body) = soon(answer).await.unwrap().into_parts();
        assert_eq!(
            (head.status.as_u16(), &head.headers["content-type"]),
            (200, &"application/grpc".parse().unwrap())
        );
        let mut read = BytesMut::new();
        while let Some(data) = soon(body.data()).await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            read.extend_from_slice(&data);
        }
        assert_eq!(read, message);
        let trailers = soon(body.trailers()).await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    }
    drop(client);
    soon(driving).await.unwrap().unwrap();
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn our_client_calls_h2() {
    let (ours, theirs) = duplex(10_000);
    let serving = tokio::spawn(async move {
        let mut connection = h2::server::handshake(theirs).await.unwrap();
        while let Some(request) = connection.accept().await {
            let (request, mut answer) = request.unwrap();
            assert_eq!((request.method().as_str(), request.uri().path()), ("POST", PATH));
            assert_eq!(request.headers()["te"], "trailers");
            let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
            let mut send = answer.send_response(head, false).unwrap();
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(data) = body.data().await {
                    let data = data.unwrap();
                    body.flow_control().release_capacity(data.len()).unwrap();
                    send.send_data(data, false).unwrap();
                }
                let end = http::HeaderMap::from_iter([(
                    http::HeaderName::from_static("grpc-status"),
                    http::HeaderValue::from_static("0"),
                )]);
                send.send_trailers(end).unwrap();
            });
        }
    });
    let mut wire = Wire::new(ours, Connection::client(Limits::default()), BytesMut::new());
    let mut head = CallHead::new(PATH, false, "test", "test/1");
    let sizes = [0, 1, 20_000, 200_000, 3];
    let mut answers = std::collections::BTreeMap::new();
    for size in sizes {
        let stream = wire.http.call(&mut head, true, |out| out.resize(out.len() + size, 7)).unwrap();
        answers.insert(stream, (size, Messages::default()));
    }
    let mut events = VecDeque::new();
    while !answers.is_empty() {
        let read = std::future::poll_fn(|cx| {
            let _ = wire.poll_write(cx)?;
            let read = wire.poll_read(cx, &mut events);
            let _ = wire.poll_write(cx)?;
            read
        });
        assert_ne!(soon(read).await.unwrap(), 0);
        while let Some(event) = events.pop_front() {
            match event {
                Event::Data { stream, data, .. } => {
                    wire.http.release(stream, data.len());
                    answers.get_mut(&stream).unwrap().1.push(data);
                }
                Event::End { stream, end } => {
                    assert_eq!(end.unwrap().code, 0);
                    let (size, mut messages) = answers.remove(&stream).unwrap();
                    assert_eq!(messages.next(usize::MAX).unwrap().unwrap(), vec![7; size]);
                }
                _ => {}
            }
        }
    }
    drop(wire);
    soon(serving).await.unwrap();
}
