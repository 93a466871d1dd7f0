//! Symbolic encryption: a sealed term is opened by who has its key, and by nobody else.
//!
//! In the model of Dolev and Yao ("On the Security of Public Key Protocols", IEEE Transactions on Information Theory 29(2), 1983) cryptography is perfect: without the key a sealed term can
//! be kept, sent on, sent again and damaged, but neither read nor made nor changed to something of use. The compiler enforces it: the body of a
//! [`Sealed`] is reached by [`Sealed::open`] alone.

use core::fmt;

use synod_machine::NodeId;

/// Somebody with a name: a user, a service, the ticket-granting service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(pub u16);

/// The ticket-granting service (`krbtgt`).
pub const TICKET_GRANTING: Principal = Principal(0);

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == TICKET_GRANTING { f.write_str("krbtgt") } else { write!(f, "p{}", self.0) }
    }
}

/// A key, known by whoever holds this value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Shared with the key distribution centre: of a user by the password, of a service by its key table.
    LongTerm {
        /// Whose.
        owner: Principal,
        /// Counts its changes.
        version: u32,
    },
    /// Made by the key distribution centre for two.
    Session(u64),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::LongTerm { owner, version } => write!(f, "K({owner:?} v{version})"),
            Key::Session(number) => write!(f, "S{:04x}", number & 0xffff),
        }
    }
}

/// What a key is used for (RFC 4120, section 7.5.1): a term that is sealed for one use opens for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Usage {
    /// The client's encrypted time before the first ticket.
    PreAuthentication = 1,
    /// A ticket, by the key of its server.
    Ticket = 2,
    /// The AS reply's part for the client.
    AsReply = 3,
    /// The authenticator to the ticket-granting service.
    TgsAuthenticator = 7,
    /// The TGS reply's part for the client.
    TgsReply = 8,
    /// The authenticator to a service.
    ApAuthenticator = 11,
    /// The AP reply.
    ApReply = 12,
}

/// A term under a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sealed<T> {
    key: Key,
    usage: Usage,
    body: T,
    damaged: bool,
}

/// A term does not open: the key is another, the use is another, or it was damaged on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shut;

impl<T> Sealed<T> {
    /// Seals a term.
    pub fn seal(key: Key, usage: Usage, body: T) -> Self {
        Sealed { key, usage, body, damaged: false }
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// The integrity check fails.
    pub fn open(&self, key: Key, usage: Usage) -> Result<&T, Shut> {
        if key == self.key && usage == self.usage && !self.damaged { Ok(&self.body) } else { Err(Shut) }
    }

    /// The version of the long-term key, which stands beside the sealed term for all to read.
    pub fn key_version(&self) -> Option<u32> {
        match self.key {
            Key::LongTerm { version, .. } => Some(version),
            Key::Session(_) => None,
        }
    }
}

impl<T: Clone> Sealed<T> {
    /// What anybody can do to it.
    #[must_use]
    pub fn damaged(&self) -> Self {
        Sealed { damaged: true, ..self.clone() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.damaged { "damaged " } else { "" };
        write!(f, "{mark}{{{:?}}}{:?}", self.body, self.key)
    }
}

/// Where a packet says that it comes from or goes to: an address on the network, and no proof of anything.
pub type Address = NodeId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_for_the_use_opens_what_is_whole() {
        let (key, other) = (Key::Session(1), Key::Session(2));
        let sealed = Sealed::seal(key, Usage::Ticket, 7);
        assert_eq!(sealed.open(key, Usage::Ticket), Ok(&7));
        assert_eq!(sealed.open(other, Usage::Ticket), Err(Shut));
        assert_eq!(sealed.open(key, Usage::ApReply), Err(Shut));
        assert_eq!(sealed.damaged().open(key, Usage::Ticket), Err(Shut));
    }
}
