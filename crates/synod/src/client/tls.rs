//! The client's certificates, read from the files that the flags name.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::Options;
use crate::failure::Failure;

/// Reads the certificates; `None` if no flag names any.
pub fn read(options: &Options) -> Result<Option<ClientTlsConfig>, Failure> {
    let mut config = ClientTlsConfig::new();
    match (&options.authorities, &options.certificate, &options.private_key) {
        (None, None, None) => return Ok(None),
        (_, Some(_), None) => return Err(Failure::usage("--cert needs --key too")),
        (_, None, Some(_)) => return Err(Failure::usage("--key needs --cert too")),
        (authorities, certificate, private_key) => {
            if let Some(path) = authorities {
                config = config.ca_certificate(Certificate::from_pem(read_file("--cacert", path)?));
            }
            if let (Some(certificate), Some(private_key)) = (certificate, private_key) {
                let identity =
                    Identity::from_pem(read_file("--cert", certificate)?, read_file("--key", private_key)?);
                config = config.identity(identity);
            }
        }
    }
    Ok(Some(config))
}

/// The same for a connection of HTTP/2 without a library around it.
pub fn plain_config(options: &Options) -> Result<Arc<ClientConfig>, Failure> {
    let unusable =
        |error: &dyn std::fmt::Display| Failure::usage(format!("the certificates cannot be used: {error}"));
    let Some(authorities) = &options.authorities else {
        return Err(Failure::usage("--cacert: expected the authority of the servers' certificates"));
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read_file("--cacert", authorities)?) {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(&error))?.with_root_certificates(roots);
    let mut config = match (&options.certificate, &options.private_key) {
        (Some(certificate), Some(private_key)) => {
            let chain = CertificateDer::pem_slice_iter(&read_file("--cert", certificate)?)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| unusable(&error))?;
            let key = PrivateKeyDer::from_pem_slice(&read_file("--key", private_key)?)
                .map_err(|error| unusable(&error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn read_file(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("{flag} {}: {error}", path.display())))
}
