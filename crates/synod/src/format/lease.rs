//! Answers about leases.

use std::io::{self, Write};

use synod_server::proto::etcdserverpb::{
    LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse, LeaseRevokeResponse,
    LeaseTimeToLiveResponse,
};

use super::json::{self, Object};
use super::keys::{header_json, header_object};
use super::{Answer, Style, fields};
use crate::go_syntax::quoting::quote;

impl Answer for LeaseGrantResponse {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        writeln!(out, "lease {:016x} granted with TTL({}s)", self.id, self.ttl)
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        writeln!(out, "\"ID\" : {}", self.id)?;
        writeln!(out, "\"TTL\" : {}", self.ttl)
    }

    fn to_json(&self) -> String {
        header_object(self.header.as_ref())
            .number_always("ID", self.id)
            .number_always("TTL", self.ttl)
            .raw("Error", &json::string(&self.error))
            .finish()
    }
}

/// A revocation's answer does not name the lease; the request did.
#[derive(Debug)]
pub struct Revoked {
    /// The lease.
    pub id: i64,
    /// The answer.
    pub answer: LeaseRevokeResponse,
}

impl Answer for Revoked {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        writeln!(out, "lease {:016x} revoked", self.id)
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.answer.header.as_ref())
    }

    fn to_json(&self) -> String {
        Object::new().object("header", header_json(self.answer.header.as_ref())).finish()
    }
}

impl Answer for LeaseKeepAliveResponse {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        writeln!(out, "lease {:016x} keepalived with TTL({})", self.id, self.ttl)
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        writeln!(out, "\"ID\" : {}", self.id)?;
        writeln!(out, "\"TTL\" : {}", self.ttl)
    }

    fn to_json(&self) -> String {
        header_object(self.header.as_ref())
            .number_always("ID", self.id)
            .number_always("TTL", self.ttl)
            .finish()
    }
}

/// What remains of a lease, and whether its keys were asked for.
#[derive(Debug)]
pub struct TimeToLive {
    /// The answer.
    pub answer: LeaseTimeToLiveResponse,
    /// Whether the attached keys were asked for; then they are listed even if there are none.
    pub with_keys: bool,
}

impl Answer for TimeToLive {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        let LeaseTimeToLiveResponse { id, ttl, granted_ttl, keys, .. } = &self.answer;
        if *granted_ttl == 0 && *ttl == -1 {
            return writeln!(out, "lease {id:016x} already expired");
        }
        write!(out, "lease {id:016x} granted with TTL({granted_ttl}s), remaining({ttl}s)")?;
        if self.with_keys {
            write!(out, ", attached keys([")?;
            for (i, key) in keys.iter().enumerate() {
                out.write_all(if i == 0 { b"" } else { b" " })?;
                out.write_all(key)?;
            }
            write!(out, "])")?;
        }
        writeln!(out)
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.answer.header.as_ref())?;
        writeln!(out, "\"ID\" : {}", self.answer.id)?;
        writeln!(out, "\"TTL\" : {}", self.answer.ttl)?;
        writeln!(out, "\"GrantedTTL\" : {}", self.answer.granted_ttl)?;
        self.answer.keys.iter().try_for_each(|key| writeln!(out, "\"Key\" : {}", quote(key)))
    }

    fn to_json(&self) -> String {
        let keys = if self.answer.keys.is_empty() {
            "null".to_owned()
        } else {
            json::list(self.answer.keys.iter().map(json::bytes))
        };
        header_object(self.answer.header.as_ref())
            .number_always("id", self.answer.id)
            .number_always("ttl", self.answer.ttl)
            .number_always("granted-ttl", self.answer.granted_ttl)
            .raw("keys", &keys)
            .finish()
    }
}

impl Answer for LeaseLeasesResponse {
    fn write_simple(&self, out: &mut dyn Write, _: Style) -> io::Result<()> {
        writeln!(out, "found {} leases", self.leases.len())?;
        self.leases.iter().try_for_each(|lease| writeln!(out, "{:016x}", lease.id))
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        self.leases.iter().try_for_each(|lease| writeln!(out, "\"ID\" : {}", lease.id))
    }

    fn to_json(&self) -> String {
        let leases = self.leases.iter().map(|lease| Object::new().number_always("id", lease.id).finish());
        header_object(self.header.as_ref()).raw("leases", &json::list(leases)).finish()
    }
}
