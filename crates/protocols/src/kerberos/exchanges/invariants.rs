//! The properties, over what was seen from outside (Lowe, "A Hierarchy of Authentication Specifications", 1997, gives them their names).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use super::{Event, Key, Principal, Reply, Stamp};

/// Remembers who made and who accepted which authenticator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    made: BTreeSet<(Principal, Principal, Stamp)>,
    accepted: BTreeMap<(Principal, Principal, Stamp), u64>,
    /// Session keys of those who accepted.
    keys: BTreeSet<Key>,
}

/// A property that does not hold, and why.
pub type Broken = (&'static str, String);

impl Ledger {
    /// What an event adds.
    ///
    /// # Errors
    ///
    /// *Agreement*: a service accepts a client only by an authenticator that this client has made for it. *No replay* (injective agreement): and by each only once. *Secrecy*:
    /// the adversary learns no key.
    pub fn observe(&mut self, event: &Event) -> Result<(), Broken> {
        match *event {
            Event::Made { client, server, time } => {
                self.made.insert((client, server, time));
                Ok(())
            }
            Event::Accepted { server, client, time, session } => {
                self.keys.insert(session);
                if !self.made.contains(&(client, server, time)) {
                    let sentence = format!(
                        "{server:?} believes {client:?} to be there by an authenticator of {time} that {client:?} never made for it"
                    );
                    return Err(("agreement", sentence));
                }
                let count = self.accepted.entry((client, server, time)).or_default();
                *count += 1;
                if *count > 1 {
                    let sentence = format!(
                        "{server:?} has accepted the authenticator of {client:?} of {time} {count} times: expected once"
                    );
                    return Err(("no replay", sentence));
                }
                Ok(())
            }
            Event::Learnt(key) => {
                Err(("secrecy", format!("expected the adversary to learn no key, it has learnt {key:?}")))
            }
            Event::Refused(_) => Ok(()),
        }
    }

    /// *Mutual agreement*: a client believes a service to be there only if the service has accepted this client by that authenticator.
    ///
    /// # Errors
    ///
    /// Names the client and the authenticator.
    pub fn answered(&self, client: Principal, reply: &Reply) -> Result<(), Broken> {
        let Reply::Authenticated { time, mutual: true, .. } = reply else { return Ok(()) };
        if self.accepted.keys().any(|(who, _, when)| (who, when) == (&client, time)) {
            return Ok(());
        }
        let sentence = format!(
            "{client:?} believes a service to be there that never accepted its authenticator of {time}"
        );
        Err(("mutual agreement", sentence))
    }

    /// How many authenticators were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.values().sum()
    }
}
