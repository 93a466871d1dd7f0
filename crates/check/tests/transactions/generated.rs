//! Generated histories keep the model they were made for; planted anomalies are found under their names.

use synod_check::model::Model;
use synod_check::transactions::generate::{Plant, Shape, history, history_with};
use synod_check::transactions::{Anomaly, Effort, Kind, Order, check, check_all};

const KINDS: [Kind; 2] = [Kind::ListAppend, Kind::Register];

fn shape(seed: u64, kind: Kind) -> Shape {
    Shape { sessions: 5, keys: 4, ..Shape::new(seed, kind, 150) }
}

#[test]
fn a_history_keeps_the_model_that_it_was_made_for() {
    for kind in KINDS {
        for model in Model::TRANSACTIONS {
            for seed in 0..20 {
                let report = check_all(&history(shape(seed, kind), model), Effort::default());
                assert_eq!(report.summary().contradiction(), None, "{kind:?}, {model}, seed {seed}");
                for judgement in &report.judgements {
                    assert!(
                        judgement.is_kept() || !model.implies(judgement.model),
                        "{kind:?} made for {model}, seed {seed}: {judgement}"
                    );
                }
            }
        }
    }
}

#[test]
fn models_that_do_not_follow_are_broken_in_the_long_run() {
    for (model, broken) in [
        (Model::ReadCommitted, Model::ReadAtomic),
        (Model::ReadAtomic, Model::TransactionalCausal),
        (Model::ReadAtomic, Model::SnapshotIsolation),
        (Model::TransactionalCausal, Model::SnapshotIsolation),
        (Model::SnapshotIsolation, Model::Serializable),
        (Model::SnapshotIsolation, Model::TransactionalCausal),
        (Model::StrongSessionSnapshotIsolation, Model::Serializable),
        (Model::Serializable, Model::StrongSessionSerializable),
        (Model::StrongSessionSerializable, Model::StrictSerializable),
    ] {
        for kind in KINDS {
            let is_broken = |seed| {
                let report = check_all(&history(shape(seed, kind), model), Effort::default());
                report.judgement(broken).is_some_and(|judgement| judgement.is_broken())
            };
            assert!(
                (0..20).any(is_broken),
                "{kind:?}: {broken} ought to break in a history made for {model}"
            );
        }
    }
}

#[test]
fn planted_anomalies_are_found_under_their_names() {
    let mut planted = 0;
    for kind in KINDS {
        for anomaly in Anomaly::ALL {
            for order in [Order::Data, Order::Process, Order::RealTime] {
                let plant = Plant { anomaly, order };
                for seed in 0..3 {
                    let history = history_with(shape(seed, kind), Model::StrictSerializable, plant);
                    let Some(history) = history else { continue };
                    planted += 1;
                    let report = check_all(&history, Effort::default());
                    let names: Vec<String> =
                        report.witnesses.iter().map(|found| found.name().to_string()).collect();
                    let found = report
                        .witnesses
                        .iter()
                        .find(|found| found.anomaly == anomaly && found.order == order);
                    let Some(found) = found else { panic!("{kind:?}: expected {plant:?}, found {names:?}") };
                    for judgement in &report.judgements {
                        let is_weaker =
                            judgement.model != found.breaks && found.breaks.implies(judgement.model);
                        assert!(!is_weaker || judgement.is_kept(), "{kind:?}, {plant:?}: {judgement}");
                        let is_stronger = judgement.model.implies(found.breaks);
                        assert!(!is_stronger || judgement.is_broken(), "{kind:?}, {plant:?}: {judgement}");
                    }
                }
            }
        }
    }
    assert!(planted >= 3 * 35, "expected most anomalies to be planted in both kinds, found {planted}");
}

/// More than the search for an order of versions takes on.
const LONG: usize = 40_000;

#[test]
fn a_lost_update_is_found_however_long_the_history_is() {
    let plant = Plant { anomaly: Anomaly::LostUpdate, order: Order::Data };
    for kind in KINDS {
        let shape = Shape { keys: 20, ..Shape::new(1, kind, LONG) };
        let history = history_with(shape, Model::SnapshotIsolation, plant).expect("both kinds can show it");
        for model in [Model::SnapshotIsolation, Model::Serializable] {
            let judgement = check(&history, model, Effort::default());
            assert!(judgement.is_broken(), "{kind:?}, {model}: {judgement}");
        }
    }
}

#[test]
fn the_same_shape_makes_the_same_history() {
    let twice = [0, 1].map(|_| history(shape(3, Kind::ListAppend), Model::SnapshotIsolation));
    assert_eq!(format!("{:?}", twice[0]), format!("{:?}", twice[1]));
}
