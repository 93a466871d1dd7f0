//! A client's change on its way through the log: the envelope that lets it through exactly once.

use bytes::{Buf, BufMut, Bytes};
use synod_machine::NodeId;
use synod_storage::mvcc::Operation;

use crate::Attributes;

/// Version of the envelope's encoding.
const ENVELOPE_VERSION: u8 = 1;
/// Version, kind, and four numbers.
const HEADER_BYTES: usize = 2 + 4 * 8;
/// Client URLs that a member may publish.
pub const CLIENT_URLS_MAX: usize = 64;

/// A change with what identifies it.
///
/// `origin`, `boot` and `sequence` name it for ever: a node's boots are numbered on its disk, sequences within a boot grow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// The node where the client waits.
    pub origin: NodeId,
    /// Which of its lives.
    pub boot: u64,
    /// Which of that life's proposals.
    pub sequence: u64,
    /// No proposal of this life below this sequence is still waited for: the session table may forget them.
    pub floor: u64,
    /// What it does.
    pub change: Change,
}

/// What tells a change from every other: its origin, the life of that, and the place in it.
pub type ChangeName = (NodeId, u64, u64);

/// What is to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Keys or leases.
    Store(Operation),
    /// What a member says of itself.
    Publish(Attributes),
}

impl Envelope {
    /// The form in which it stands in the log.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(HEADER_BYTES + 256);
        out.put_u8(ENVELOPE_VERSION);
        out.put_u8(match self.change {
            Change::Store(_) => 0,
            Change::Publish(_) => 1,
        });
        for number in [self.origin.0, self.boot, self.sequence, self.floor] {
            out.put_u64_le(number);
        }
        match &self.change {
            Change::Store(operation) => operation.encode_into(&mut out),
            Change::Publish(attributes) => attributes.encode(&mut out),
        }
        out.into()
    }

    /// What tells this change from every other.
    pub fn name(&self) -> ChangeName {
        (self.origin, self.boot, self.sequence)
    }

    /// The name in an encoded envelope, without a look at what it changes.
    pub fn peek_name(mut bytes: &[u8]) -> Option<ChangeName> {
        if bytes.len() < HEADER_BYTES || bytes.get_u8() != ENVELOPE_VERSION {
            return None;
        }
        bytes.advance(1);
        Some((NodeId(bytes.get_u64_le()), bytes.get_u64_le(), bytes.get_u64_le()))
    }

    /// Reads an envelope; keys and values share `bytes`. `None` for anything that [`Envelope::encode`] did not write.
    pub fn decode(mut bytes: Bytes) -> Option<Envelope> {
        if bytes.len() < HEADER_BYTES || bytes.get_u8() != ENVELOPE_VERSION {
            return None;
        }
        let kind = bytes.get_u8();
        let origin = NodeId(bytes.get_u64_le());
        let [boot, sequence, floor] = [bytes.get_u64_le(), bytes.get_u64_le(), bytes.get_u64_le()];
        let change = match kind {
            0 => Change::Store(Operation::decode(bytes).ok()?),
            1 => {
                let attributes = Attributes::decode(&mut bytes)?;
                bytes.is_empty().then_some(Change::Publish(attributes))?
            }
            _ => return None,
        };
        Some(Envelope { origin, boot, sequence, floor, change })
    }
}

impl Attributes {
    /// Appends the encoding: lengths before texts.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u64_le(self.member.0);
        out.put_u64_le(self.home);
        put_text(out, &self.name);
        out.put_u16_le(self.client_urls.len().min(CLIENT_URLS_MAX) as u16);
        for url in self.client_urls.iter().take(CLIENT_URLS_MAX) {
            put_text(out, url);
        }
    }

    /// Reads one encoding from the front of `bytes`.
    pub fn decode(bytes: &mut Bytes) -> Option<Attributes> {
        let member = NodeId(bytes.try_get_u64_le().ok()?);
        let home = bytes.try_get_u64_le().ok()?;
        let name = get_text(bytes)?;
        let urls = bytes.try_get_u16_le().ok()?;
        if usize::from(urls) > CLIENT_URLS_MAX {
            return None;
        }
        let client_urls = (0..urls).map(|_| get_text(bytes)).collect::<Option<Vec<String>>>()?;
        Some(Attributes { member, home, name, client_urls })
    }
}

fn put_text(out: &mut impl BufMut, text: &str) {
    let mut bytes = text.len().min(usize::from(u16::MAX));
    // Half a character could not be read back, and an entry that cannot be read back stops every replica.
    while !text.is_char_boundary(bytes) {
        bytes -= 1;
    }
    out.put_u16_le(bytes as u16);
    out.put_slice(&text.as_bytes()[..bytes]);
}

fn get_text(bytes: &mut Bytes) -> Option<String> {
    let length = usize::from(bytes.try_get_u16_le().ok()?);
    if bytes.len() < length {
        return None;
    }
    String::from_utf8(bytes.split_to(length).to_vec()).ok()
}
