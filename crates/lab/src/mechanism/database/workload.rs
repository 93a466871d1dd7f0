//! What clients ask: operations drawn by the run's mix, over few keys, so that they meet.
//!
//! Every value is written once in a run: what a read returns then says which operation it saw.

use bytes::Bytes;
use synod_database::{Command, Consistency, Query};
use synod_machine::NodeId;
use synod_sim::Stream;
use synod_storage::mvcc::{
    Compare, CompareResult, CompareTarget, DeleteRequest, KeyRange, LeaseId, Operation, PutRequest,
    RangeRequest, RequestOp, Revision, TxnRequest,
};

use super::setting::Load;

/// All commands of a node go over one connection, as all requests to a server pass one edge that numbers them: ids grow in the order of
/// their arrival.
pub const LANE: u64 = 0;

/// The keys of a run.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// How many.
    pub count: u64,
}

impl Keys {
    /// Key number `index`: two groups, so that prefixes cut them.
    pub fn key(index: u64) -> Bytes {
        Bytes::from(format!("{}/{:02}", if index.is_multiple_of(3) { 'a' } else { 'b' }, index))
    }

    /// One of them.
    pub fn draw(self, draw: &mut Stream) -> Bytes {
        Keys::key(draw.below(self.count))
    }

    /// One key, a prefix, all keys, or a stretch.
    pub fn draw_range(self, draw: &mut Stream) -> KeyRange {
        let range = |key: &'static [u8], end: &'static [u8]| KeyRange {
            key: Bytes::from_static(key),
            end: Bytes::from_static(end),
        };
        match draw.below(8) {
            0..=3 => KeyRange { key: self.draw(draw), end: Bytes::new() },
            4 => range(b"a/", b"a0"),
            5 => range(b"b/", b"b0"),
            6 => range(b"\0", b"\0"),
            _ => {
                let (one, other) = (self.draw(draw), self.draw(draw));
                let (key, end) = if one < other { (one, other) } else { (other, one) };
                // The same key twice: from it on.
                let end = if key == end { Bytes::from_static(b"\0") } else { end };
                KeyRange { key, end }
            }
        }
    }
}

/// What clients have learned together, as applications talk to each other.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// The newest revision that anybody was told of.
    pub revision: Revision,
    /// Leases that were granted, the newest last.
    pub leases: Vec<LeaseId>,
    /// The highest compaction that anybody asked for.
    pub compaction: Revision,
    /// Operations asked so far.
    pub operations: u64,
    pub next_lease: LeaseId,
}

/// How many leases are remembered to be used.
const LEASES_KNOWN_MAX: usize = 12;

impl Knowledge {
    /// A lease was granted.
    pub fn granted(&mut self, lease: LeaseId) {
        self.leases.push(lease);
        if self.leases.len() > LEASES_KNOWN_MAX {
            self.leases.remove(0);
        }
    }

    /// A lease has ended.
    pub fn ended(&mut self, lease: LeaseId) {
        self.leases.retain(|known| *known != lease);
    }

    fn fresh_lease(&mut self) -> LeaseId {
        self.next_lease += 1;
        0x1000 + self.next_lease
    }
}

/// Draws the next command of a client.
pub fn draw_command(load: &Load, known: &mut Knowledge, nodes: u64, draw: &mut Stream) -> Command {
    known.operations += 1;
    let shares = load.mix.shares();
    let mut ticket = draw.below(shares.iter().sum());
    let kind = shares.iter().position(|share| match ticket.checked_sub(*share) {
        Some(rest) => {
            ticket = rest;
            false
        }
        None => true,
    });
    let keys = Keys { count: load.keys };
    match kind.unwrap_or_default() {
        0 => Command::Propose(Operation::Put(draw_put(load, known, draw))),
        1 => Command::Propose(Operation::Delete(draw_delete(keys, draw))),
        2 => draw_txn(load, known, draw),
        3 => Command::Read {
            query: Query::Range(draw_range(keys, draw)),
            consistency: Consistency::Linearizable,
        },
        4 => draw_local_read(keys, known, draw),
        5 => draw_lease(known, draw),
        6 => {
            let back = draw.below(60) as Revision;
            let revision = (known.revision - back).max(1);
            known.compaction = known.compaction.max(revision);
            Command::Propose(Operation::Compact { revision })
        }
        _ => draw_upkeep(nodes, draw),
    }
}

fn draw_value(load: &Load, known: &Knowledge, draw: &mut Stream) -> Bytes {
    let mut value = format!("v{}", known.operations).into_bytes();
    // A transaction has several values; the bits keep them apart.
    value.extend(format!(".{:x}", draw.bits() & 0xffff).bytes());
    let length = draw.between(0, load.value_bytes_max) as usize;
    value.resize(length.max(value.len()), b'.');
    value.into()
}

fn draw_put(load: &Load, known: &Knowledge, draw: &mut Stream) -> PutRequest {
    let lease = match known.leases.is_empty() || draw.below(4) > 0 {
        true => 0,
        false => *draw.pick(&known.leases),
    };
    PutRequest {
        key: Keys { count: load.keys }.draw(draw),
        value: draw_value(load, known, draw),
        lease,
        prev_kv: draw.below(3) == 0,
        ..PutRequest::default()
    }
}

fn draw_delete(keys: Keys, draw: &mut Stream) -> DeleteRequest {
    let range = match draw.below(5) {
        0 => keys.draw_range(draw),
        _ => KeyRange { key: keys.draw(draw), end: Bytes::new() },
    };
    DeleteRequest { range, prev_kv: draw.below(3) == 0 }
}

fn draw_range(keys: Keys, draw: &mut Stream) -> RangeRequest {
    RangeRequest {
        range: keys.draw_range(draw),
        limit: if draw.below(4) == 0 { draw.between(1, 5) as i64 } else { 0 },
        count_only: draw.below(10) == 0,
        ..RangeRequest::default()
    }
}

fn draw_compare(keys: Keys, known: &Knowledge, draw: &mut Stream) -> Compare {
    let recent = (known.revision - draw.below(20) as Revision).max(0);
    let target = match draw.below(5) {
        0 => CompareTarget::Version(draw.below(4) as i64),
        1 => CompareTarget::Create(if draw.below(2) == 0 { 0 } else { recent }),
        2 => CompareTarget::Mod(recent),
        3 => CompareTarget::Value(Bytes::from(format!("v{}", known.operations / 2))),
        _ => CompareTarget::Lease(0),
    };
    let result = *draw.pick(&[
        CompareResult::Equal,
        CompareResult::Less,
        CompareResult::Greater,
        CompareResult::NotEqual,
    ]);
    let range = match draw.below(6) {
        0 => keys.draw_range(draw),
        _ => KeyRange { key: keys.draw(draw), end: Bytes::new() },
    };
    Compare { range, result, target }
}

/// A transaction that may write; or one that only reads, as a query.
fn draw_txn(load: &Load, known: &Knowledge, draw: &mut Stream) -> Command {
    let keys = Keys { count: load.keys };
    let compare = (0..draw.below(3)).map(|_| draw_compare(keys, known, draw)).collect();
    if draw.below(5) == 0 {
        let part = |draw: &mut Stream| RequestOp::Range(draw_range(keys, draw));
        let txn = TxnRequest { compare, success: vec![part(draw), part(draw)], failure: vec![part(draw)] };
        return Command::Read { query: Query::Txn(txn), consistency: Consistency::Linearizable };
    }
    let mut success = draw_writes(load, known, draw);
    if draw.below(6) == 0 {
        // Comparisons of nested transactions look at the state before all changes: only in the first place is that the state around them.
        let nested = TxnRequest {
            compare: vec![draw_compare(keys, known, draw)],
            success: vec![RequestOp::Range(draw_range(keys, draw))],
            failure: vec![],
        };
        success.insert(0, RequestOp::Txn(nested));
    }
    let failure = match draw.below(2) {
        0 => vec![RequestOp::Range(draw_range(keys, draw))],
        _ => draw_writes(load, known, draw),
    };
    Command::Propose(Operation::Txn(TxnRequest { compare, success, failure }))
}

/// Changes of different keys, with reads between them.
fn draw_writes(load: &Load, known: &Knowledge, draw: &mut Stream) -> Vec<RequestOp> {
    let mut order: Vec<u64> = (0..load.keys).collect();
    draw.shuffle(&mut order);
    let mut writes = Vec::new();
    for index in order.into_iter().take(draw.between(1, 4) as usize) {
        let key = Keys::key(index);
        match draw.below(5) {
            0 => {
                let range = KeyRange { key, end: Bytes::new() };
                writes.push(RequestOp::Delete(DeleteRequest { range, prev_kv: draw.below(2) == 0 }));
            }
            1 => writes.push(RequestOp::Range(draw_range(Keys { count: load.keys }, draw))),
            _ => writes.push(RequestOp::Put(PutRequest { key, ..draw_put(load, known, draw) })),
        }
    }
    writes
}

fn draw_local_read(keys: Keys, known: &Knowledge, draw: &mut Stream) -> Command {
    let range = keys.draw_range(draw);
    let back = draw.below(40) as Revision;
    let old = (known.revision - back).max(1);
    let consistency = match draw.below(3) {
        0 => Consistency::Linearizable,
        _ => Consistency::Serializable,
    };
    let query = match draw.below(5) {
        0 => Query::HashKv(old),
        1 => Query::Leases,
        2 => Query::Range(RangeRequest { range, revision: old, ..RangeRequest::default() }),
        _ => {
            let query = Query::Range(RangeRequest { range, ..RangeRequest::default() });
            return Command::Read { query, consistency: Consistency::Serializable };
        }
    };
    Command::Read { query, consistency }
}

fn draw_lease(known: &mut Knowledge, draw: &mut Stream) -> Command {
    if known.leases.is_empty() || draw.below(4) == 0 {
        let id = known.fresh_lease();
        return Command::Propose(Operation::LeaseGrant { id, ttl_seconds: draw.between(1, 4) as i64 });
    }
    let lease = *draw.pick(&known.leases);
    match draw.below(12) {
        0 => Command::Propose(Operation::LeaseRevoke { id: lease }),
        1..=3 => Command::LeaseTime(lease),
        _ => Command::LeaseRenew(lease),
    }
}

fn draw_upkeep(nodes: u64, draw: &mut Stream) -> Command {
    let node = NodeId(draw.between(1, nodes));
    match draw.below(4) {
        0 => Command::Persist,
        1 => Command::Publish(synod_database::Attributes {
            member: node,
            home: node.0,
            name: format!("member {}", draw.below(100)),
            client_urls: vec![format!("http://{node}:2379")],
        }),
        _ => Command::Transfer(node),
    }
}
