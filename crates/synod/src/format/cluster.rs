//! Answers about members and endpoints.

use std::io::{self, Write};
use std::time::Duration;

use synod_server::proto::etcdserverpb::{HashKvResponse, Member, MemberListResponse, StatusResponse};

use super::json::{self, Object};
use super::keys::header_json;
use super::table::Table;
use super::{Answer, Style, fields};
use crate::go_syntax::{duration, quoting::quote};

impl Answer for MemberListResponse {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        member_table(self).write_simple(out)
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        for member in &self.members {
            writeln!(out, "\"ID\" : {}", member.id)?;
            writeln!(out, "\"Name\" : {}", quote(member.name.as_bytes()))?;
            for url in &member.peer_ur_ls {
                writeln!(out, "\"PeerURL\" : {}", quote(url.as_bytes()))?;
            }
            for url in &member.client_ur_ls {
                writeln!(out, "\"ClientURL\" : {}", quote(url.as_bytes()))?;
            }
            writeln!(out, "\"IsLearner\" : {}\n", member.is_learner)?;
        }
        Ok(())
    }

    fn to_json(&self) -> String {
        let strings = |texts: &[String]| texts.iter().map(|text| json::string(text)).collect::<Vec<_>>();
        let member = |member: &Member| {
            Object::new()
                .number("ID", member.id)
                .text("name", &member.name)
                .list("peerURLs", strings(&member.peer_ur_ls))
                .list("clientURLs", strings(&member.client_ur_ls))
                .switch("isLearner", member.is_learner)
                .finish()
        };
        Object::new()
            .object("header", header_json(self.header.as_ref()))
            .list("members", self.members.iter().map(member))
            .finish()
    }

    fn to_table(&self) -> Option<Table> {
        Some(member_table(self))
    }
}

fn member_table(answer: &MemberListResponse) -> Table {
    let mut table = Table::new(&["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"]);
    for member in &answer.members {
        table.push(vec![
            format!("{:x}", member.id),
            if member.name.is_empty() { "unstarted".into() } else { "started".into() },
            member.name.clone(),
            member.peer_ur_ls.join(","),
            member.client_ur_ls.join(","),
            member.is_learner.to_string(),
        ]);
    }
    table
}

/// The status of those endpoints that answered.
#[derive(Debug)]
pub struct EndpointStatuses(pub Vec<(String, StatusResponse)>);

impl Answer for EndpointStatuses {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        status_table(self).write_simple(out)
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        for (endpoint, status) in &self.0 {
            fields::header(out, status.header.as_ref())?;
            writeln!(out, "\"Version\" : {}", quote(status.version.as_bytes()))?;
            writeln!(out, "\"DBSize\" : {}", status.db_size)?;
            writeln!(out, "\"Leader\" : {}", status.leader)?;
            writeln!(out, "\"IsLearner\" : {}", status.is_learner)?;
            writeln!(out, "\"RaftIndex\" : {}", status.raft_index)?;
            writeln!(out, "\"RaftTerm\" : {}", status.raft_term)?;
            writeln!(out, "\"RaftAppliedIndex\" : {}", status.raft_applied_index)?;
            writeln!(out, "\"Errors\" : [{}]", status.errors.join(" "))?;
            writeln!(out, "\"Endpoint\" : {}\n", quote(endpoint.as_bytes()))?;
        }
        Ok(())
    }

    fn to_json(&self) -> String {
        json::list(self.0.iter().map(|(endpoint, status)| {
            let fields = Object::new()
                .object("header", header_json(status.header.as_ref()))
                .text("version", &status.version)
                .number("dbSize", status.db_size)
                .number("leader", status.leader)
                .number("raftIndex", status.raft_index)
                .number("raftTerm", status.raft_term)
                .number("raftAppliedIndex", status.raft_applied_index)
                .list("errors", status.errors.iter().map(|error| json::string(error)))
                .number("dbSizeInUse", status.db_size_in_use)
                .switch("isLearner", status.is_learner);
            Object::new().raw("Endpoint", &json::string(endpoint)).raw("Status", &fields.finish()).finish()
        }))
    }

    fn to_table(&self) -> Option<Table> {
        Some(status_table(self))
    }
}

fn status_table(statuses: &EndpointStatuses) -> Table {
    let mut table = Table::new(&[
        "endpoint",
        "ID",
        "version",
        "db size",
        "is leader",
        "is learner",
        "raft term",
        "raft index",
        "raft applied index",
        "errors",
    ]);
    for (endpoint, status) in &statuses.0 {
        let member = status.header.as_ref().map_or(0, |header| header.member_id);
        table.push(vec![
            endpoint.clone(),
            format!("{member:x}"),
            status.version.clone(),
            size(status.db_size),
            (status.leader == member).to_string(),
            status.is_learner.to_string(),
            status.raft_term.to_string(),
            status.raft_index.to_string(),
            status.raft_applied_index.to_string(),
            status.errors.join(", "),
        ]);
    }
    table
}

/// Whether one endpoint serves.
#[derive(Debug)]
pub struct EndpointHealth {
    /// The endpoint.
    pub endpoint: String,
    /// How long the probe took.
    pub took: Duration,
    /// What is wrong; empty if nothing is.
    pub error: String,
}

/// Whether each of several endpoints serves.
#[derive(Debug)]
pub struct EndpointHealths(pub Vec<EndpointHealth>);

impl Answer for EndpointHealths {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        for EndpointHealth { endpoint, took, error } in &self.0 {
            if error.is_empty() {
                let took = duration::format(*took);
                writeln!(out, "{endpoint} is healthy: successfully committed proposal: took = {took}")?;
            } else {
                writeln!(out, "{endpoint} is unhealthy: failed to commit proposal: {error}")?;
            }
        }
        Ok(())
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        for EndpointHealth { endpoint, took, error } in &self.0 {
            writeln!(out, "\"Endpoint\" : {}", quote(endpoint.as_bytes()))?;
            writeln!(out, "\"Health\" : {}", error.is_empty())?;
            writeln!(out, "\"Took\" : {}", duration::format(*took))?;
            writeln!(out, "\"Error\" : {error}\n")?;
        }
        Ok(())
    }

    fn to_json(&self) -> String {
        json::list(self.0.iter().map(|health| {
            Object::new()
                .raw("endpoint", &json::string(&health.endpoint))
                .raw("health", if health.error.is_empty() { "true" } else { "false" })
                .raw("took", &json::string(&duration::format(health.took)))
                .text("error", &health.error)
                .finish()
        }))
    }

    fn to_table(&self) -> Option<Table> {
        let mut table = Table::new(&["endpoint", "health", "took", "error"]);
        for EndpointHealth { endpoint, took, error } in &self.0 {
            let health = error.is_empty().to_string();
            table.push(vec![endpoint.clone(), health, duration::format(*took), error.clone()]);
        }
        Some(table)
    }
}

/// The hash of the keys at each endpoint that answered.
#[derive(Debug)]
pub struct EndpointHashes(pub Vec<(String, HashKvResponse)>);

impl Answer for EndpointHashes {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        hash_table(self).write_simple(out)
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        for (endpoint, hash) in &self.0 {
            fields::header(out, hash.header.as_ref())?;
            writeln!(out, "\"Endpoint\" : {}", quote(endpoint.as_bytes()))?;
            writeln!(out, "\"Hash\" : {}\n", hash.hash)?;
        }
        Ok(())
    }

    fn to_json(&self) -> String {
        json::list(self.0.iter().map(|(endpoint, hash)| {
            let fields = Object::new()
                .object("header", header_json(hash.header.as_ref()))
                .number("hash", hash.hash)
                .number("compact_revision", hash.compact_revision)
                .number("hash_revision", hash.hash_revision);
            Object::new().raw("Endpoint", &json::string(endpoint)).raw("HashKV", &fields.finish()).finish()
        }))
    }

    fn to_table(&self) -> Option<Table> {
        Some(hash_table(self))
    }
}

fn hash_table(hashes: &EndpointHashes) -> Table {
    let mut table = Table::new(&["endpoint", "hash"]);
    for (endpoint, hash) in &hashes.0 {
        table.push(vec![endpoint.clone(), hash.hash.to_string()]);
    }
    table
}

/// A size in decimal units with two digits, as `20 kB` or `1.5 MB`.
pub fn size(bytes: i64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let bytes = u64::try_from(bytes).unwrap_or(0);
    let exponent = if bytes == 0 { 0 } else { bytes.ilog(1000) };
    let unit = UNITS[exponent as usize];
    if exponent == 0 {
        return format!("{bytes} {unit}");
    }
    // Tenths, rounded half up, in whole numbers, so that no digit depends on a floating point unit.
    let tenths = (u128::from(bytes) * 20 / 1000_u128.pow(exponent)).div_ceil(2);
    if tenths < 100 {
        return format!("{}.{} {unit}", tenths / 10, tenths % 10);
    }
    let whole = tenths / 10;
    let rounded = match tenths % 10 {
        ..5 => whole,
        5 => whole + whole % 2,
        _ => whole + 1,
    };
    format!("{rounded} {unit}")
}
