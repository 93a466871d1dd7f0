//! The client's certificates, read from the files that the flags name.

use std::path::Path;

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

fn read_file(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("{flag} {}: {error}", path.display())))
}
