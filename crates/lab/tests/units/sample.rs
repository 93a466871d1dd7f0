//! Figures of samples: means, quantiles and shares, with how wide they are known.

use synod_lab::entry::{Measured, Sample};

#[test]
fn figures_of_a_known_sample() {
    let mut sample: Sample = (1..=5).map(f64::from).collect();
    assert_eq!((sample.len(), sample.mean(), sample.most()), (5, 3.0, 5.0));
    assert_eq!((sample.quantile(0.5), sample.quantile(0.25), sample.quantile(1.0)), (3.0, 2.0, 5.0));
    assert!((sample.deviation() - 2.5_f64.sqrt()).abs() < 1e-12);
    let mean = sample.mean_as("mean");
    assert!((mean.ci95.expect("sampled") - 1.96 * (2.5_f64 / 5.0).sqrt()).abs() < 1e-4);
    let mut none = Sample::default();
    assert_eq!((none.mean(), none.quantile(0.5), none.is_empty()), (0.0, 0.0, true));
}

#[test]
fn a_share_has_a_width_even_if_nothing_hit() {
    let share = Measured::share("misses", 0, 1_000);
    assert_eq!(share.value, 0.0);
    assert!(share.ci95.is_some_and(|half| half > 0.001 && half < 0.004), "{share:?}");
}
