//! The configuration of a member: a TOML file, or flags a line each. Whatever is written there gives a configuration or a sentence.
//!
//! The program's own modules are compiled into this target, since a program has no library to link.

#![no_main]
#![allow(dead_code)]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/synod/src/config/mod.rs"]
mod config;
#[path = "../../crates/synod/src/go_syntax/mod.rs"]
mod go_syntax;

use config::{ServeConfig, file, flags, settings::Settings};

fuzz_target!(
    init: synod_fuzz::plant(SEEDS),
    |input: &[u8]| exercise(input)
);

fn exercise(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(lines) = text.strip_prefix('-') {
        let arguments: Vec<String> =
            lines.lines().map(|line| format!("-{}", line.trim_start_matches('-'))).collect();
        understand(flags::parse(&arguments));
    } else {
        understand(file::parse(Path::new("member.toml"), text));
    }
    let _ = go_syntax::duration::parse(text);
    let _ = go_syntax::parse_switch(text);
    if let Ok((bytes, _)) = go_syntax::quoting::unquote_prefix(text) {
        let quoted = go_syntax::quoting::quote(&bytes);
        let again = go_syntax::quoting::unquote_prefix(&quoted);
        assert_eq!(again, Ok((bytes, "")), "a quoted text is what it was");
    }
}

/// A complaint is one to be read: not empty, of bounded length.
fn understand(settings: Result<Settings, config::settings::ConfigError>) {
    let complaint = match settings.and_then(|settings| ServeConfig::from_settings(&settings)) {
        Ok(_) => return,
        Err(error) => error.to_string(),
    };
    assert!(!complaint.is_empty(), "a refusal says why");
}

const SEEDS: &[&str] = &[
    "name = \"n1\"\nlisten-client-urls = [\"http://10.0.0.1:2379\", \"https://[::1]:2379\"]\nheartbeat-interval = 100\n",
    "[initial-cluster]\nn1 = \"http://10.0.0.1:2380\"\nn2 = [\"http://10.0.0.2:2380\"]\n",
    "client-cert-auth = true\ncert-file = \"a.pem\"\nkey-file = 'b.pem'\n",
    "-name=n1\n-data-dir=n1.data\n-initial-cluster=n1=http://127.0.0.1:2380\n-auto-compaction-retention=1h30m\n",
    "-quota-backend-bytes=8589934592\n-snapshot-count=1_000\n-log-level=debug\n-metrics=extensive",
    "1h2m3.5s",
    "\"a\\x00\\u00e9\\n\\\"b\"",
    "true",
];
