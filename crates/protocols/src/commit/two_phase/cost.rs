//! What one transaction costs where nothing fails: messages, and forced writes, by the presumption. The participants are other nodes than the coordinator.

use super::Presumption;

/// Who takes part beside the coordinator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Participants that change something.
    pub updating: u64,
    /// Participants that only read.
    pub reading: u64,
}

/// A count of messages and of forced writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Messages without acknowledgements: prepare, vote, decision.
    pub messages: u64,
    /// Acknowledgements, for which no client waits.
    pub acknowledgements: u64,
    /// Forced writes of the coordinator.
    pub coordinator_forced: u64,
    /// Forced writes of all participants together.
    pub participants_forced: u64,
}

impl Cost {
    /// All messages. Totals in the literature differ by whether acknowledgements count.
    pub fn all_messages(self) -> u64 {
        self.messages + self.acknowledgements
    }

    /// All forced writes.
    pub fn forced(self) -> u64 {
        self.coordinator_forced + self.participants_forced
    }
}

/// Message delays until the client knows: prepare, vote. Participants know one later.
pub const DELAYS_UNTIL_DECIDED: u64 = 2;

/// All vote Yes, or read-only.
pub fn commit(presumption: Presumption, load: Load) -> Cost {
    let Load { updating, reading } = load;
    let collecting = u64::from(presumption == Presumption::Commit);
    let told = u64::from(updating > 0);
    let per_participant = match presumption {
        Presumption::Nothing | Presumption::Abort => 2,
        Presumption::Commit => 1,
    };
    Cost {
        messages: 2 * (updating + reading) + updating,
        acknowledgements: if presumption == Presumption::Commit { 0 } else { updating },
        coordinator_forced: collecting + told,
        participants_forced: per_participant * updating,
    }
}

/// One participant that would change something votes No, and its vote is the last to arrive: the others have voted Yes, or read-only.
pub fn abort(presumption: Presumption, load: Load) -> Cost {
    let Load { updating, reading } = load;
    let promised = updating.saturating_sub(1);
    let acknowledged = presumption != Presumption::Abort;
    let recorded =
        presumption == Presumption::Commit || (presumption == Presumption::Nothing && promised > 0);
    Cost {
        messages: 2 * (updating + reading) + promised,
        acknowledgements: if acknowledged { promised } else { 0 },
        coordinator_forced: u64::from(recorded),
        // Prepared and abort at those who promised, and the abort of the one that refused.
        participants_forced: if acknowledged { 2 * promised + 1 } else { promised },
    }
}
