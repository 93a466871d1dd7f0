//! TLS between peers, with the meaning of etcd's peer flags.
//!
//! A node has one certificate and key, shown by it on either side. Dialing, the peer's certificate must be
//! signed by the trusted CA and be valid for the host that was dialed. Accepting with
//! [`TlsFiles::client_cert_auth`], the dialer's certificate must be signed by the trusted CA. Beyond that the
//! subject's common name, or a host name, can be demanded of every peer, on either side.
//!
//! Different from etcd: a trusted CA must be named, since the system's roots have no business between the
//! members of a cluster; and etcd takes the mere presence of a CA file for `client_cert_auth`, which is left
//! to the caller here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certificate::common_name;
use crate::renewed::Renewed;

/// The files and demands of peer TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: this node's certificate, then the intermediate ones (`--peer-cert-file`).
    pub cert_file: PathBuf,
    /// PEM: its private key (`--peer-key-file`).
    pub key_file: PathBuf,
    /// PEM: the authorities that sign the peers' certificates (`--peer-trusted-ca-file`).
    pub trusted_ca_file: PathBuf,
    /// Whether a dialer must show a certificate (`--peer-client-cert-auth`).
    pub client_cert_auth: bool,
    /// Not empty: a peer's certificate must have one of these common names (`--peer-cert-allowed-cn`).
    pub allowed_common_names: Vec<String>,
    /// Not empty: a peer's certificate must be valid for one of these (`--peer-cert-allowed-hostname`).
    pub allowed_host_names: Vec<String>,
}

/// What is wrong with the TLS configuration, or with a peer's certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or does not hold what it should.
    #[error("{path}: expected {expected} in PEM format: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The certificate and the key do not go together, or the library cannot use them.
    #[error("certificate {cert_file} with key {key_file}: {reason}")]
    Pair {
        /// The certificate's file.
        cert_file: PathBuf,
        /// The key's file.
        key_file: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// Settings that contradict each other.
    #[error("peer TLS: {0}")]
    Contradiction(&'static str),
    /// The library refused a setting.
    #[error("peer TLS: {0}")]
    Library(String),
    /// A peer's certificate is genuine, and not of one who may be a peer.
    #[error("the peer's certificate is not allowed: expected {expected}, found {found}")]
    NotAllowed {
        /// The names that are allowed.
        expected: String,
        /// The certificate's.
        found: String,
    },
}

/// Both sides of TLS, ready for use.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) connector: TlsConnector,
    allowed_common_names: Vec<String>,
    allowed_host_names: Vec<ServerName<'static>>,
}

impl Tls {
    /// Reads the files now, and again whenever they change.
    pub(crate) fn renewed(files: &TlsFiles) -> Result<Renewed<Tls>, TlsError> {
        let watched = [&files.cert_file, &files.key_file, &files.trusted_ca_file].map(PathBuf::clone);
        let files = files.clone();
        Renewed::read(watched.to_vec(), move || Tls::load(&files))
    }

    /// Reads the files.
    fn load(files: &TlsFiles) -> Result<Tls, TlsError> {
        if !files.allowed_common_names.is_empty() && !files.allowed_host_names.is_empty() {
            return Err(TlsError::Contradiction(
                "allowed common names and allowed host names exclude each other",
            ));
        }
        let demands_names = !files.allowed_common_names.is_empty() || !files.allowed_host_names.is_empty();
        if demands_names && !files.client_cert_auth {
            return Err(TlsError::Contradiction("allowed names need client certificates (client_cert_auth)"));
        }
        let allowed_host_names =
            files.allowed_host_names.iter().map(|name| server_name(name)).collect::<Result<_, _>>()?;
        let roots = Arc::new(read_roots(&files.trusted_ca_file)?);
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(server_config(files, &roots)?)),
            connector: TlsConnector::from(Arc::new(client_config(files, &roots)?)),
            allowed_common_names: files.allowed_common_names.clone(),
            allowed_host_names,
        })
    }

    /// Whether a peer whose chain was verified may be a peer.
    pub(crate) fn check_peer(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<(), TlsError> {
        if self.allowed_common_names.is_empty() && self.allowed_host_names.is_empty() {
            return Ok(());
        }
        let certificate = chain.and_then(<[_]>::first);
        let name = certificate.and_then(|certificate| common_name(certificate));
        if name.is_some_and(|name| self.allowed_common_names.iter().any(|allowed| allowed == name)) {
            return Ok(());
        }
        let parsed = certificate.and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
        let valid_for = |name| parsed.as_ref().is_some_and(|parsed| verify_server_name(parsed, name).is_ok());
        if self.allowed_host_names.iter().any(valid_for) {
            return Ok(());
        }
        let host_names = self.allowed_host_names.iter().map(|name| name.to_str().into_owned());
        let expected: Vec<String> = self.allowed_common_names.iter().cloned().chain(host_names).collect();
        let found = match name {
            Some(name) => format!("common name {name:?}"),
            None => "no common name".to_owned(),
        };
        Err(TlsError::NotAllowed { expected: expected.join(" or "), found })
    }
}

/// The name that a certificate must be valid for.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| TlsError::Library(format!("expected a DNS name or an IP address, found {host:?}")))
}

fn server_config(files: &TlsFiles, roots: &Arc<RootCertStore>) -> Result<ServerConfig, TlsError> {
    let library = |error: &dyn std::fmt::Display| TlsError::Library(error.to_string());
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| library(&error))?;
    let builder = if files.client_cert_auth {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider())
            .build()
            .map_err(|error| library(&error))?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let (chain, key) = read_pair(files)?;
    builder.with_single_cert(chain, key).map_err(|error| pair_error(files, &error))
}

fn client_config(files: &TlsFiles, roots: &Arc<RootCertStore>) -> Result<ClientConfig, TlsError> {
    let (chain, key) = read_pair(files)?;
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Library(error.to_string()))?
        .with_root_certificates(Arc::clone(roots))
        .with_client_auth_cert(chain, key)
        .map_err(|error| pair_error(files, &error))
}

/// Named here, not taken from the process: another crate may install another one.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let expected = "one or more CA certificates";
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path, expected)? {
        roots.add(certificate).map_err(|error| file_error(path, expected, &error))?;
    }
    Ok(roots)
}

fn read_pair(files: &TlsFiles) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = read_certificates(&files.cert_file, "a certificate chain")?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|error| file_error(&files.key_file, "a private key", &error))?;
    Ok((chain, key))
}

fn read_certificates(path: &Path, expected: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error(path, expected, &error))?;
    match certificates.is_empty() {
        true => Err(file_error(path, expected, &"no certificate found")),
        false => Ok(certificates),
    }
}

fn file_error(path: &Path, expected: &'static str, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), expected, reason: reason.to_string() }
}

fn pair_error(files: &TlsFiles, reason: &dyn std::fmt::Display) -> TlsError {
    let (cert_file, key_file) = (files.cert_file.clone(), files.key_file.clone());
    TlsError::Pair { cert_file, key_file, reason: reason.to_string() }
}
