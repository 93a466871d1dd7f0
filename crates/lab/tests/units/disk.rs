//! The simulated log in the format of the database's own.

use synod_lab::mechanism::database::WalFormat;
use synod_sim::{LogFormat, SegmentPlace};

const PLACE: SegmentPlace = SegmentPlace { sequence: 3, first: 10, last: true };

/// Two writes: records 10 and 11, then 12 and 13.
fn segment() -> Vec<u8> {
    let mut bytes = Vec::new();
    WalFormat.header(3, 10, &mut bytes);
    for (number, durable, payload) in [(10, 9, "ten"), (11, 9, "eleven"), (12, 11, ""), (13, 11, "thirteen")]
    {
        WalFormat.frame(number, durable, payload.as_bytes(), &mut bytes);
    }
    bytes.resize(bytes.len() + 600, 0);
    bytes
}

#[test]
fn what_was_framed_is_found() {
    let bytes = segment();
    let scan = WalFormat.scan(PLACE, &bytes).expect("undamaged");
    let texts: Vec<&[u8]> = scan.records.iter().map(|(_, range)| &bytes[range.clone()]).collect();
    assert_eq!(texts, [&b"ten"[..], b"eleven", b"", b"thirteen"]);
    assert_eq!(scan.records.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [10, 11, 12, 13]);
}

#[test]
fn a_lost_tail_is_cut_and_damage_before_a_mark_is_refused() {
    let bytes = segment();
    let whole = WalFormat.scan(PLACE, &bytes).expect("undamaged");
    let (second, last) = (whole.records[1].1.clone(), whole.records[3].1.clone());
    let mut torn = bytes.clone();
    torn[last].fill(0);
    assert_eq!(WalFormat.scan(PLACE, &torn).expect("a torn tail is cut").records.len(), 3);
    let mut rotten = bytes.clone();
    rotten[second.start] ^= 1;
    WalFormat.scan(PLACE, &rotten).expect_err("a later mark calls the record durable");
    assert_eq!(WalFormat.scan(PLACE, &[]).expect("nothing was ever written").valid_bytes, 0);
    WalFormat.scan(SegmentPlace { last: false, ..PLACE }, &[]).expect_err("a later segment follows");
}
