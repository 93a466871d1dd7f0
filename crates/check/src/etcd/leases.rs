//! Leases: how long they live, and what goes with them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Property, PropertyViolation, StoreHistory};
use crate::specification::key_value::{Blob, LeaseId, Text};

/// The life of one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRun {
    /// Its id.
    pub lease: LeaseId,
    /// The grant and the renewals that were acknowledged.
    pub renewals: Vec<Renewal>,
    /// How it ended, if it did.
    pub end: Option<LeaseEnd>,
}

/// A grant or a keep-alive that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When the client sent it, since the beginning of the run. The client may count from here, and from no later time:
    /// the server may have handled it at once.
    pub sent: Duration,
    /// The time to live that the answer promised.
    pub time_to_live: Duration,
}

/// The end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseEnd {
    /// When it took effect, since the beginning of the run: the earliest time at which a client could see it.
    pub at: Duration,
    /// The revision in which its keys went; nothing if no key was attached.
    pub revision: Option<u64>,
    /// Whether a client asked for it. Otherwise it expired.
    pub revoked: bool,
}

/// Judges [`Property::LeasesNeverExpireEarly`]. `tolerance` is by how much the servers' clocks may run fast over a time to
/// live.
///
/// # Errors
/// A lease expired within its time to live, or was renewed after its end.
pub fn leases_never_expire_early(leases: &[LeaseRun], tolerance: Duration) -> Result<(), PropertyViolation> {
    let violation =
        |sentence: String| Err(PropertyViolation::new(Property::LeasesNeverExpireEarly, sentence));
    for LeaseRun { lease, renewals, end } in leases {
        let Some(end) = end else { continue };
        for Renewal { sent, time_to_live } in renewals {
            if *sent > end.at {
                return violation(format!(
                    "Lease {lease} was renewed for {time_to_live:?} by a request sent at {sent:?}, after it had ended \
                     at {:?}.",
                    end.at
                ));
            }
            if !end.revoked && end.at + tolerance < *sent + *time_to_live {
                return violation(format!(
                    "Lease {lease} expired at {:?}, although a request sent at {sent:?} had been promised \
                     {time_to_live:?} more, until {:?}.",
                    end.at,
                    *sent + *time_to_live
                ));
            }
        }
    }
    Ok(())
}

/// Judges [`Property::LeasedKeysGoAtOnce`]. The leases are all that had an end.
///
/// # Errors
/// A key outlived its lease, went in another revision than the others, or was attached after the end.
pub fn leased_keys_go_at_once(history: &StoreHistory, leases: &[LeaseRun]) -> Result<(), PropertyViolation> {
    let violation = |sentence: String| Err(PropertyViolation::new(Property::LeasedKeysGoAtOnce, sentence));
    let ends: BTreeMap<LeaseId, &LeaseEnd> =
        leases.iter().filter_map(|run| run.end.as_ref().map(|end| (run.lease, end))).collect();
    let end_revisions: BTreeMap<u64, LeaseId> =
        ends.iter().filter_map(|(lease, end)| end.revision.map(|revision| (revision, *lease))).collect();
    let mut attached: BTreeMap<&Blob, LeaseId> = BTreeMap::new();
    for (index, change) in history.changes.iter().enumerate() {
        let ended_by_now = |lease: LeaseId| {
            ends.get(&lease).and_then(|end| end.revision).filter(|revision| *revision < change.revision)
        };
        match change.value {
            None => attached.remove(&change.key),
            Some(_) if change.lease == 0 => attached.remove(&change.key),
            Some(_) => {
                if let Some(revision) = ended_by_now(change.lease) {
                    return violation(format!(
                        "{change} attached it to lease {}, which had ended at revision {revision}.",
                        change.lease
                    ));
                }
                attached.insert(&change.key, change.lease)
            }
        };
        let is_last_of_revision =
            history.changes.get(index + 1).is_none_or(|next| next.revision != change.revision);
        let Some(lease) = end_revisions.get(&change.revision).filter(|_| is_last_of_revision) else {
            continue;
        };
        if let Some((key, _)) = attached.iter().find(|(_, of)| *of == lease) {
            return violation(format!(
                "Lease {lease} ended at revision {}, but {} was still attached to it afterwards.",
                change.revision,
                Text(key)
            ));
        }
    }
    for (key, lease) in attached {
        if let Some(end) = ends.get(&lease) {
            return violation(format!(
                "Lease {lease} ended at {:?}, but {} is attached to it at the end of the run.",
                end.at,
                Text(key)
            ));
        }
    }
    Ok(())
}
