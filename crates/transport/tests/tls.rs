//! Mutual TLS: who gets in, who does not, and what the log says about it.

mod common;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use common::{Node, config, peer, runtime, until};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use synod_transport::{Address, Config, PeerAddresses, StartError, TlsFiles, Transport};
use tempfile::TempDir;

/// A directory with authorities and certificates in it.
struct Pki(TempDir);

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Pki {
    fn new() -> Pki {
        Pki(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn authority(&self, name: &str) -> Authority {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            file: self.write(&format!("{name}.pem"), &certificate.pem()),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for these hosts; every authority is `trusted`'s word against another's.
    fn issue(&self, signer: &Authority, trusted: &Authority, common_name: &str, hosts: &[&str]) -> TlsFiles {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &signer.issuer).unwrap();
        TlsFiles {
            cert_file: self.write(&format!("{common_name}.pem"), &certificate.pem()),
            key_file: self.write(&format!("{common_name}.key"), &key.serialize_pem()),
            trusted_ca_file: trusted.file.clone(),
            client_cert_auth: true,
            allowed_common_names: vec![],
            allowed_host_names: vec![],
        }
    }
}

fn with(member: u64, tls: TlsFiles) -> Config {
    Config { tls: Some(tls), ..config(member) }
}

/// Node 2 dials node 1; gives why it does not get through.
#[track_caller]
fn failure_of_dialing(server: Config, client: Config) -> String {
    let runtime = runtime();
    let server = Node::start(&runtime, server);
    let client = Node::start(&runtime, client);
    server.transport.set_peers([PeerAddresses { id: 2, addresses: vec![] }]);
    client.transport.set_peers([peer(1, server.address)]);
    let error = until("a failure", || client.counts(1).last_error);
    assert_eq!(server.counts(2).accepts, 0, "expected nobody to be admitted");
    assert!(client.inbox.seen.lock().unwrap().links.is_empty());
    error
}

#[test]
fn members_of_one_authority_exchange_frames() {
    let (runtime, pki) = (runtime(), Pki::new());
    let ca = pki.authority("ca");
    let nodes = common::cluster(
        &runtime,
        vec![
            with(1, pki.issue(&ca, &ca, "one", &["127.0.0.1"])),
            with(2, pki.issue(&ca, &ca, "two", &["127.0.0.1"])),
        ],
    );
    // Larger than one TLS record, and many small ones.
    let large = Bytes::from((0..300_000_u32).map(|i| i as u8).collect::<Vec<_>>());
    for from in [1, 2] {
        let node = &nodes[&from];
        node.transport.send(3 - from, large.clone()).unwrap();
        (0..1000_u32).for_each(|i| {
            node.transport.send(3 - from, Bytes::copy_from_slice(&i.to_le_bytes())).unwrap();
        });
    }
    for node in nodes.values() {
        node.until("all frames", |seen| (seen.frames.len() == 1001).then_some(()));
        let seen = node.inbox.seen.lock().unwrap();
        assert_eq!(seen.frames[0].1, large);
        let numbers =
            seen.frames[1..].iter().map(|(_, bytes)| u32::from_le_bytes(bytes[..].try_into().unwrap()));
        assert!(numbers.eq(0..1000));
    }
}

#[test]
fn a_certificate_of_another_authority_does_not_get_in() {
    let pki = Pki::new();
    let (ca, other) = (pki.authority("ca"), pki.authority("other"));
    let server = with(1, pki.issue(&ca, &ca, "one", &["127.0.0.1"]));
    // It trusts the server, and is not trusted by it.
    let client = with(2, pki.issue(&other, &ca, "two", &["127.0.0.1"]));
    let error = failure_of_dialing(server, client);
    assert!(error.contains("UnknownCA") || error.contains("unknown"), "{error}");
}

#[test]
fn a_server_of_another_authority_is_not_believed() {
    let pki = Pki::new();
    let (ca, other) = (pki.authority("ca"), pki.authority("other"));
    let server = with(1, pki.issue(&other, &ca, "one", &["127.0.0.1"]));
    let client = with(2, pki.issue(&ca, &ca, "two", &["127.0.0.1"]));
    let error = failure_of_dialing(server, client);
    assert!(error.contains("TLS handshake") && error.contains("UnknownIssuer"), "{error}");
}

#[test]
fn a_server_certificate_must_be_for_the_host_that_was_dialed() {
    let pki = Pki::new();
    let ca = pki.authority("ca");
    let server = with(1, pki.issue(&ca, &ca, "one", &["node-1.example", "127.0.0.2"]));
    let client = with(2, pki.issue(&ca, &ca, "two", &["127.0.0.1"]));
    let error = failure_of_dialing(server, client);
    assert!(error.contains("not valid for") || error.contains("NotValidForName"), "{error}");
}

#[test]
fn a_host_name_is_verified_as_it_was_dialed() {
    let (runtime, pki) = (runtime(), Pki::new());
    let ca = pki.authority("ca");
    let server = Node::start(&runtime, with(1, pki.issue(&ca, &ca, "one", &["localhost"])));
    let client = Node::start(&runtime, with(2, pki.issue(&ca, &ca, "two", &["localhost"])));
    server.transport.set_peers([PeerAddresses { id: 2, addresses: vec![] }]);
    let address = Address { host: "localhost".to_owned(), port: server.address.port() };
    client.transport.set_peers([PeerAddresses { id: 1, addresses: vec![address] }]);
    client.until_up(1);
}

#[test]
fn plain_and_tls_do_not_mix() {
    let pki = Pki::new();
    let ca = pki.authority("ca");
    let tls = pki.issue(&ca, &ca, "one", &["127.0.0.1"]);
    failure_of_dialing(with(1, tls.clone()), config(2));
    let error = failure_of_dialing(config(1), with(2, tls));
    assert!(error.contains("TLS handshake"), "{error}");
}

#[test]
fn only_allowed_common_names_get_in() {
    let (runtime, pki) = (runtime(), Pki::new());
    let ca = pki.authority("ca");
    let allowed = |member: u64, name: &str, allowed: &str| {
        let mut tls = pki.issue(&ca, &ca, name, &["127.0.0.1"]);
        tls.allowed_common_names = vec![allowed.to_owned()];
        with(member, tls)
    };
    common::cluster(&runtime, vec![allowed(1, "etcd", "etcd"), allowed(2, "etcd", "etcd")]);
    // The acceptor demands, then the dialer.
    failure_of_dialing(allowed(1, "one", "etcd"), with(2, pki.issue(&ca, &ca, "two", &["127.0.0.1"])));
    let error =
        failure_of_dialing(with(1, pki.issue(&ca, &ca, "one", &["127.0.0.1"])), allowed(2, "two", "etcd"));
    assert!(error.contains(r#"expected etcd, found common name "one""#), "{error}");
}

#[test]
fn only_allowed_host_names_get_in() {
    let (runtime, pki) = (runtime(), Pki::new());
    let ca = pki.authority("ca");
    let allowed = |member: u64, name: &str, host: &str| {
        let mut tls = pki.issue(&ca, &ca, name, &["127.0.0.1", host]);
        tls.allowed_host_names = vec!["peer.example".to_owned()];
        with(member, tls)
    };
    common::cluster(&runtime, vec![allowed(1, "one", "peer.example"), allowed(2, "two", "peer.example")]);
    failure_of_dialing(allowed(1, "one", "peer.example"), allowed(2, "two", "client.example"));
}

#[test]
fn bad_files_are_named_with_what_was_expected() {
    let (runtime, pki) = (runtime(), Pki::new());
    let ca = pki.authority("ca");
    let good = pki.issue(&ca, &ca, "one", &["127.0.0.1"]);
    let error_of = |tls: TlsFiles| match Transport::start(with(1, tls), drop, runtime.handle()) {
        Err(StartError::Tls(error)) => error.to_string(),
        other => panic!("expected a TLS error, found {:?}", other.err()),
    };
    let empty = pki.write("empty.pem", "nothing here");
    let absent = pki.0.path().join("absent.pem");
    let cases = [
        (
            TlsFiles { cert_file: absent, ..good.clone() },
            "absent.pem: expected a certificate chain in PEM format",
        ),
        (
            TlsFiles { key_file: empty.clone(), ..good.clone() },
            "empty.pem: expected a private key in PEM format",
        ),
        (
            TlsFiles { trusted_ca_file: empty, ..good.clone() },
            "empty.pem: expected one or more CA certificates",
        ),
        (
            TlsFiles { client_cert_auth: false, allowed_common_names: vec!["x".into()], ..good.clone() },
            "client_cert_auth",
        ),
    ];
    for (tls, expected) in cases {
        let error = error_of(tls);
        assert!(error.contains(expected), "{error}");
    }
    let other = pki.issue(&ca, &ca, "two", &["127.0.0.1"]);
    let error = error_of(TlsFiles { key_file: other.key_file, ..good });
    assert!(error.contains("one.pem with key") && error.contains("two.key"), "{error}");
}

#[test]
fn renewed_files_are_used_for_new_connections_and_bad_ones_are_not() {
    let (runtime, pki) = (runtime(), Pki::new());
    let (ca, next_ca) = (pki.authority("ca"), pki.authority("next"));
    let files = pki.issue(&ca, &ca, "one", &["127.0.0.1"]);
    let server = Node::start(&runtime, with(1, files.clone()));
    let client = Node::start(&runtime, with(2, pki.issue(&next_ca, &next_ca, "two", &["127.0.0.1"])));
    server.transport.set_peers([PeerAddresses { id: 2, addresses: vec![] }]);
    client.transport.set_peers([peer(1, server.address)]);
    until("a failure", || client.counts(1).last_error);
    // A renewal step by step: as long as the files do not fit together, the old ones go on.
    let renewed = pki.issue(&next_ca, &next_ca, "renewed", &["127.0.0.1"]);
    fs::copy(&renewed.trusted_ca_file, &files.trusted_ca_file).unwrap();
    fs::copy(&renewed.cert_file, &files.cert_file).unwrap();
    let before = client.counts(1).dials;
    until("another failure", || (client.counts(1).dials > before + 1).then_some(()));
    fs::copy(&renewed.key_file, &files.key_file).unwrap();
    client.until_up(1);
}
