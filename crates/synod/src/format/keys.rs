//! Answers about keys: range, put, delete, transaction, compaction.

use std::io::{self, Write};

use synod_server::proto::etcdserverpb::response_op::Response;
use synod_server::proto::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader, TxnResponse,
};
use synod_server::proto::mvccpb::KeyValue;

use super::json::Object;
use super::{Answer, Style, fields};

/// The fields of a header, where there is one.
pub fn header_object(header: Option<&ResponseHeader>) -> Object {
    let header = header.copied().unwrap_or_default();
    Object::new()
        .number("cluster_id", header.cluster_id)
        .number("member_id", header.member_id)
        .number("revision", header.revision)
        .number("raft_term", header.raft_term)
}

/// A header in JSON, where there is one.
pub fn header_json(header: Option<&ResponseHeader>) -> Option<String> {
    header.map(|_| header_object(header).finish())
}

/// A key with its value in JSON.
pub fn key_value_json(kv: &KeyValue) -> String {
    Object::new()
        .bytes("key", &kv.key)
        .number("create_revision", kv.create_revision)
        .number("mod_revision", kv.mod_revision)
        .number("version", kv.version)
        .bytes("value", &kv.value)
        .number("lease", kv.lease)
        .finish()
}

/// Writes a key and its value, a line each.
pub fn write_key_value(out: &mut dyn Write, kv: &KeyValue, style: Style) -> io::Result<()> {
    if !style.values_only {
        write_bytes(out, &kv.key, style)?;
    }
    write_bytes(out, &kv.value, style)
}

fn write_bytes(out: &mut dyn Write, bytes: &[u8], style: Style) -> io::Result<()> {
    if style.is_hexadecimal {
        bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))?;
    } else {
        out.write_all(bytes)?;
    }
    out.write_all(b"\n")
}

impl Answer for RangeResponse {
    fn write_simple(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        self.kvs.iter().try_for_each(|kv| write_key_value(out, kv, style))
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        self.kvs.iter().try_for_each(|kv| fields::key_value(out, "", kv))?;
        writeln!(out, "\"More\" : {}", self.more)?;
        writeln!(out, "\"Count\" : {}", self.count)
    }

    fn to_json(&self) -> String {
        Object::new()
            .object("header", header_json(self.header.as_ref()))
            .list("kvs", self.kvs.iter().map(key_value_json))
            .switch("more", self.more)
            .number("count", self.count)
            .finish()
    }
}

impl Answer for PutResponse {
    fn write_simple(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        writeln!(out, "OK")?;
        self.prev_kv.iter().try_for_each(|kv| write_key_value(out, kv, style))
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        self.prev_kv.iter().try_for_each(|kv| fields::key_value(out, "Prev", kv))
    }

    fn to_json(&self) -> String {
        Object::new()
            .object("header", header_json(self.header.as_ref()))
            .object("prev_kv", self.prev_kv.as_ref().map(key_value_json))
            .finish()
    }
}

impl Answer for DeleteRangeResponse {
    fn write_simple(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        writeln!(out, "{}", self.deleted)?;
        self.prev_kvs.iter().try_for_each(|kv| write_key_value(out, kv, style))
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        writeln!(out, "\"Deleted\" : {}", self.deleted)?;
        self.prev_kvs.iter().try_for_each(|kv| fields::key_value(out, "Prev", kv))
    }

    fn to_json(&self) -> String {
        Object::new()
            .object("header", header_json(self.header.as_ref()))
            .number("deleted", self.deleted)
            .list("prev_kvs", self.prev_kvs.iter().map(key_value_json))
            .finish()
    }
}

impl Answer for TxnResponse {
    fn write_simple(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        writeln!(out, "{}", if self.succeeded { "SUCCESS" } else { "FAILURE" })?;
        for answer in &self.responses {
            writeln!(out)?;
            match &answer.response {
                Some(Response::ResponseRange(range)) => range.write_simple(out, style)?,
                Some(Response::ResponsePut(put)) => put.write_simple(out, style)?,
                Some(Response::ResponseDeleteRange(delete)) => delete.write_simple(out, style)?,
                Some(Response::ResponseTxn(nested)) => nested.write_simple(out, style)?,
                None => writeln!(out, "unexpected response")?,
            }
        }
        Ok(())
    }

    fn write_fields(&self, out: &mut dyn Write) -> io::Result<()> {
        fields::header(out, self.header.as_ref())?;
        writeln!(out, "\"Succeeded\" : {}", self.succeeded)?;
        for answer in &self.responses {
            match &answer.response {
                Some(Response::ResponseRange(range)) => range.write_fields(out)?,
                Some(Response::ResponsePut(put)) => put.write_fields(out)?,
                Some(Response::ResponseDeleteRange(delete)) => delete.write_fields(out)?,
                Some(Response::ResponseTxn(nested)) => nested.write_fields(out)?,
                None => writeln!(out, "\"Unknown\" : \"\"")?,
            }
        }
        Ok(())
    }

    fn to_json(&self) -> String {
        let responses = self.responses.iter().map(|answer| {
            let (name, json) = match &answer.response {
                Some(Response::ResponseRange(range)) => ("response_range", range.to_json()),
                Some(Response::ResponsePut(put)) => ("response_put", put.to_json()),
                Some(Response::ResponseDeleteRange(delete)) => ("response_delete_range", delete.to_json()),
                Some(Response::ResponseTxn(nested)) => ("response_txn", nested.to_json()),
                None => return r#"{"Response":null}"#.to_owned(),
            };
            Object::new().raw("Response", &Object::new().raw(name, &json).finish()).finish()
        });
        Object::new()
            .object("header", header_json(self.header.as_ref()))
            .switch("succeeded", self.succeeded)
            .list("responses", responses)
            .finish()
    }
}
