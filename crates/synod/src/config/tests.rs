//! The configuration from each of its sources, setting by setting.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::serve::{AutoCompaction, ClusterState, LogLevel, Metrics, QUOTA_BYTES_DEFAULT};
use super::*;

fn from_flags(arguments: &[&str]) -> Result<ServeConfig, String> {
    from_all(arguments, &[]).map(|loaded| loaded.config)
}

fn from_all(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    load(&arguments, variables).map_err(|error| error.to_string())
}

fn from_toml(text: &str) -> Result<ServeConfig, String> {
    let settings = file::parse(Path::new("synod.toml"), text).map_err(|error| error.to_string())?;
    ServeConfig::from_settings(&settings).map(|loaded| loaded.config).map_err(|error| error.to_string())
}

/// What a setting does to the configuration.
type Effect = fn(&ServeConfig) -> bool;

/// Every supported setting with a value other than its default, further flags that it needs, and its effect.
fn effects() -> Vec<(&'static str, &'static str, &'static [&'static str], Effect)> {
    vec![
        ("name", "n1", &[], |c| c.name == "n1" && c.data_dir == Path::new("n1.etcd")),
        ("data-dir", "/d", &[], |c| c.data_dir == Path::new("/d")),
        ("listen-client-urls", "http://10.0.0.1:1", &["--advertise-client-urls=http://a:1"], |c| {
            urls::join(&c.listen_client_urls) == "http://10.0.0.1:1"
        }),
        ("advertise-client-urls", "http://h:1", &[], |c| {
            urls::join(&c.advertise_client_urls) == "http://h:1"
        }),
        ("listen-peer-urls", "http://[::]:1", &[], |c| urls::join(&c.listen_peer_urls) == "http://[::]:1"),
        ("listen-metrics-urls", "http://0.0.0.0:9", &[], |c| {
            urls::join(&c.listen_metrics_urls) == "http://0.0.0.0:9"
        }),
        ("initial-advertise-peer-urls", "http://h:1", &[], |c| {
            urls::join(&c.initial_advertise_peer_urls) == "http://h:1"
                && urls::join(&c.initial_cluster[0].peer_urls) == "http://h:1"
        }),
        ("initial-cluster", "default=http://localhost:2380,b=http://b:2380", &[], |c| {
            c.initial_cluster.len() == 2
        }),
        ("initial-cluster-state", "existing", &[], |c| c.initial_cluster_state == ClusterState::Existing),
        ("initial-cluster-token", "t", &[], |c| c.initial_cluster_token == "t"),
        ("heartbeat-interval", "20", &[], |c| c.heartbeat_interval == Duration::from_millis(20)),
        ("election-timeout", "500", &[], |c| c.election_timeout == Duration::from_millis(500)),
        ("snapshot-count", "7", &[], |c| c.snapshot_entries == 7),
        ("quota-backend-bytes", "9", &[], |c| c.quota_bytes == Some(9)),
        ("max-request-bytes", "9", &[], |c| c.request_bytes_max == 9),
        ("max-txn-ops", "9", &[], |c| c.transaction_operations_max == 9),
        ("auto-compaction-mode", "revision", &["--auto-compaction-retention=5"], |c| {
            c.auto_compaction == AutoCompaction::Revisions(5)
        }),
        ("auto-compaction-retention", "2", &[], |c| {
            c.auto_compaction == AutoCompaction::Periodic(Duration::from_secs(7200))
        }),
        ("experimental-watch-progress-notify-interval", "5s", &[], |c| {
            c.watch_progress_notify_interval == Duration::from_secs(5)
        }),
        ("cert-file", "c", &["--key-file=k"], |c| {
            c.client_tls.as_ref().is_some_and(|tls| tls.certificate == Path::new("c"))
        }),
        ("key-file", "k", &["--cert-file=c"], |c| {
            c.client_tls.as_ref().is_some_and(|tls| tls.private_key == Path::new("k"))
        }),
        ("trusted-ca-file", "a", &["--cert-file=c", "--key-file=k"], |c| {
            c.client_tls.as_ref().is_some_and(|tls| tls.require_certificate)
        }),
        ("client-cert-auth", "true", &["--cert-file=c", "--key-file=k", "--trusted-ca-file=a"], |c| {
            c.client_tls.as_ref().is_some_and(|tls| tls.require_certificate)
        }),
        ("peer-cert-file", "c", &["--peer-key-file=k"], |c| {
            c.peer_tls.as_ref().is_some_and(|tls| tls.certificate == Path::new("c"))
        }),
        ("peer-key-file", "k", &["--peer-cert-file=c"], |c| {
            c.peer_tls.as_ref().is_some_and(|tls| tls.private_key == Path::new("k"))
        }),
        ("peer-trusted-ca-file", "a", &["--peer-cert-file=c", "--peer-key-file=k"], |c| {
            c.peer_tls.as_ref().is_some_and(|tls| tls.trusted_authorities.as_deref() == Some(Path::new("a")))
        }),
        (
            "peer-client-cert-auth",
            "true",
            &["--peer-cert-file=c", "--peer-key-file=k", "--peer-trusted-ca-file=a"],
            |c| c.peer_tls.as_ref().is_some_and(|tls| tls.require_certificate),
        ),
        ("log-level", "debug", &[], |c| c.log_level == LogLevel::Debug),
        ("metrics", "extensive", &[], |c| c.metrics == Metrics::Extensive),
    ]
}

#[test]
fn every_setting_works_as_flag_variable_and_line_of_a_file() {
    for (name, value, needed, effect) in effects() {
        for flag in [format!("--{name}={value}"), format!("-{name}={value}")] {
            let config = from_flags(&[&[flag.as_str()], needed].concat())
                .unwrap_or_else(|error| panic!("{flag}: {error}"));
            assert!(effect(&config), "{flag}");
        }
        let variable = environment::variable_name(name);
        let loaded =
            from_all(needed, &[(&variable, value)]).unwrap_or_else(|error| panic!("{variable}: {error}"));
        assert!(effect(&loaded.config), "{variable}");
        let mut text = format!("{name} = {value:?}\n");
        for flag in needed {
            let (key, value) = flag.trim_start_matches('-').split_once('=').expect("written so");
            text.push_str(&format!("{key} = {value:?}\n"));
        }
        let config = from_toml(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(effect(&config), "{text}");
    }
}

#[test]
fn the_table_of_effects_is_complete() {
    let covered: Vec<&str> = effects().iter().map(|(name, ..)| *name).collect();
    for flag in catalogue::groups().flat_map(|(_, flags)| flags) {
        let is_special = matches!(flag.name, "config-file" | "version");
        assert!(is_special || covered.contains(&flag.name), "--{} has no test", flag.name);
    }
}

#[test]
fn defaults_are_those_of_etcd() {
    let config = from_flags(&[]).expect("no flags are needed");
    assert_eq!(config.name, "default");
    assert_eq!(config.data_dir, Path::new("default.etcd"));
    assert_eq!(urls::join(&config.listen_client_urls), "http://localhost:2379");
    assert_eq!(urls::join(&config.listen_peer_urls), "http://localhost:2380");
    assert_eq!(config.initial_cluster.len(), 1);
    assert_eq!(config.initial_cluster[0].id, config.member_id);
    assert_eq!(config.heartbeat_interval, Duration::from_millis(100));
    assert_eq!(config.election_timeout, Duration::from_secs(1));
    assert_eq!(config.snapshot_entries, 100_000);
    assert_eq!(config.quota_bytes, Some(QUOTA_BYTES_DEFAULT));
    assert_eq!(config.request_bytes_max, 1_572_864);
    assert_eq!(config.auto_compaction, AutoCompaction::Off);
    assert_eq!((config.client_tls, config.peer_tls), (None, None));
}

#[test]
fn forms_of_go_flags() {
    let config =
        from_flags(&["-name", "n1", "--data-dir", "d", "--name=n2", "-client-cert-auth=F"]).expect("valid");
    assert_eq!((config.name.as_str(), config.data_dir.as_path()), ("n2", Path::new("d")));
    let table = [
        (vec!["--client-cert-auth", "true"], "'true' is not a valid flag; a switch takes its value after ="),
        (vec!["n1"], "'n1' is not a valid flag"),
        (vec!["--", "x"], "'x' is not a valid flag"),
        (vec!["--name"], "--name: expected a value after it"),
        (vec!["-"], "not a flag"),
        (vec!["---name=x"], "not a flag"),
        (vec!["--client-cert-auth=maybe"], "--client-cert-auth \"maybe\": expected true or false"),
        (vec!["--listen-client-url=x"], "did you mean --listen-client-urls?"),
        (vec!["--frobnicate=x"], "`synod serve --help` lists all flags"),
    ];
    for (arguments, part) in table {
        let error = from_flags(&arguments).expect_err(part);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    assert!(from_flags(&["--name=n1", "--"]).is_ok());
}

#[test]
fn wrong_values_are_named_with_what_was_expected() {
    let table: [(&[&str], &str); 24] = [
        (
            &["--heartbeat-interval=1s"],
            "--heartbeat-interval \"1s\": expected a whole number of milliseconds",
        ),
        (&["--heartbeat-interval=0"], "above 0"),
        (&["--election-timeout=499"], "at least 5 times --heartbeat-interval, which is 100 ms"),
        (&["--election-timeout=50001"], "at most 50000 milliseconds"),
        (&["--snapshot-count=0"], "above 0"),
        (&["--max-request-bytes=-1"], "a number of bytes"),
        (&["--quota-backend-bytes=2GiB"], "a number of bytes"),
        (&["--auto-compaction-mode=never"], "periodic or revision"),
        (&["--auto-compaction-mode=revision", "--auto-compaction-retention=1h"], "a number of revisions"),
        (&["--auto-compaction-retention=soon"], "hours as a number, or a duration"),
        (&["--listen-client-urls=http://n1:2379", "--advertise-client-urls=http://a:1"], "\"n1\" is a name"),
        (&["--listen-client-urls=http://0.0.0.0:2379"], "--advertise-client-urls: required when"),
        (&["--advertise-client-urls=http://:1"], "a host that others can reach"),
        (
            &["--initial-cluster=b=http://b:1"],
            "this member's name \"default\" (--name) among the members; there are b",
        ),
        (&["--name=n1", "--initial-cluster=n1=http://10.0.0.1:2380"], "make them equal"),
        (&["--initial-cluster-state=old"], "new or existing"),
        (&["--name=a,b"], "without commas"),
        (&["--name=../x"], "plain file name"),
        (&["--cert-file=c"], "--cert-file: needs --key-file too"),
        (&["--peer-key-file=k"], "--peer-key-file: needs --peer-cert-file too"),
        (&["--client-cert-auth", "--cert-file=c", "--key-file=k"], "needs --trusted-ca-file"),
        (&["--listen-peer-urls=https://0.0.0.0:1"], "https needs a certificate: give --peer-cert-file"),
        (&["--log-level=loud"], "debug, info, warn, error, panic or fatal"),
        (&["--experimental-watch-progress-notify-interval=0s"], "a duration"),
    ];
    for (arguments, part) in table {
        let error = from_flags(arguments).expect_err(part);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}

#[test]
fn flags_of_etcd_that_are_missing_are_refused_by_name_from_every_source() {
    let error = from_flags(&["--discovery", "http://x"]).expect_err("unsupported");
    assert!(error.starts_with("--discovery: not supported: there is no discovery service yet"), "{error}");
    let error = from_all(&[], &[("ETCD_AUTO_TLS", "true")]).expect_err("unsupported");
    assert!(error.starts_with("ETCD_AUTO_TLS: not supported:"), "{error}");
    let error = from_toml("\nunsafe-no-fsync = true\n").expect_err("unsupported");
    assert!(error.starts_with("synod.toml:2: unsafe-no-fsync: not supported:"), "{error}");
    assert!(from_flags(&["--auto-tls=false", "--pre-vote", "--enable-v2=0", "--proxy", "off"]).is_ok());
    assert!(from_flags(&["--pre-vote=false"]).is_err());
}

#[test]
fn a_flag_wins_over_its_variable_and_strange_variables_are_noted() {
    let variables = [
        ("ETCD_NAME", "v"),
        ("ETCD_DATA_DIR", ""),
        ("ETCD_PORT", "tcp://10.0.0.9"),
        ("PATH", "/bin"),
        ("ETCD_Name", "x"),
    ];
    let loaded = from_all(&["--name=f"], &variables).expect("valid");
    assert_eq!(loaded.config.name, "f");
    assert_eq!(loaded.config.data_dir, Path::new("f.etcd"));
    let notes = loaded.notes.join("\n");
    assert!(notes.contains("ETCD_NAME is ignored: --name is given"), "{notes}");
    assert!(notes.contains("ETCD_PORT names no setting"), "{notes}");
    assert!(!notes.contains("PATH"), "{notes}");
}

#[test]
fn with_a_file_the_file_alone_speaks() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("synod.toml");
    std::fs::write(&path, "name = \"f\"\n").expect("written");
    let path = path.to_str().expect("text");
    let by_flag =
        from_all(&["--config-file", path, "--name=x"], &[("ETCD_METRICS", "extensive")]).expect("valid");
    assert_eq!((by_flag.config.name.as_str(), by_flag.config.metrics), ("f", Metrics::Basic));
    assert!(
        by_flag.notes[0].ends_with("alone is used; ignored: --name, ETCD_METRICS"),
        "{:?}",
        by_flag.notes
    );
    let by_variable = from_all(&[], &[("ETCD_CONFIG_FILE", path)]).expect("valid");
    assert_eq!(by_variable.config.name, "f");
    let error = from_flags(&["--config-file=/nonexistent/synod.toml"]).expect_err("missing");
    assert!(error.starts_with("/nonexistent/synod.toml: "), "{error}");
}

#[test]
fn a_file_takes_numbers_switches_lists_and_tables() {
    let config = from_toml(
        "name = 'n1'\nheartbeat-interval = 1_00\nclient-cert-auth = false\n\
         advertise-client-urls = ['http://b:1', 'http://a:1']\ninitial-advertise-peer-urls = 'http://h:1'\n\
         [initial-cluster]\nn1 = 'http://h:1'\nn2 = ['http://i:1', 'http://j:1']\n",
    )
    .expect("valid");
    assert_eq!(config.heartbeat_interval, Duration::from_millis(100));
    assert_eq!(urls::join(&config.advertise_client_urls), "http://a:1,http://b:1");
    assert_eq!(urls::join(&config.initial_cluster[1].peer_urls), "http://i:1,http://j:1");
}

#[test]
fn errors_of_a_file_name_the_line() {
    let table = [
        (
            "name = 'n1'\nheartbeat-intervall = 1\n",
            "synod.toml:2: heartbeat-intervall is not a setting: did you mean heartbeat-interval?",
        ),
        (
            "\n\nelection-timeout = 'soon'\n",
            "synod.toml:3: election-timeout \"soon\": expected a whole number",
        ),
        ("name = 1.5\n", "synod.toml:1: name: expected a string in quotes"),
        ("listen-peer-urls = [1]\n", "synod.toml:1: listen-peer-urls: expected every item to be a string"),
        ("name: n1\n", "synod.toml:1: "),
        ("name: n1\n", "the file is TOML, not YAML"),
        ("a = 1\na = 2\n", "synod.toml:2: "),
        ("config-file = 'x'\n", "has no meaning in a file"),
        ("[client-transport-security]\ncert-file = 'x'\n", "is of etcd's YAML: write cert-file"),
    ];
    for (text, part) in table {
        let error = from_toml(text).expect_err(part);
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn unwise_settings_are_noted() {
    let loaded = from_all(&["--cert-file=c", "--key-file=k", "--quota-backend-bytes=99999999999"], &[])
        .expect("valid");
    let notes = loaded.notes.join("\n");
    assert!(notes.contains("--cert-file is not used: --listen-client-urls has no https URL"), "{notes}");
    assert!(notes.contains("more than the suggested"), "{notes}");
    assert_eq!(from_flags(&["--quota-backend-bytes=-1"]).expect("valid").quota_bytes, None);
}

/// Any flag of etcd's, supported or refused.
fn any_name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(catalogue::names().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn no_flag_panics(name in any_name(), value in "\\PC{0,24}") {
        if name != "config-file" {
            let _ = from_flags(&[&format!("--{name}={value}")]);
        }
    }

    #[test]
    fn no_file_panics(text in "\\PC{0,64}") {
        let _ = from_toml(&text);
    }

    #[test]
    fn no_value_of_a_file_panics(name in any_name(), value in "[-0-9a-z\"\\[\\]{}=., ]{0,24}") {
        let _ = from_toml(&format!("{name} = {value}"));
    }
}
