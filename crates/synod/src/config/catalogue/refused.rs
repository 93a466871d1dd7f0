//! The flags of etcd 3.5 that are refused, with the value that asks for nothing and the reason.
//!
//! "yet" in a reason means that it is wanted; without it, the flag tunes a part that Synod does not have.

use super::{Kind, RefusedFlag};

const fn value(name: &'static str, neutral: &'static str, reason: &'static str) -> RefusedFlag {
    RefusedFlag { name, kind: Kind::Value, neutral: Some(neutral), reason }
}

const fn switch(name: &'static str, neutral: &'static str, reason: &'static str) -> RefusedFlag {
    RefusedFlag { name, kind: Kind::Switch, neutral: Some(neutral), reason }
}

/// For a flag of which no value asks for nothing.
const fn never(name: &'static str, reason: &'static str) -> RefusedFlag {
    RefusedFlag { name, kind: Kind::Value, neutral: None, reason }
}

const DISCOVERY: &str = "there is no discovery service yet; list the members in --initial-cluster";
const V2: &str = "the API of etcd 2 does not exist here; remove the flag";
const PROXY: &str = "the proxy of etcd 2 does not exist here; remove the flag";
const TRACING: &str = "spans are not exported yet; `/metrics` and the log tell how requests fare";
const BBOLT: &str = "it tunes etcd's storage engine, which is not used here; remove the flag";
const AUTO_TLS: &str = "certificates are not generated yet; give your own in --cert-file and --key-file";
const PEER_AUTO_TLS: &str =
    "certificates are not generated yet; give your own in --peer-cert-file and --peer-key-file";
const REVOCATION: &str = "revocation lists are not read yet; revoke by changing the authority";
const NAMES: &str =
    "names in certificates are not compared yet; use an authority that signs the permitted ones alone";
const SEPARATE_CERTIFICATE: &str =
    "the member shows one certificate, as server and as client; remove the flag";
const ROTATION: &str = "the log goes to standard error; let its reader rotate it";
const CORRUPTION: &str =
    "every record is checked when it is read; comparing members on a schedule does not exist yet";
const CHECKPOINT: &str = "a new leader extends every lease in full; lease checkpoints do not exist yet";
const KEEPALIVE: &str = "the server's keep-alive times are fixed; remove the flag";
const COMPACTION: &str = "compaction paces itself; remove the flag";

/// Every refused flag, by topic in the order of etcd's help.
pub const FLAGS: &[RefusedFlag] = &[
    value("wal-dir", "", "the log lives in --data-dir; mount the faster disk there"),
    value("listen-client-http-urls", "", "gRPC and HTTP share --listen-client-urls; remove the flag"),
    value("max-snapshots", "5", "no snapshot files are kept beside the store; remove the flag"),
    value("max-wals", "5", "the log keeps what recovery needs and no more; remove the flag"),
    switch("initial-election-tick-advance", "true", "nothing ticks here; remove the flag"),
    value("backend-bbolt-freelist-type", "map", BBOLT),
    value("backend-batch-interval", "0", BBOLT),
    value("backend-batch-limit", "0", BBOLT),
    value(
        "max-concurrent-streams",
        "4294967295",
        "the number of streams is bounded by the server; remove the flag",
    ),
    value("grpc-keepalive-min-time", "5s", KEEPALIVE),
    value("grpc-keepalive-interval", "2h", KEEPALIVE),
    value("grpc-keepalive-timeout", "20s", KEEPALIVE),
    switch("socket-reuse-port", "false", "two servers on one port would share a cluster's clients by chance"),
    switch("socket-reuse-address", "false", "addresses in TIME_WAIT are always taken; remove the flag"),
    value(
        "raft-read-timeout",
        "5s",
        "links between members time out by the election timeout; remove the flag",
    ),
    value(
        "raft-write-timeout",
        "5s",
        "links between members time out by the election timeout; remove the flag",
    ),
    // Clustering.
    value("discovery", "", DISCOVERY),
    value("discovery-fallback", "exit", DISCOVERY),
    value("discovery-proxy", "", DISCOVERY),
    value("discovery-srv", "", DISCOVERY),
    value("discovery-srv-name", "", DISCOVERY),
    switch("strict-reconfig-check", "true", "changes that would lose the quorum are always refused"),
    switch(
        "pre-vote",
        "true",
        "elections always begin with a pre-vote, so that a returning member disturbs nobody",
    ),
    switch("enable-v2", "false", V2),
    value("experimental-enable-v2v3", "", V2),
    value("v2-deprecation", "not-yet", V2),
    value("proxy", "off", PROXY),
    value("proxy-failure-wait", "5000", PROXY),
    value("proxy-refresh-interval", "30000", PROXY),
    value("proxy-dial-timeout", "1000", PROXY),
    value("proxy-write-timeout", "5000", PROXY),
    value("proxy-read-timeout", "0", PROXY),
    // Security.
    value("client-cert-file", "", SEPARATE_CERTIFICATE),
    value("client-key-file", "", SEPARATE_CERTIFICATE),
    value("client-crl-file", "", REVOCATION),
    value("client-cert-allowed-hostname", "", NAMES),
    switch("auto-tls", "false", AUTO_TLS),
    value("peer-client-cert-file", "", SEPARATE_CERTIFICATE),
    value("peer-client-key-file", "", SEPARATE_CERTIFICATE),
    value("peer-crl-file", "", REVOCATION),
    value("peer-cert-allowed-cn", "", NAMES),
    value("peer-cert-allowed-hostname", "", NAMES),
    switch("peer-auto-tls", "false", PEER_AUTO_TLS),
    value("self-signed-cert-validity", "1", "certificates are not generated yet; remove the flag"),
    value(
        "cipher-suites",
        "",
        "the cipher suites are those of TLS 1.2 and 1.3 that are held to be safe; remove the flag",
    ),
    value("tls-min-version", "TLS1.2", "TLS 1.2 and 1.3 are both offered; no other bound can be set yet"),
    value("tls-max-version", "", "TLS 1.2 and 1.3 are both offered; no other bound can be set yet"),
    switch(
        "experimental-peer-skip-client-san-verification",
        "false",
        "certificates of peers are always verified",
    ),
    value("cors", "*", "origins are not restricted yet; put a proxy before the JSON interface"),
    value(
        "host-whitelist",
        "*",
        "host names are not restricted yet; listen on the addresses that are wanted",
    ),
    value("auth-token", "simple", "users and roles do not exist yet; use client certificates"),
    value("bcrypt-cost", "10", "users and roles do not exist yet; use client certificates"),
    value("auth-token-ttl", "300", "users and roles do not exist yet; use client certificates"),
    // Observation.
    switch("enable-pprof", "false", "profiles of a Go program do not exist here; use perf"),
    value("logger", "zap", "there is one logger; remove the flag"),
    value("log-outputs", "stderr", ROTATION),
    switch("enable-log-rotation", "false", ROTATION),
    never("log-rotation-config-json", ROTATION),
    value("log-package-levels", "", "one level holds for all parts; use --log-level"),
    switch("debug", "false", "use --log-level=debug"),
    switch("experimental-enable-distributed-tracing", "false", TRACING),
    value("experimental-distributed-tracing-address", "localhost:4317", TRACING),
    value("experimental-distributed-tracing-service-name", "etcd", TRACING),
    value("experimental-distributed-tracing-instance-id", "", TRACING),
    value("experimental-distributed-tracing-sampling-rate", "0", TRACING),
    // Features.
    switch("enable-grpc-gateway", "true", "the HTTP interface cannot be switched off; bar /v3/ in a proxy"),
    switch("experimental-initial-corrupt-check", "false", CORRUPTION),
    value("experimental-corrupt-check-time", "0s", CORRUPTION),
    switch("experimental-compact-hash-check-enabled", "false", CORRUPTION),
    value("experimental-compact-hash-check-time", "1m", CORRUPTION),
    switch("experimental-enable-lease-checkpoint", "false", CHECKPOINT),
    switch("experimental-enable-lease-checkpoint-persist", "false", CHECKPOINT),
    value("experimental-compaction-batch-limit", "1000", COMPACTION),
    value("experimental-compaction-sleep-interval", "0s", COMPACTION),
    value(
        "experimental-downgrade-check-time",
        "5s",
        "a cluster is not downgraded by a request; remove the flag",
    ),
    value(
        "experimental-warning-apply-duration",
        "100ms",
        "the threshold of slow applies is fixed; remove the flag",
    ),
    switch("experimental-memory-mlock", "false", "memory is not locked yet; switch swap off for the service"),
    switch("experimental-txn-mode-write-with-shared-buffer", "true", BBOLT),
    switch(
        "experimental-stop-grpc-service-on-defrag",
        "false",
        "the store never stops to defragment; remove the flag",
    ),
    value(
        "experimental-bootstrap-defrag-threshold-megabytes",
        "0",
        "the store never stops to defragment; remove the flag",
    ),
    value(
        "experimental-snapshot-catchup-entries",
        "5000",
        "the log behind a snapshot is kept by size; remove the flag",
    ),
    // Unsafe.
    switch("unsafe-no-fsync", "false", "an acknowledged write is durable, always; use a faster disk"),
    switch("force-new-cluster", "false", "recovery from a lost majority does not exist yet"),
];
