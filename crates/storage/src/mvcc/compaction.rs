//! Removing what compaction forgot, a little at a time.
//!
//! Compacting is logical and immediate: the compacted revision moves, and from then on no answer shows what lies below. What
//! is left is waste, and [`Store::compact_step`] clears it in steps as small as the caller likes, between batches of applies.
//! No answer, event or hash depends on how far it got.
//!
//! # How
//! The log of changes names exactly what changed in the compacted stretch, and which version each change put an end to. Of a change
//! at or below the compacted revision that version goes, without a look at the history. A deletion below the compacted revision goes too, and with
//! it its log entry. So the work is that of the changes made, whatever the number of keys. What happened *at* the compacted
//! revision stays, since it can still be watched, and is looked at again by the next compaction.

use super::{
    StoreError,
    record::{Logged, Position, State, damaged, history_key},
    store::Store,
};
use crate::kv::{Direction, Kv, Reader as _, Space};

/// How far removal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Nothing is left to remove.
    Done,
    /// There is more: call again.
    Unfinished,
}

impl<K: Kv> Store<K> {
    /// Removes what at most `changes_max` compacted changes have left behind, and flushes.
    pub fn compact_step(&mut self, changes_max: usize) -> Result<Sweep, StoreError> {
        let State { compacted, swept, .. } = self.state;
        if swept.main > compacted {
            return Ok(Sweep::Done);
        }
        // One more is read, to learn where the next step begins.
        let changes: Vec<Logged> = self
            .overlay
            .scan(Space::Log, Logged::span(swept, compacted + 1), Direction::Forward)
            .take(changes_max.saturating_add(1))
            .map(|entry| Logged::decode(entry?).map_err(damaged(Space::Log)))
            .collect::<Result<_, StoreError>>()?;
        for change in changes.iter().take(changes_max) {
            self.forget_before(change);
        }
        let next = changes.get(changes_max).map(|change| change.position);
        self.state.swept = next.unwrap_or(Position { main: compacted + 1, sub: 0 });
        self.flush()?;
        Ok(if next.is_some() { Sweep::Unfinished } else { Sweep::Done })
    }

    /// Removes the version that `change` ended, and the change itself if it cannot be watched any more.
    fn forget_before(&mut self, change: &Logged) {
        let Logged { position, deleted, ended, key } = change;
        let watchable = position.main == self.state.compacted;
        // What changed several times within the compacted revision stays watchable, too.
        if let Some(ended) = ended
            && (!watchable || ended.main < position.main)
        {
            self.overlay.remove(Space::History, history_key(key, *ended));
        }
        if !watchable {
            if *deleted {
                self.overlay.remove(Space::History, history_key(key, *position));
            }
            self.overlay.remove(Space::Log, Logged::log_key(*position));
        }
    }
}
