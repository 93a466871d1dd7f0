//! The configuration of one member, typed and checked: what `synod serve` and each member of `synod dev` are
//! started with.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::Loaded;
use super::catalogue;
use super::cluster::{self, InitialMember};
use super::settings::{ConfigError, Origin, Setting, Settings};
use super::urls::{self, Url};
use crate::go_syntax::{duration, parse_switch};

/// Quota of the store where none is set, in bytes.
pub const QUOTA_BYTES_DEFAULT: u64 = 2 << 30;
/// A larger quota is allowed, with a note.
const QUOTA_BYTES_WISE_MAX: u64 = 8 << 30;
/// A larger request limit is allowed, with a note.
const REQUEST_BYTES_WISE_MAX: u64 = 10 << 20;
/// Longest election timeout; etcd has the same limit.
pub const ELECTION_TIMEOUT_MAX: Duration = Duration::from_millis(50_000);
/// An election timeout has at least this many heartbeats in it.
const HEARTBEATS_PER_ELECTION_MIN: u32 = 5;

/// Everything that one member is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeConfig {
    /// The member's name.
    pub name: String,
    /// The member's identity, derived from its peer URLs and the token; see [`cluster`].
    pub member_id: u64,
    /// The cluster's identity, derived from its founding members and the token.
    pub cluster_id: u64,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where clients are served; every one has a [`Url::bind_address`].
    pub listen_client_urls: Vec<Url>,
    /// How clients reach this member.
    pub advertise_client_urls: Vec<Url>,
    /// Where other members are served; every one has a [`Url::bind_address`].
    pub listen_peer_urls: Vec<Url>,
    /// How other members reach this member.
    pub initial_advertise_peer_urls: Vec<Url>,
    /// Further places for metrics and health; every one has a [`Url::bind_address`].
    pub listen_metrics_urls: Vec<Url>,
    /// The founding members, this one among them, by name.
    pub initial_cluster: Vec<InitialMember>,
    /// Whether the cluster is being founded or joined.
    pub initial_cluster_state: ClusterState,
    /// Tells clusters apart.
    pub initial_cluster_token: String,
    /// Time between a leader's heartbeats.
    pub heartbeat_interval: Duration,
    /// Time without a leader before an election; at least five heartbeats.
    pub election_timeout: Duration,
    /// Committed entries between two snapshots of the log; at least 1.
    pub snapshot_entries: u64,
    /// Bytes that the store may take; `None` for no limit.
    pub quota_bytes: Option<u64>,
    /// Largest request, in bytes.
    pub request_bytes_max: u32,
    /// Most operations in a transaction.
    pub transaction_operations_max: u32,
    /// Which history is forgotten by itself.
    pub auto_compaction: AutoCompaction,
    /// Time between progress notices of a quiet watch.
    pub watch_progress_notify_interval: Duration,
    /// Certificates for clients; there are some if any client URL is `https`.
    pub client_tls: Option<TlsFiles>,
    /// Certificates between members; there are some if any peer URL is `https`.
    pub peer_tls: Option<TlsFiles>,
    /// What is logged.
    pub log_level: LogLevel,
    /// What is measured.
    pub metrics: Metrics,
}

/// Whether a cluster is being founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// The members of `initial_cluster` found it together.
    New,
    /// It exists; this member was added to it.
    Existing,
}

/// Which history is forgotten by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    /// None.
    Off,
    /// What is older than this.
    Periodic(Duration),
    /// All but this many revisions.
    Revisions(u64),
}

/// A certificate with its key, and whom the other side must be signed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub private_key: PathBuf,
    /// The authorities that the other side's certificate may be signed by (PEM).
    pub trusted_authorities: Option<PathBuf>,
    /// Whether the other side must show a certificate; then there are trusted authorities.
    pub require_certificate: bool,
}

/// How much is logged, by etcd's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
    Panic,
    Fatal,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metrics {
    /// Counters and gauges.
    Basic,
    /// Histograms of every request too.
    Extensive,
}

impl ServeConfig {
    /// Checks settings and gives them their types; the first that is wrong is the error.
    pub fn from_settings(settings: &Settings) -> Result<Loaded, ConfigError> {
        settings.iter().try_for_each(catalogue::check)?;
        let mut read = Reader { settings, notes: Vec::new() };
        let name = read.name()?;
        let token = read.text("initial-cluster-token");
        let listen_client_urls = read.listen_urls("listen-client-urls")?;
        let listen_peer_urls = read.listen_urls("listen-peer-urls")?;
        let listen_metrics_urls = read.listen_urls("listen-metrics-urls")?;
        let initial_advertise_peer_urls = read.advertise_urls("initial-advertise-peer-urls")?;
        let initial_cluster = read.initial_cluster(&name, &token, &initial_advertise_peer_urls)?;
        let (heartbeat_interval, election_timeout) = read.raft_times()?;
        let config = Self {
            member_id: own_id(&initial_cluster, &name),
            cluster_id: cluster::cluster_id(&initial_cluster, &token),
            data_dir: read.data_dir(&name)?,
            advertise_client_urls: read.advertise_client_urls()?,
            initial_cluster_state: read.cluster_state()?,
            snapshot_entries: read
                .at_least_one("snapshot-count", "a number of entries above 0, such as 100000")?,
            quota_bytes: read.quota()?,
            request_bytes_max: read.request_bytes_max()?,
            transaction_operations_max: read.at_least_one("max-txn-ops", "a number above 0, such as 128")?,
            auto_compaction: read.auto_compaction()?,
            watch_progress_notify_interval: read.progress_interval()?,
            client_tls: read.tls("", &[&listen_client_urls, &listen_metrics_urls])?,
            peer_tls: read.tls("peer-", &[&listen_peer_urls])?,
            log_level: read.log_level()?,
            metrics: read.metrics()?,
            name,
            listen_client_urls,
            listen_peer_urls,
            initial_advertise_peer_urls,
            listen_metrics_urls,
            initial_cluster,
            initial_cluster_token: token,
            heartbeat_interval,
            election_timeout,
        };
        Ok(Loaded { config, notes: read.notes })
    }
}

fn own_id(members: &[InitialMember], name: &str) -> u64 {
    members.iter().find(|member| member.name == name).expect("the cluster was checked to name this member").id
}

/// Reads one setting after the other, each with its default.
struct Reader<'s> {
    settings: &'s Settings,
    notes: Vec<String>,
}

impl Reader<'_> {
    /// The setting as given, or its default. Given but empty counts as not given, as in etcd's variables.
    fn setting(&self, name: &'static str) -> Setting {
        let given = self.settings.get(name).filter(|setting| !setting.value.is_empty());
        given.cloned().unwrap_or_else(|| Setting::new(name, catalogue::default_of(name), Origin::Default))
    }

    fn is_given(&self, name: &str) -> bool {
        self.settings.get(name).is_some_and(|setting| !setting.value.is_empty())
    }

    fn text(&self, name: &'static str) -> String {
        self.setting(name).value
    }

    fn number<T: FromStr>(&self, name: &'static str, expected: &str) -> Result<T, ConfigError> {
        let setting = self.setting(name);
        setting.value.parse().map_err(|_| setting.expected(expected))
    }

    fn at_least_one<T: FromStr + PartialEq + Default>(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<T, ConfigError> {
        let number = self.number(name, expected)?;
        if number == T::default() { Err(self.setting(name).expected(expected)) } else { Ok(number) }
    }

    fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        let setting = self.setting(name);
        parse_switch(&setting.value).ok_or_else(|| setting.expected("true or false"))
    }

    fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.is_given(name).then(|| PathBuf::from(self.text(name)))
    }

    fn name(&self) -> Result<String, ConfigError> {
        let setting = self.setting("name");
        if setting.value.contains([',', '=']) || setting.value.chars().any(char::is_control) {
            return Err(setting.expected("a name without commas, = and control characters"));
        }
        Ok(setting.value)
    }

    fn data_dir(&self, name: &str) -> Result<PathBuf, ConfigError> {
        if let Some(path) = self.path("data-dir") {
            return Ok(path);
        }
        if name.contains(['/', '\\']) || name.starts_with('.') {
            let sentence =
                "names the data directory too unless --data-dir is given: it must be a plain file name then";
            return Err(self.setting("name").refused(sentence));
        }
        Ok(PathBuf::from(format!("{name}.etcd")))
    }

    fn urls(&self, name: &'static str) -> Result<Vec<Url>, ConfigError> {
        let setting = self.setting(name);
        if setting.value.is_empty() {
            return Ok(Vec::new());
        }
        urls::parse_list(&setting.value).map_err(|expected| setting.expected(expected))
    }

    fn listen_urls(&self, name: &'static str) -> Result<Vec<Url>, ConfigError> {
        let urls = self.urls(name)?;
        match urls.iter().find(|url| url.bind_address().is_none()) {
            None => Ok(urls),
            Some(url) => Err(self.setting(name).expected(format_args!(
                "an address to listen on, such as http://0.0.0.0:{}; {:?} is a name",
                url.port, url.host
            ))),
        }
    }

    fn advertise_urls(&self, name: &'static str) -> Result<Vec<Url>, ConfigError> {
        let urls = self.urls(name)?;
        match urls.iter().find(|url| url.host.is_empty()) {
            None => Ok(urls),
            Some(url) => {
                Err(self.setting(name).expected(format_args!("a host that others can reach; {url} has none")))
            }
        }
    }

    fn advertise_client_urls(&self) -> Result<Vec<Url>, ConfigError> {
        if self.is_given("listen-client-urls") && !self.is_given("advertise-client-urls") {
            return Err(self.setting("advertise-client-urls").refused(
                "required when --listen-client-urls is set: say by which URLs clients reach this member",
            ));
        }
        self.advertise_urls("advertise-client-urls")
    }

    /// The founding members; this one must be among them, with the peer URLs that it advertises.
    fn initial_cluster(
        &self,
        name: &str,
        token: &str,
        advertised: &[Url],
    ) -> Result<Vec<InitialMember>, ConfigError> {
        let mut setting = self.setting("initial-cluster");
        if !self.is_given("initial-cluster") {
            setting.value =
                advertised.iter().map(|url| format!("{name}={url}")).collect::<Vec<_>>().join(",");
        }
        let members =
            cluster::parse_members(&setting.value, token).map_err(|expected| setting.expected(expected))?;
        let Some(own) = members.iter().find(|member| member.name == name) else {
            let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            return Err(setting.expected(format_args!(
                "this member's name {name:?} (--name) among the members; there are {}",
                names.join(", ")
            )));
        };
        let covers =
            |some: &[Url], all: &[Url]| some.iter().all(|url| all.iter().any(|other| url.may_equal(other)));
        if !covers(&own.peer_urls, advertised) || !covers(advertised, &own.peer_urls) {
            return Err(setting.refused(format_args!(
                "says that {name} is at {}, but --initial-advertise-peer-urls says {}: make them equal",
                urls::join(&own.peer_urls),
                urls::join(advertised)
            )));
        }
        Ok(members)
    }

    fn cluster_state(&self) -> Result<ClusterState, ConfigError> {
        let setting = self.setting("initial-cluster-state");
        match setting.value.as_str() {
            "new" => Ok(ClusterState::New),
            "existing" => Ok(ClusterState::Existing),
            _ => Err(setting.expected("new or existing")),
        }
    }

    fn milliseconds(&self, name: &'static str, example: u32) -> Result<Duration, ConfigError> {
        let expected = format!("a whole number of milliseconds above 0, such as {example}");
        self.at_least_one(name, &expected).map(Duration::from_millis)
    }

    fn raft_times(&self) -> Result<(Duration, Duration), ConfigError> {
        let heartbeat = self.milliseconds("heartbeat-interval", 100)?;
        let election = self.milliseconds("election-timeout", 1000)?;
        if election > ELECTION_TIMEOUT_MAX {
            let max = ELECTION_TIMEOUT_MAX.as_millis();
            return Err(self
                .setting("election-timeout")
                .expected(format_args!("at most {max} milliseconds")));
        }
        if election < heartbeat.saturating_mul(HEARTBEATS_PER_ELECTION_MIN) {
            return Err(self.setting("election-timeout").expected(format_args!(
                "at least {HEARTBEATS_PER_ELECTION_MIN} times --heartbeat-interval, which is {} ms",
                heartbeat.as_millis()
            )));
        }
        Ok((heartbeat, election))
    }

    fn quota(&mut self) -> Result<Option<u64>, ConfigError> {
        let bytes: i64 = self.number("quota-backend-bytes", "a number of bytes, such as 8589934592")?;
        let quota = match u64::try_from(bytes) {
            Err(_) => return Ok(None),
            Ok(0) => QUOTA_BYTES_DEFAULT,
            Ok(bytes) => bytes,
        };
        if quota > QUOTA_BYTES_WISE_MAX {
            self.notes.push(format!(
                "--quota-backend-bytes {quota} is more than the suggested {QUOTA_BYTES_WISE_MAX}"
            ));
        }
        Ok(Some(quota))
    }

    fn request_bytes_max(&mut self) -> Result<u32, ConfigError> {
        let bytes: u32 =
            self.at_least_one("max-request-bytes", "a number of bytes above 0, such as 1572864")?;
        if u64::from(bytes) > REQUEST_BYTES_WISE_MAX {
            self.notes.push(format!(
                "--max-request-bytes {bytes} is more than the suggested {REQUEST_BYTES_WISE_MAX}"
            ));
        }
        Ok(bytes)
    }

    /// A bare number of a period means hours.
    fn auto_compaction(&self) -> Result<AutoCompaction, ConfigError> {
        let mode = self.setting("auto-compaction-mode");
        let retention = self.setting("auto-compaction-retention");
        let number = retention.value.parse::<u32>().ok();
        let compaction = match (mode.value.as_str(), number) {
            ("periodic" | "revision", Some(0)) => AutoCompaction::Off,
            ("periodic", Some(hours)) => {
                AutoCompaction::Periodic(Duration::from_secs(u64::from(hours) * 3600))
            }
            ("periodic", None) => {
                AutoCompaction::Periodic(duration::parse(&retention.value).map_err(|_| {
                    retention.expected(format_args!("hours as a number, or {}", duration::EXPECTED))
                })?)
            }
            ("revision", Some(revisions)) => AutoCompaction::Revisions(u64::from(revisions)),
            ("revision", None) => return Err(retention.expected("a number of revisions, such as 1000")),
            _ => return Err(mode.expected("periodic or revision")),
        };
        let is_zero = compaction == AutoCompaction::Periodic(Duration::ZERO);
        Ok(if is_zero { AutoCompaction::Off } else { compaction })
    }

    fn progress_interval(&self) -> Result<Duration, ConfigError> {
        let setting = self.setting("experimental-watch-progress-notify-interval");
        match duration::parse(&setting.value) {
            Ok(interval) if !interval.is_zero() => Ok(interval),
            _ => Err(setting.expected(duration::EXPECTED)),
        }
    }

    /// The certificates of one kind of listener: `prefix` is "" for clients and "peer-" for members.
    fn tls(&mut self, prefix: &str, listeners: &[&[Url]]) -> Result<Option<TlsFiles>, ConfigError> {
        let names = match prefix {
            "" => ["cert-file", "key-file", "trusted-ca-file", "client-cert-auth", "listen-client-urls"],
            _ => [
                "peer-cert-file",
                "peer-key-file",
                "peer-trusted-ca-file",
                "peer-client-cert-auth",
                "listen-peer-urls",
            ],
        };
        let [certificate, private_key, authorities, authentication, listen] = names;
        let wants_tls = listeners.iter().any(|urls| urls.iter().any(|url| url.is_tls));
        let trusted_authorities = self.path(authorities);
        let require_certificate = self.switch(authentication)? || trusted_authorities.is_some();
        let files = match (self.path(certificate), self.path(private_key)) {
            (Some(certificate), Some(private_key)) => {
                TlsFiles { certificate, private_key, trusted_authorities, require_certificate }
            }
            (Some(_), None) => {
                return Err(self.setting(certificate).refused(format_args!("needs --{private_key} too")));
            }
            (None, Some(_)) => {
                return Err(self.setting(private_key).refused(format_args!("needs --{certificate} too")));
            }
            (None, None) if wants_tls => {
                return Err(self.setting(listen).refused(format_args!(
                    "https needs a certificate: give --{certificate} and --{private_key}"
                )));
            }
            (None, None) => {
                if require_certificate {
                    self.notes.push(format!(
                        "--{authorities} and --{authentication} do nothing without --{certificate}"
                    ));
                }
                return Ok(None);
            }
        };
        if require_certificate && files.trusted_authorities.is_none() {
            return Err(self.setting(authentication).refused(format_args!(
                "needs --{authorities}: the authorities that sign the certificates to be accepted"
            )));
        }
        if !wants_tls {
            self.notes.push(format!("--{certificate} is not used: --{listen} has no https URL"));
        }
        Ok(Some(files))
    }

    fn log_level(&self) -> Result<LogLevel, ConfigError> {
        let setting = self.setting("log-level");
        Ok(match setting.value.to_ascii_lowercase().as_str() {
            "debug" => LogLevel::Debug,
            "info" => LogLevel::Info,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            "panic" => LogLevel::Panic,
            "fatal" => LogLevel::Fatal,
            _ => return Err(setting.expected("debug, info, warn, error, panic or fatal")),
        })
    }

    fn metrics(&self) -> Result<Metrics, ConfigError> {
        let setting = self.setting("metrics");
        match setting.value.as_str() {
            "basic" => Ok(Metrics::Basic),
            "extensive" => Ok(Metrics::Extensive),
            _ => Err(setting.expected("basic or extensive")),
        }
    }
}
