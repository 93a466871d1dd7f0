//! Compaction, logical and physical.

use super::*;
use synod_storage::kv::{Reader, Space, Span};

#[test]
fn only_forward_and_not_into_the_future() {
    let mut fixture = Fixture::with(&["a", "b"]);
    assert_eq!(fixture.compact(4), Err(StoreError::FutureRevision { requested: 4, current: 3 }));
    fixture.compact(3).unwrap();
    assert_eq!(fixture.compact(3), Err(StoreError::Compacted { requested: 3, compacted: 3 }));
    assert_eq!(fixture.store.compacted(), 3);
}

#[test]
fn sweeping_leaves_nothing_behind_and_never_stalls() {
    let mut fixture = Fixture::new();
    for _ in 0..10 {
        fixture.put("a", "1");
        fixture.put("b", "1");
        fixture.delete(KeyRange::key("b"));
    }
    fixture.put("end", "1");
    let revision = fixture.store.revision();
    fixture.compact(revision).unwrap();
    let before = fixture.store.view();
    let mut steps = 1;
    while fixture.store.compact_step(4).unwrap() == Sweep::Unfinished {
        steps += 1;
    }
    assert_eq!(steps, 31_usize.div_ceil(4));
    let entries = |space| fixture.store.engine().count(space, Span::ALL).unwrap();
    assert_eq!((entries(Space::History), entries(Space::Log), entries(Space::Current)), (0, 1, 2));
    assert_eq!(fixture.store.view().hash(), before.hash());
    assert_eq!(fixture.store.compact_step(4), Ok(Sweep::Done));
}
