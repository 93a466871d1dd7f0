//! The table of fields that both sides of a direction keep (RFC 7541, section 2.3).

use std::collections::VecDeque;

use bytes::Bytes;

use super::{FIELD_OVERHEAD_BYTES, TABLE_BYTES};

/// The fields that never change, from index 1 on (RFC 7541, appendix A).
#[rustfmt::skip]
pub const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

/// The fields that the sender added, newest first.
#[derive(Debug)]
pub struct DynamicTable {
    entries: VecDeque<(Bytes, Bytes)>,
    bytes: usize,
    bytes_max: usize,
}

impl Default for DynamicTable {
    fn default() -> Self {
        DynamicTable { entries: VecDeque::new(), bytes: 0, bytes_max: TABLE_BYTES }
    }
}

impl DynamicTable {
    /// The field that was added as the last but `age`.
    pub fn get(&self, age: usize) -> Option<&(Bytes, Bytes)> {
        self.entries.get(age)
    }

    /// All fields, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &(Bytes, Bytes)> {
        self.entries.iter()
    }

    /// Bytes that it may take.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Adds a field, and lets go of the oldest ones that have no room any more. One that is larger than the whole table
    /// empties it and is not kept (section 4.4).
    pub fn insert(&mut self, name: Bytes, value: Bytes) {
        let bytes = name.len() + value.len() + FIELD_OVERHEAD_BYTES;
        self.shrink(self.bytes_max.saturating_sub(bytes));
        if bytes <= self.bytes_max {
            self.bytes += bytes;
            self.entries.push_front((name, value));
        }
    }

    /// Changes the size.
    pub fn resize(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.shrink(bytes_max);
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some((name, value)) = self.entries.pop_back()
        {
            self.bytes -= name.len() + value.len() + FIELD_OVERHEAD_BYTES;
        }
    }
}
