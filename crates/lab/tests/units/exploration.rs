//! The report of an exploration.

use synod_lab::catalogue;
use synod_lab::report::{COLUMNS_MAX, exploration};
use synod_sim::explore::Explore;

#[test]
fn a_report_fits_and_counts_in_steps() {
    let entry = catalogue::entry("maekawa").expect("it is in the catalogue");
    let world = entry.about().exploration("no-handling").expect("it has such a world");
    let report = (world.run)(&world.settings(), &Explore::default(), &mut |_| {});
    let text = exploration::text(entry.name(), world, &world.settings(), &report);
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS_MAX, "{line}");
    }
    assert!(text.contains("✗ no deadlock violated after 6 steps"), "{text}");
    assert!(text.contains("\n       step n1 n2 n3"), "{text}");
    assert!(!text.contains(" ms "), "{text}");
}
