//! Certificates, with the meaning of etcd's flags.
//!
//! A server shows `cert_file` with the key of `key_file`. Once it has a `trusted_ca_file`, or `client_cert_auth` is set, a
//! client must show a certificate signed by that authority; etcd falls back to the system's authorities when the flag is set
//! and the file is not, which lets anyone in who ever bought a certificate, so here that is an error.
//!
//! Files are PEM. Every error names the flag's file and what was expected in it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use synod_transport::Renewed;

/// What a server shows and demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFiles {
    /// `--cert-file`: the certificate, then what leads from it to an authority.
    pub cert_file: PathBuf,
    /// `--key-file`: its private key.
    pub key_file: PathBuf,
    /// `--trusted-ca-file`: who signs clients' certificates.
    pub trusted_ca_file: Option<PathBuf>,
    /// `--client-cert-auth`: demand a certificate of every client.
    pub client_cert_auth: bool,
}

/// What a client trusts and shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// `--cacert`, or `--peer-trusted-ca-file`: who signs servers' certificates.
    pub trusted_ca_file: PathBuf,
    /// The certificate and the private key to show, if the server demands one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has not what it should.
    #[error("{role} {}: {problem}", path.display())]
    File {
        /// What the file is for.
        role: Role,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate of clients is demanded, and nobody is named who signs them.
    #[error(
        "client certificates are demanded (client-cert-auth), but no trusted-ca-file says who signs them"
    )]
    NoAuthority,
    /// The files do not fit together.
    #[error("the certificate in {} and the key in {} cannot be used: {problem}", cert_file.display(), key_file.display())]
    Identity {
        /// The certificate.
        cert_file: PathBuf,
        /// The key.
        key_file: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Shown to the other side.
    Certificate,
    /// Its private key.
    Key,
    /// Signs the other side's certificates.
    Authority,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Certificate => "certificate file",
            Role::Key => "key file",
            Role::Authority => "trusted CA file",
        })
    }
}

impl ServerFiles {
    /// Reads the files now, and again whenever they change.
    ///
    /// # Errors
    /// When a file is missing or has not what it should, or they do not fit together.
    pub fn load(&self) -> Result<Arc<Renewed<ServerConfig>>, TlsError> {
        let pair = [self.cert_file.clone(), self.key_file.clone()];
        let files = pair.into_iter().chain(self.trusted_ca_file.clone()).collect();
        let this = self.clone();
        Ok(Arc::new(Renewed::read(files, move || this.config())?))
    }

    /// The configuration offers HTTP/2 and HTTP/1.1.
    fn config(&self) -> Result<ServerConfig, TlsError> {
        let (chain, key) = identity(&self.cert_file, &self.key_file)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions");
        let builder = match &self.trusted_ca_file {
            Some(file) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(file)?), provider())
                        .build()
                        .map_err(|error| problem(Role::Authority, file, error))?;
                builder.with_client_cert_verifier(verifier)
            }
            None if self.client_cert_auth => return Err(TlsError::NoAuthority),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| self.identity_error(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn identity_error(&self, error: &rustls::Error) -> TlsError {
        identity_error(&self.cert_file, &self.key_file, error)
    }
}

impl ClientFiles {
    /// Reads the files. The configuration offers HTTP/2.
    ///
    /// # Errors
    /// As [`ServerFiles::load`].
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions")
            .with_root_certificates(authorities(&self.trusted_ca_file)?);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((cert_file, key_file)) => {
                let (chain, key) = identity(cert_file, key_file)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| identity_error(cert_file, key_file, &error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

fn identity(
    cert_file: &Path,
    key_file: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(Role::Certificate, cert_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| match error {
        pem::Error::NoItemsFound => problem(Role::Key, key_file, "there is no private key in it"),
        error => pem_problem(Role::Key, key_file, error),
    })?;
    Ok((chain, key))
}

fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(Role::Authority, file)? {
        store.add(certificate).map_err(|error| problem(Role::Authority, file, error))?;
    }
    Ok(store)
}

fn certificates(role: Role, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let found = found.map_err(|error| pem_problem(role, file, error))?;
    if found.is_empty() { Err(problem(role, file, "there is no certificate in it")) } else { Ok(found) }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn pem_problem(role: Role, file: &Path, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(error) => problem(role, file, error),
        error => problem(role, file, format!("it is not PEM: {error}")),
    }
}

fn problem(role: Role, file: &Path, problem: impl ToString) -> TlsError {
    TlsError::File { role, path: file.to_owned(), problem: problem.to_string() }
}

fn identity_error(cert_file: &Path, key_file: &Path, error: &rustls::Error) -> TlsError {
    let problem = error.to_string();
    TlsError::Identity { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), problem }
}
