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
//!
//! Deletions that are marked and not carried out (`marks.rs`) come first, in the same steps.

use bytes::Bytes;

use super::{
    Revision, StoreError,
    marks::Mark,
    overlay::Overlay,
    record::{DELETED, Logged, Position, State, Version, attachment_key, damaged, history_key},
    store::Store,
};
use crate::kv::{Direction, Kv, Reader as _, Space, Span};

/// Keys and values that a step carries out, about: they wait in memory until the engine has written them.
const CARRIED_BYTES_MAX: usize = 1 << 20;

/// How far removal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Nothing is left to remove.
    Done,
    /// There is more: call again.
    Unfinished,
}

impl<K: Kv> Store<K> {
    /// Carries out marks, or removes what compacted changes have left behind: at most about `changes_max` of them. Then it flushes.
    pub fn compact_step(&mut self, changes_max: usize) -> Result<Sweep, StoreError> {
        let State { compacted, swept, .. } = self.state;
        if !self.overlay.marks.is_empty() {
            self.carry_out_some(changes_max, CARRIED_BYTES_MAX)?;
            self.flush()?;
            return Ok(Sweep::Unfinished);
        }
        if swept.main > compacted {
            return Ok(Sweep::Done);
        }
        let mut span = Logged::span(swept, compacted + 1);
        // Many changes may have the same position, those of a mark.
        if let Some(next) = self.sweep_from.take() {
            span.start = next;
        }
        // One more is read, to learn where the next step begins.
        let changes: Vec<Logged> = self
            .overlay
            .scan(Space::Log, span, Direction::Forward)
            .take(changes_max.saturating_add(1))
            .map(|entry| Logged::decode(entry?).map_err(damaged(Space::Log)))
            .collect::<Result<_, StoreError>>()?;
        for change in changes.iter().take(changes_max) {
            self.forget_before(change);
        }
        let next = changes.get(changes_max);
        self.sweep_from = next.map(|change| change.log_key.clone());
        self.state.swept = next.map_or(Position { main: compacted + 1, sub: 0 }, |change| change.position);
        self.flush()?;
        Ok(if self.sweep_from.is_some() { Sweep::Unfinished } else { Sweep::Done })
    }

    /// Whether there are deletions whose events cannot be told yet.
    pub fn is_marked(&self) -> bool {
        !self.overlay.marks.is_empty()
    }

    /// Carries out the oldest mark, as far as so many keys and about so many bytes go.
    pub(super) fn carry_out_some(&mut self, keys_max: usize, bytes_max: usize) -> Result<(), StoreError> {
        let Some(Mark { span, position }) = self.overlay.marks.oldest().cloned() else { return Ok(()) };
        let (mut taken, mut bytes, mut next) = (Vec::new(), 0, None);
        for (seen, entry) in self.overlay.scan(Space::Current, span.clone(), Direction::Forward).enumerate() {
            let (key, value) = entry?;
            if seen > 0 && (seen >= keys_max || bytes >= bytes_max) {
                next = Some(key);
                break;
            }
            if Version::decode_position(value.clone()).map_err(damaged(Space::Current))? < position {
                bytes += key.len() + value.len();
                taken.push((key, value));
            }
        }
        for (key, value) in taken {
            carry_out(&mut self.overlay, self.state.compacted, &key, value, position)?;
        }
        let done = Span { start: span.start, end: next.clone().or(span.end) };
        self.overlay.marks.shrink(next);
        self.counts.tidy(&mut self.overlay, &done);
        Ok(())
    }

    /// Removes the version that `change` ended, and the change itself if it cannot be watched any more.
    fn forget_before(&mut self, change: &Logged) {
        let Logged { position, deleted, ended, key, log_key } = change;
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
            self.overlay.remove(Space::Log, log_key.clone());
        }
    }
}

/// Does what a mark decided about the version of `key` that stands as `value` in `Current`.
pub(super) fn carry_out<K>(
    overlay: &mut Overlay<K>,
    compacted: Revision,
    key: &Bytes,
    value: Bytes,
    deletion: Position,
) -> Result<(), StoreError> {
    let version = Version::decode_current(value.clone()).map_err(damaged(Space::Current))?;
    overlay.remove(Space::Current, key.clone());
    if version.lease != 0 {
        overlay.remove(Space::LeaseKey, attachment_key(version.lease, key));
    }
    // A version that is compacted already need not become history. Its deletion must: older ones are still there.
    if deletion.main >= compacted {
        overlay.put(Space::History, history_key(key, version.position), value);
    }
    overlay.put(Space::History, history_key(key, deletion), DELETED);
    let logged = Logged::encode_delete(version.position, &[]);
    overlay.put(Space::Log, Logged::marked_log_key(deletion, key), logged);
    Ok(())
}
