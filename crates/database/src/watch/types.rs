//! What a stream of watches is asked and told.

use std::sync::Arc;

use synod_storage::mvcc::{Event, KeyRange, Revision};

/// Outputs of a stream that its client has not taken yet, at most; answers to controls come on top, one a control.
pub const STREAM_OUTPUTS_MAX: u32 = 256;

/// A watch's identity within its stream, never negative; the edge picks it.
pub type WatchId = i64;

/// What the edge asks of a stream of watches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchControl {
    /// Begin a watch. Answered by [`WatchOutput::Created`].
    Create(WatchCreate),
    /// End a watch. Answered by [`WatchOutput::Canceled`] without a reason, unless it has ended by itself before.
    Cancel(WatchId),
    /// Tell how far a watch, or with `None` every watch of the stream, has come; answered by [`WatchOutput::Progress`]
    /// as soon as all of them are synced.
    Progress(Option<WatchId>),
}

/// A watch to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WatchCreate {
    /// Not in use in this stream.
    pub id: WatchId,
    /// Never empty.
    pub range: KeyRange,
    /// The first revision to report; 0 for what comes after now. May lie in the future.
    pub start_revision: Revision,
    /// Report no puts.
    pub no_put: bool,
    /// Report no deletions.
    pub no_delete: bool,
    /// Report the version before each change. Where events are shared between watches they may carry it unasked: the
    /// edge leaves it out.
    pub prev_kv: bool,
}

/// What a stream of watches is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchOutput {
    /// The watch has begun; `revision` is the store's at that time.
    Created {
        /// As asked.
        id: WatchId,
        /// The store's newest revision.
        revision: Revision,
    },
    /// Events of one or more whole revisions, by revision.
    Events {
        /// The watch.
        id: WatchId,
        /// The store's revision when the output was made, not below the events'.
        revision: Revision,
        /// Never empty.
        events: Arc<[Event]>,
    },
    /// The watch has ended.
    Canceled {
        /// The watch.
        id: WatchId,
        /// The store's newest revision.
        revision: Revision,
        /// Why.
        reason: WatchEnd,
    },
    /// Every event up to `revision` was put out before this.
    Progress {
        /// The watch, or all of the stream.
        id: Option<WatchId>,
        /// How far.
        revision: Revision,
    },
}

/// Why a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchEnd {
    /// The client wanted it.
    Asked,
    /// History it needs was compacted; the oldest revision it could start from is given.
    Compacted(Revision),
    /// Anything else, in words for the client.
    Refused(String),
}
