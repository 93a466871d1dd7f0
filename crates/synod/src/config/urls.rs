//! URLs of members: a scheme, a host and a port, and nothing else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a member listens, or how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub is_tls: bool,
    /// A host name in lower case, or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Reads a list of URLs separated by commas: sorted, without repetition, as etcd keeps it. The error says
/// what was expected.
pub fn parse_list(text: &str) -> Result<Vec<Url>, String> {
    let mut urls = text.split(',').map(|url| Url::parse(url.trim())).collect::<Result<Vec<_>, _>>()?;
    urls.sort();
    urls.dedup();
    Ok(urls)
}

impl Url {
    /// Reads one URL; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "URLs such as http://10.0.0.1:2379";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("{EXPECTED}; {text:?} has no scheme"));
        };
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            "unix" | "unixs" => {
                return Err(format!("{EXPECTED}; sockets of the file system are not supported yet"));
            }
            other => return Err(format!("{EXPECTED}; the scheme {other:?} is neither http nor https")),
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(format!("{EXPECTED}; {text:?} has more than a host and a port"));
        }
        let missing_port = || format!("{EXPECTED}; {text:?} does not have the form host:port");
        let (host, port) = rest.rsplit_once(':').ok_or_else(missing_port)?;
        let port = port.parse().map_err(|_| format!("{EXPECTED}; {port:?} is not a port"))?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().map_err(|_| missing_port())?.to_string(),
            None if host.contains([':', '[', ']', ' ']) => return Err(missing_port()),
            None => host.to_ascii_lowercase(),
        };
        Ok(Self { is_tls, host, port })
    }

    /// The address to listen on; only an address or `localhost` has one, for a name can move.
    pub fn bind_address(&self) -> Option<SocketAddr> {
        self.address().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// The host as an address, where it is one; `localhost` counts as 127.0.0.1.
    pub fn address(&self) -> Option<IpAddr> {
        if self.host == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { self.host.parse().ok() }
    }

    /// Whether two URLs can lead to the same place: the same scheme and port, and hosts that are equal or of
    /// which one is a name that may resolve to the other.
    pub fn may_equal(&self, other: &Self) -> bool {
        let hosts_may_equal = match (self.address(), other.address()) {
            (Some(one), Some(another)) => one == another,
            (None, None) => self.host == other.host,
            _ => true,
        };
        self.is_tls == other.is_tls && self.port == other.port && hosts_may_equal
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        if self.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// A list of URLs as it is written: separated by commas.
pub fn join(urls: &[Url]) -> String {
    urls.iter().map(Url::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_writes() {
        for text in
            ["http://10.0.0.1:2379", "https://n1.example:1", "http://[::1]:2380", "http://localhost:65535"]
        {
            assert_eq!(Url::parse(text).map(|url| url.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(Url::parse("HTTP://N1:80").map(|url| url.to_string()).as_deref(), Ok("http://n1:80"));
    }

    #[test]
    fn refuses_with_the_reason() {
        let table = [
            ("10.0.0.1:2379", "no scheme"),
            ("ftp://a:1", "neither http nor https"),
            ("unix://a:1", "file system"),
            ("http://a", "host:port"),
            ("http://a:b", "not a port"),
            ("http://a:99999", "not a port"),
            ("http://a:1/", "more than a host"),
            ("http://::1:2379", "host:port"),
            ("http://[zz]:1", "host:port"),
            ("", "no scheme"),
        ];
        for (text, part) in table {
            let error = Url::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn lists_are_sorted_and_unique() {
        let urls = parse_list("http://b:1, http://a:1,http://b:1").expect("they are URLs");
        assert_eq!(join(&urls), "http://a:1,http://b:1");
    }

    #[test]
    fn only_addresses_and_localhost_can_be_listened_on() {
        let bind =
            |text: &str| Url::parse(text).expect("a URL").bind_address().map(|address| address.to_string());
        assert_eq!(bind("http://localhost:1").as_deref(), Some("127.0.0.1:1"));
        assert_eq!(bind("http://[::1]:1").as_deref(), Some("[::1]:1"));
        assert_eq!(bind("http://n1.example:1"), None);
        assert_eq!(bind("http://:1"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "(http://)?\\PC{0,24}") {
            let _ = parse_list(&text);
        }
    }
}
