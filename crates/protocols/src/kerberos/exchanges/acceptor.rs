//! Whoever is shown a ticket with an authenticator: the checks of RFC 4120, section 3.2.3, in its order.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Authenticator, ErrorCode, Key, Principal, Sealed, Seen, Stamp, Ticket, Usage};

/// How far clocks may be apart: what the standard recommends (RFC 4120, section 8.2).
pub const SKEW: Duration = Duration::from_secs(300);

/// Authenticators that a replay cache remembers; when it is full, more are refused rather than one forgotten.
pub const SEEN_MAX: usize = 65_536;

/// How a server remembers the authenticators that it has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplayCache {
    /// Not at all: each can be used again as long as its time fits.
    None,
    /// In memory. After a crash what may have been seen is refused: all with a time before the start, and as far after it as clocks may differ
    /// (section 3.2.3: a server that lost its memory must not accept before the skew has passed).
    #[default]
    Memory,
    /// In stable storage: accepted only once it is written.
    Durable,
}

/// A server's name, keys and memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acceptor {
    /// Who it is.
    pub me: Principal,
    /// Its present key's version; tickets under older ones are refused.
    pub key_version: u32,
    /// How far clocks may be apart.
    pub skew: Duration,
    /// Its memory.
    pub cache: ReplayCache,
    pub(super) seen: BTreeSet<Seen>,
    /// Authenticators with a time up to here may have been seen in an earlier life.
    pub(super) forgotten: Option<Stamp>,
}

/// What was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// By whom, until when, with which key.
    pub ticket: Ticket,
    /// When.
    pub authenticator: Authenticator,
}

impl Acceptor {
    /// A server with its first key, the recommended skew, and a memory.
    pub fn new(me: Principal) -> Self {
        Acceptor {
            me,
            key_version: 1,
            skew: SKEW,
            cache: ReplayCache::default(),
            seen: BTreeSet::new(),
            forgotten: None,
        }
    }

    /// Its key.
    pub fn key(&self) -> Key {
        Key::LongTerm { owner: self.me, version: self.key_version }
    }

    /// How many authenticators it remembers.
    pub fn remembered(&self) -> usize {
        self.seen.len()
    }

    /// Checks a ticket and its authenticator, and remembers the latter.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn accept(
        &mut self,
        now: Stamp,
        ticket: &Sealed<Ticket>,
        authenticator: &Sealed<Authenticator>,
        usage: Usage,
    ) -> Result<Accepted, ErrorCode> {
        if ticket.key_version().is_some_and(|version| version != self.key_version) {
            return Err(ErrorCode::BadKeyVersion);
        }
        let ticket = ticket.open(self.key(), Usage::Ticket).map_err(|_| ErrorCode::BadIntegrity)?;
        if ticket.server != self.me {
            return Err(ErrorCode::NotUs);
        }
        let authenticator = authenticator.open(ticket.session, usage).map_err(|_| ErrorCode::BadIntegrity)?;
        if authenticator.client != ticket.client {
            return Err(ErrorCode::BadMatch);
        }
        if authenticator.time.apart(now) > self.skew {
            return Err(ErrorCode::Skew);
        }
        self.remember(now, Seen { time: authenticator.time, client: authenticator.client })?;
        if ticket.start > now.plus(self.skew) {
            return Err(ErrorCode::TicketNotYetValid);
        }
        if now > ticket.end.plus(self.skew) {
            return Err(ErrorCode::TicketExpired);
        }
        Ok(Accepted { ticket: ticket.clone(), authenticator: authenticator.clone() })
    }

    fn remember(&mut self, now: Stamp, seen: Seen) -> Result<(), ErrorCode> {
        if self.cache == ReplayCache::None {
            return Ok(());
        }
        // What is older than the skew would be refused for that.
        self.seen.retain(|old| old.time.plus(self.skew) >= now);
        if self.forgotten.is_some_and(|forgotten| seen.time <= forgotten) || self.seen.contains(&seen) {
            return Err(ErrorCode::Repeat);
        }
        if self.seen.len() >= SEEN_MAX {
            return Err(ErrorCode::Generic);
        }
        self.seen.insert(seen);
        Ok(())
    }

    /// A life begins: `saved` has what an earlier one has written, if there was one.
    pub(super) fn restore(&mut self, now: Stamp, saved: Vec<super::Write>) {
        let had_a_life = !saved.is_empty();
        for write in saved {
            match write {
                super::Write::Started => {}
                super::Write::Seen(seen) => {
                    self.seen.insert(seen);
                }
                super::Write::All(all) => self.seen = all.into_iter().collect(),
            }
        }
        if had_a_life && self.cache == ReplayCache::Memory {
            self.forgotten = Some(now.plus(self.skew));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Principal = Principal(7);
    const NOON: Stamp = Stamp(43_200_000_000);

    fn shown(acceptor: &Acceptor, time: Stamp) -> (Sealed<Ticket>, Sealed<Authenticator>) {
        let session = Key::Session(1);
        let end = NOON.plus(Duration::from_secs(36_000));
        let ticket = Ticket { client: ALICE, server: acceptor.me, session, start: NOON, end };
        let authenticator = Authenticator { client: ALICE, time, request: None };
        (
            Sealed::seal(acceptor.key(), Usage::Ticket, ticket),
            Sealed::seal(session, Usage::ApAuthenticator, authenticator),
        )
    }

    fn verdict(acceptor: &mut Acceptor, now: Stamp, time: Stamp) -> Result<(), u8> {
        let (ticket, authenticator) = shown(acceptor, time);
        let accepted = acceptor.accept(now, &ticket, &authenticator, Usage::ApAuthenticator);
        accepted.map(drop).map_err(ErrorCode::number)
    }

    #[test]
    fn a_skew_of_300_s_is_accepted_and_a_microsecond_more_is_error_37() {
        let mut acceptor = Acceptor::new(Principal(1));
        assert_eq!(verdict(&mut acceptor, NOON.plus(SKEW), NOON), Ok(()));
        assert_eq!(verdict(&mut acceptor, NOON, NOON.plus(SKEW)), Ok(()));
        let beyond = SKEW + Duration::from_micros(1);
        assert_eq!(verdict(&mut acceptor, NOON.plus(beyond), NOON), Err(37));
        assert_eq!(verdict(&mut acceptor, NOON, NOON.plus(beyond)), Err(37));
    }

    #[test]
    fn a_repeated_authenticator_is_error_34_and_without_a_cache_is_accepted() {
        let mut acceptor = Acceptor::new(Principal(1));
        assert_eq!(verdict(&mut acceptor, NOON, NOON), Ok(()));
        assert_eq!(verdict(&mut acceptor, NOON, NOON), Err(34));
        acceptor.cache = ReplayCache::None;
        assert_eq!(verdict(&mut acceptor, NOON, NOON), Ok(()));
    }

    #[test]
    fn who_has_lost_its_memory_refuses_what_it_may_have_seen() {
        let mut acceptor = Acceptor::new(Principal(1));
        acceptor.restore(NOON, Vec::from([super::super::Write::Started]));
        assert_eq!(verdict(&mut acceptor, NOON, NOON), Err(34));
        assert_eq!(verdict(&mut acceptor, NOON, NOON.plus(SKEW)), Err(34));
        let later = NOON.plus(SKEW + Duration::from_micros(1));
        assert_eq!(verdict(&mut acceptor, later, later), Ok(()));
    }

    #[test]
    fn nothing_is_remembered_longer_than_it_could_be_repeated() {
        let mut acceptor = Acceptor::new(Principal(1));
        for second in 0..3_000u64 {
            let now = NOON.plus(Duration::from_secs(second));
            assert_eq!(verdict(&mut acceptor, now, now), Ok(()));
        }
        assert_eq!(acceptor.remembered(), 301);
    }
}
