//! Failover, refusals and waits, against servers in this process.

use std::time::Duration;

use synod_server::proto::etcdserverpb::{PutRequest, RangeRequest};
use tonic::Code;

use super::fake::{self, Behaviour};
use super::*;
use crate::failure::Exit;

fn client(endpoints: &[&str], command_timeout: Duration) -> Client {
    Client::new(&Options {
        endpoints: endpoints.iter().map(ToString::to_string).collect(),
        authorities: None,
        certificate: None,
        private_key: None,
        dial_timeout: Duration::from_secs(5),
        command_timeout,
    })
    .expect("valid endpoints")
}

/// A port on which nobody listens any more.
fn dead_endpoint() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

async fn read(client: &Client) -> Result<(), Failure> {
    let send = async |channel| kv(channel).range(RangeRequest::default()).await;
    client.call(Repeat::Allowed, send).await.map(drop)
}

async fn write(client: &Client) -> Result<(), Failure> {
    let send = async |channel| kv(channel).put(PutRequest::default()).await;
    client.call(Repeat::Forbidden, send).await.map(drop)
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_dead_endpoint_is_skipped_for_reads_and_writes() {
    let server = fake::start(Behaviour::Serve, vec![]).await;
    let client = client(&[&dead_endpoint(), &server.endpoint], LONG);
    assert_eq!(read(&client).await, Ok(()));
    assert_eq!(write(&client).await, Ok(()));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_read_goes_on_to_the_next_endpoint_and_a_write_does_not() {
    let first = fake::start(Behaviour::Refuse(Code::Unavailable), vec![]).await;
    let second = fake::start(Behaviour::Serve, vec![]).await;
    let client = client(&[&first.endpoint, &second.endpoint], LONG);
    assert_eq!(read(&client).await, Ok(()));
    assert_eq!((first.requests(), second.requests()), (1, 1));
    let failure = write(&client).await.expect_err("not repeated");
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.sentence.expect("said").ends_with("; whether the write has happened is not known"));
    assert_eq!((first.requests(), second.requests()), (2, 1));
}

#[tokio::test]
async fn a_refusal_is_final_and_told_in_the_servers_words() {
    let first = fake::start(Behaviour::Refuse(Code::OutOfRange), vec![]).await;
    let second = fake::start(Behaviour::Serve, vec![]).await;
    let client = client(&[&first.endpoint, &second.endpoint], LONG);
    assert_eq!(read(&client).await, Err(Failure::refused("etcdserver: refused")));
    assert_eq!(second.requests(), 0);
}

#[tokio::test]
async fn nobody_answers() {
    let (one, two) = (dead_endpoint(), dead_endpoint());
    let failure = read(&client(&[&one, &two], LONG)).await.expect_err("dead");
    let sentence = failure.sentence.expect("said");
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(sentence.contains(&one) && sentence.contains(&two) && sentence.contains("refused"), "{sentence}");
}

#[tokio::test]
async fn waiting_for_an_answer_ends() {
    let server = fake::start(Behaviour::Hang, vec![]).await;
    let failure = read(&client(&[&server.endpoint], Duration::from_millis(50))).await.expect_err("late");
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.sentence.expect("said").ends_with("did not answer within 50ms (--command-timeout)"));
}

#[tokio::test]
async fn a_stream_finds_the_first_endpoint_that_lives() {
    let server = fake::start(Behaviour::Serve, vec![]).await;
    let dead = dead_endpoint();
    let client = client(&[&server.endpoint, &dead], LONG);
    for first in [0, 1, 2] {
        assert_eq!(client.connect(first).await.expect("one lives").0, 0);
    }
}

/// A certificate for 127.0.0.1 that signs itself, and its key.
fn certificate(directory: &std::path::Path, name: &str) -> (PathBuf, PathBuf) {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (certificate, key) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
    std::fs::write(&certificate, signed.cert.pem()).expect("written");
    std::fs::write(&key, signed.signing_key.serialize_pem()).expect("written");
    (certificate, key)
}

/// The server demands a certificate of its clients, and every endpoint is given without a scheme:
/// certificates alone make the client use TLS.
#[tokio::test]
async fn certificates_are_shown_and_checked() {
    use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (server_certificate, server_key) = certificate(directory.path(), "server");
    let (client_certificate, client_key) = certificate(directory.path(), "client");
    let read_file = |path: &PathBuf| std::fs::read(path).expect("readable");
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read_file(&server_certificate), read_file(&server_key)))
        .client_ca_root(Certificate::from_pem(read_file(&client_certificate)));
    let builder = Server::builder().tls_config(tls).expect("valid certificates");
    let server = fake::start_on(builder, Behaviour::Serve, vec![]).await;
    let options = |authorities: Option<&PathBuf>, endpoint: String| Options {
        endpoints: vec![endpoint],
        authorities: authorities.cloned(),
        certificate: Some(client_certificate.clone()),
        private_key: Some(client_key.clone()),
        dial_timeout: Duration::from_secs(5),
        command_timeout: LONG,
    };
    let trusting = Client::new(&options(Some(&server_certificate), server.endpoint.clone())).expect("valid");
    assert_eq!(read(&trusting).await, Ok(()));
    let distrustful =
        Client::new(&options(Some(&client_certificate), server.endpoint.clone())).expect("valid");
    assert_eq!(read(&distrustful).await.expect_err("another authority").exit, Exit::Unreachable);
    let plain = Client::new(&options(Some(&server_certificate), format!("http://{}", server.endpoint)));
    assert_eq!(read(&plain.expect("valid")).await.expect_err("no TLS").exit, Exit::Unreachable);
    assert_eq!(server.requests(), 1);
}

#[test]
fn certificates_need_their_keys() {
    let options = |certificate: Option<&str>, private_key: Option<&str>| Options {
        endpoints: vec!["a:1".into()],
        authorities: None,
        certificate: certificate.map(PathBuf::from),
        private_key: private_key.map(PathBuf::from),
        dial_timeout: LONG,
        command_timeout: LONG,
    };
    for (certificate, private_key, part) in
        [(Some("c"), None, "--cert needs --key"), (None, Some("k"), "--key needs --cert")]
    {
        let failure = Client::new(&options(certificate, private_key)).expect_err(part);
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.sentence.expect("said").contains(part));
    }
    let failure = Client::new(&options(Some("/nonexistent/c"), Some("k"))).expect_err("missing");
    assert!(failure.sentence.expect("said").starts_with("--cert /nonexistent/c: "));
}
