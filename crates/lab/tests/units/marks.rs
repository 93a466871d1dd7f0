//! Marks of a run: where another parts from it.

use synod_lab::scenario::{Comparison, MARKS_MAX, Marks, Parting};

fn marks(changed_from: u64, records: u64) -> Marks {
    let mut marks = Marks::default();
    for record in 0..records {
        marks.note(record, (record + u64::from(record >= changed_from)) << 40);
    }
    marks
}

fn compare(marks: &Marks, changed_from: u64, records: u64) -> Option<Parting> {
    let mut comparison = Comparison::with(marks);
    for record in 0..records {
        comparison.note(record, (record + u64::from(record >= changed_from)) << 40);
    }
    comparison.end()
}

#[test]
fn a_short_run_parts_at_the_very_record() {
    let saved = marks(u64::MAX, 100);
    let read = Marks::read(&saved.lines().join("\n")).expect("printed");
    assert_eq!(compare(&read, u64::MAX, 100), None);
    assert_eq!(compare(&read, 40, 100), Some(Parting { same_to: 39, differs_by: 40 }));
    assert_eq!(compare(&read, u64::MAX, 50), Some(Parting { same_to: 49, differs_by: 50 }));
}

#[test]
fn a_long_run_keeps_few_marks_and_parts_near_the_record() {
    let saved = marks(u64::MAX, 100_000);
    let kept = saved.lines().join(" ").split(' ').count();
    assert!(kept <= MARKS_MAX, "{kept} marks");
    let parting = compare(&saved, 50_000, 100_000).expect("they part");
    assert!(parting.same_to < 50_000 && parting.differs_by >= 50_000, "{parting:?}");
    assert!(parting.differs_by - parting.same_to <= 1_000, "{parting:?}");
}
