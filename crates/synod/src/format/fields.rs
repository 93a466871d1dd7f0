//! The pieces of `-w fields` that several answers share: `"Name" : value`, a line each.

use std::io::{self, Write};

use synod_server::proto::etcdserverpb::ResponseHeader;
use synod_server::proto::mvccpb::KeyValue;

use crate::go_syntax::quoting::quote;

/// Writes the four lines of a header; an answer without one shows zeros.
pub fn header(out: &mut dyn Write, header: Option<&ResponseHeader>) -> io::Result<()> {
    let header = header.copied().unwrap_or_default();
    writeln!(out, "\"ClusterID\" : {}", header.cluster_id)?;
    writeln!(out, "\"MemberID\" : {}", header.member_id)?;
    writeln!(out, "\"Revision\" : {}", header.revision)?;
    writeln!(out, "\"RaftTerm\" : {}", header.raft_term)
}

/// Writes the six lines of a key with its value; `prefix` goes before each name.
pub fn key_value(out: &mut dyn Write, prefix: &str, kv: &KeyValue) -> io::Result<()> {
    writeln!(out, "\"{prefix}Key\" : {}", quote(&kv.key))?;
    writeln!(out, "\"{prefix}CreateRevision\" : {}", kv.create_revision)?;
    writeln!(out, "\"{prefix}ModRevision\" : {}", kv.mod_revision)?;
    writeln!(out, "\"{prefix}Version\" : {}", kv.version)?;
    writeln!(out, "\"{prefix}Value\" : {}", quote(&kv.value))?;
    writeln!(out, "\"{prefix}Lease\" : {}", kv.lease)
}
