//! Identifiers and searches as values.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn between_is_what_walking_finds(from in 0..16_u64, middle in 0..16_u64, to in 0..16_u64) {
        let ring = Ring::of_bits(4);
        let (from, middle, to) = (Identifier(from), Identifier(middle), Identifier(to));
        let mut walked = false;
        let mut at = (from.0 + 1) % 16;
        while at != to.0 {
            walked |= at == middle.0;
            at = (at + 1) % 16;
        }
        prop_assert_eq!(ring.between(from, middle, to), walked);
        prop_assert_eq!(ring.up_to(from, middle, to), walked || middle == to);
    }

    #[test]
    fn a_search_finds_the_owner_whoever_is_dead(
        ids in prop::collection::btree_set(0..256_u64, 8..40), dead: u64, from: prop::sample::Index, key in 0..256_u64,
    ) {
        let ring = Ring::of_bits(8);
        let peers: Vec<Peer> = ids.iter().copied().map(peer).collect();
        // At most three neighbours in a row are dead, and four successors are known.
        let mut row = 0;
        let live: Vec<Peer> = peers.iter().copied().filter(|peer| {
            row = if row < 3 && dead >> (peer.id.0 % 64) & 1 == 1 { row + 1 } else { 0 };
            row == 0
        }).collect();
        prop_assume!(live.len() > 1);
        let table = |peer: Peer| {
            let config = Config { founders: peers.clone(), ..config(peer.id.0, 8, 7) };
            Chord::founded(peer.node, config)
        };
        let asking = *from.get(&live);
        let mut search = Search::new(ring, Identifier(key), advise(table(asking).table(), Identifier(key)));
        let found = loop {
            let next = search.step();
            let (Next::Ask(peer) | Next::Found { owner: peer, .. }) = next else { break None };
            match next {
                _ if !live.contains(&peer) => search.failed(peer.node),
                Next::Ask(_) => search.advised(advise(table(peer).table(), Identifier(key))),
                _ => break Some(peer),
            }
        };
        let expected = live.iter().find(|peer| peer.id.0 >= key).or(live.first()).copied();
        prop_assert_eq!(found, expected);
        prop_assert!(search.hops() <= 9, "{} hops among {} nodes", search.hops(), peers.len());
    }
}

#[test]
fn advice_from_nowhere_leads_nowhere() {
    let ring = Ring::of_bits(6);
    let mut search = Search::through(ring, Identifier(50), peer(8), peer(14));
    assert_eq!(search.step(), Next::Ask(peer(14)));
    // Away from the key, and back to the asking node: both are cut.
    search.advised(Advice {
        from: peer(14),
        successors: vec![],
        preceding: vec![peer(8), peer(51), peer(14)],
    });
    assert_eq!(search.step(), Next::Lost);
}
