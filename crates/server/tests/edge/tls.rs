//! TLS and mutual TLS with etcd's flag meanings, and the words for files that will not do.

use std::fs;
use std::path::PathBuf;

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::ServerName;
use synod_server::http::Options;
use synod_server::tls::{ClientFiles, ServerFiles};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::Endpoint;

use super::support::Running;
use super::*;

/// An authority with what it signed, as files.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { directory: TempDir::new().unwrap(), issuer };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate and its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let cert_file = self.write(&format!("{name}.pem"), &certificate.pem());
        (cert_file, self.write(&format!("{name}.key"), &key.serialize_pem()))
    }

    fn server(&self) -> ServerFiles {
        let (cert_file, key_file) = self.sign("server");
        ServerFiles { cert_file, key_file, ..ServerFiles::default() }
    }

    fn client(&self) -> ClientFiles {
        ClientFiles { trusted_ca_file: self.path("ca.pem"), identity: None }
    }
}

/// A put over TLS.
async fn try_put(running: &Running, files: &ClientFiles) -> Result<(), Box<dyn std::error::Error>> {
    let connector = TlsConnector::from(files.load()?);
    let address = running.address;
    let connect = tower::service_fn(move |_| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
            std::io::Result::Ok(TokioIo::new(stream))
        }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector(connect).await?;
    Kv::new(channel).put(put("a", "v")).await?;
    Ok(())
}

#[tokio::test]
async fn a_server_certificate_is_shown_and_no_other_asked_for() {
    let authority = Authority::new();
    let running = Running::start_with(Options::default(), Some(authority.server().load().unwrap()));
    try_put(&running, &authority.client()).await.unwrap();
    let stranger = Authority::new();
    try_put(&running, &stranger.client()).await.expect_err("it does not trust this server");
    let plain = Endpoint::from_shared(format!("http://{}", running.address)).unwrap().connect().await;
    if let Ok(channel) = plain {
        Kv::new(channel).put(put("a", "v")).await.expect_err("this port speaks TLS only");
    }
}

#[tokio::test]
async fn with_an_authority_a_client_must_show_what_it_signed() {
    let authority = Authority::new();
    // As in etcd, naming an authority demands a certificate, whether or not client_cert_auth says so too.
    for client_cert_auth in [true, false] {
        let files = ServerFiles {
            trusted_ca_file: Some(authority.path("ca.pem")),
            client_cert_auth,
            ..authority.server()
        };
        let running = Running::start_with(Options::default(), Some(files.load().unwrap()));
        let known = ClientFiles { identity: Some(authority.sign("client")), ..authority.client() };
        try_put(&running, &known).await.unwrap();
        try_put(&running, &authority.client()).await.expect_err("it shows no certificate");
        let stranger =
            ClientFiles { identity: Some(Authority::new().sign("stranger")), ..authority.client() };
        try_put(&running, &stranger).await.expect_err("its certificate is signed by someone else");
    }
}

#[test]
fn errors_name_the_file_and_what_was_expected() {
    let authority = Authority::new();
    let good = authority.server();
    let says = |files: ServerFiles, expected: &[&str]| {
        let text = files.load().err().expect("it cannot be used").to_string();
        assert!(expected.iter().all(|part| text.contains(part)), "{text:?} should say {expected:?}");
    };
    let absent = authority.path("absent.pem");
    says(
        ServerFiles { cert_file: absent.clone(), ..good.clone() },
        &["certificate file", "absent.pem", "No such file"],
    );
    says(ServerFiles { key_file: absent, ..good.clone() }, &["key file", "absent.pem", "No such file"]);
    let empty = authority.write("empty.pem", "nothing\n");
    says(ServerFiles { cert_file: empty.clone(), ..good.clone() }, &["empty.pem", "no certificate"]);
    says(ServerFiles { key_file: good.cert_file.clone(), ..good.clone() }, &["key file", "no private key"]);
    says(
        ServerFiles { trusted_ca_file: Some(empty), ..good.clone() },
        &["trusted CA file", "no certificate"],
    );
    let (_, other_key) = authority.sign("other");
    says(ServerFiles { key_file: other_key, ..good.clone() }, &["server.pem", "other.key"]);
    says(ServerFiles { client_cert_auth: true, ..good }, &["client-cert-auth", "trusted-ca-file"]);
}

#[tokio::test]
async fn renewed_files_are_shown_to_new_connections_and_bad_ones_are_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = old.server();
    let running = Running::start_with(Options::default(), Some(files.load().unwrap()));
    let renewed = new.server();
    // Between the steps of a renewal the files do not fit together: the old ones go on.
    fs::copy(&renewed.cert_file, &files.cert_file).unwrap();
    try_put(&running, &old.client()).await.unwrap();
    fs::copy(&renewed.key_file, &files.key_file).unwrap();
    try_put(&running, &new.client()).await.unwrap();
    try_put(&running, &old.client()).await.expect_err("the old certificate is gone");
}

#[tokio::test]
async fn half_a_handshake_is_cut_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let authority = Authority::new();
    let limits = synod_server::api::Limits {
        handshake_timeout: std::time::Duration::from_millis(50),
        ..Default::default()
    };
    let options = Options { limits, ..Options::default() };
    let running = Running::start_with(options, Some(authority.server().load().unwrap()));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[0x16, 3, 1]).await.unwrap();
    let _ = super::support::soon(stream.read_to_end(&mut Vec::new())).await;
    assert_eq!(running.metrics.connections_failed.get(), 1);
    try_put(&running, &authority.client()).await.unwrap();
}
