//! One endpoint: its name as given, and how to connect to it.

use std::time::Duration;

use tonic::transport::{Channel, ClientTlsConfig};

use super::{Options, innermost, tls};
use crate::failure::Failure;

/// An endpoint of the cluster.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: String,
    authority: String,
    is_tls: bool,
    connector: tonic::transport::Endpoint,
}

impl Endpoint {
    /// Those that were given, at least one. Reads the certificates.
    pub fn all(options: &Options) -> Result<Vec<Self>, Failure> {
        let tls = tls::read(options)?;
        let names = options.endpoints.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let endpoints: Vec<_> = names
            .map(|name| Self::parse(name, tls.as_ref(), options.dial_timeout))
            .collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(Failure::usage("--endpoints: expected at least one, such as 127.0.0.1:2379"));
        }
        Ok(endpoints)
    }

    /// Reads `host:port`, `http://host:port` or `https://host:port`. Without a scheme, TLS is used if there
    /// are certificates; `http` never uses it and `https` always.
    pub fn parse(name: &str, tls: Option<&ClientTlsConfig>, dial_timeout: Duration) -> Result<Self, Failure> {
        let expected = |problem: &str| {
            Failure::usage(format!(
                "--endpoints {name:?}: {problem}; expected host:port, http://host:port or https://host:port"
            ))
        };
        let (scheme, address) = match name.split_once("://") {
            None => (if tls.is_some() { "https" } else { "http" }, name),
            Some(("http", address)) => ("http", address),
            Some(("https", address)) => ("https", address),
            Some(("unix" | "unixs", _)) => {
                return Err(expected("sockets of the file system are not supported yet"));
            }
            Some((other, _)) => return Err(expected(&format!("the scheme {other:?} is not known"))),
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        let port = address.rsplit_once(':').map(|(_, port)| port);
        if port.is_none_or(|port| port.parse::<u16>().is_err()) || address.starts_with(':') {
            return Err(expected("there is no host and port"));
        }
        let connector = tonic::transport::Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| expected(&error.to_string()))?
            .user_agent(concat!("synod/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| expected(&error.to_string()))?
            .connect_timeout(dial_timeout)
            .tcp_nodelay(true);
        let connector = match (scheme, tls) {
            ("https", tls) => connector.tls_config(tls.cloned().unwrap_or_default()).map_err(|error| {
                Failure::usage(format!("the certificates cannot be used: {}", innermost(&error)))
            })?,
            _ => connector,
        };
        let (authority, is_tls) = (address.to_owned(), scheme == "https");
        Ok(Self { name: name.to_owned(), authority, is_tls, connector })
    }

    /// The name as its user wrote it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is spoken to over TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Connects; the error is the reason alone.
    pub async fn connect(&self) -> Result<Channel, String> {
        self.connector.connect().await.map_err(|error| innermost(&error).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_etcdctl_reads() {
        for name in
            ["127.0.0.1:2379", "localhost:1", "[::1]:2379", "http://a:1", "http://a:1/", "https://a:1"]
        {
            let endpoint = Endpoint::parse(name, None, Duration::from_secs(1)).expect(name);
            assert_eq!(endpoint.name(), name);
        }
    }

    #[test]
    fn refuses_others_with_what_was_expected() {
        for name in ["a", ":2379", "a:b", "unix://a:1", "ftp://a:1", "http://"] {
            let failure = Endpoint::parse(name, None, Duration::from_secs(1)).expect_err(name);
            assert_eq!(failure.exit, crate::failure::Exit::Usage);
            assert!(failure.sentence.expect("said").contains("expected host:port"), "{name}");
        }
    }
}
