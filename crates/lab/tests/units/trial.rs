//! Runs on any number of threads.

use synod_lab::entry::{Settings, Trial};

#[test]
fn results_are_the_same_with_any_number_of_threads() {
    let settings = Settings::of(&[]);
    let draw = |threads| {
        let trial = Trial { settings: &settings, runs: 1_000, seed: 7, threads, progress: &|_, _| true };
        trial.collect(|run, stream| (run, stream.bits()))
    };
    let one = draw(1);
    assert_eq!(one.len(), 1_000);
    assert!(one.iter().enumerate().all(|(place, (run, _))| place as u64 == *run));
    assert_eq!(one, draw(3));
    assert_ne!(one[0].1, one[1].1);
}

#[test]
fn progress_can_end_it() {
    let settings = Settings::of(&[]);
    let trial =
        Trial { settings: &settings, runs: 10_000, seed: 7, threads: 1, progress: &|done, _| done < 50 };
    let results = trial.collect(|run, _| run);
    assert!((50..1_100).contains(&results.len()), "{}", results.len());
}
