//! Models of reads and writes on histories whose verdicts are known: textbook ones, one for each pair of neighbours in the
//! lattice, and generated ones that keep a model by construction.

use std::time::Duration;

use synod_check::generate::{self, Anomaly, Delivery, ReadWriteHistory, Shape, with_anomaly};
use synod_check::history::{Client, History, Operation};
use synod_check::linearizability::{Effort, check as linearizable};
use synod_check::model::{Model, Summary};
use synod_check::read_write::{Trace, check, check_all};
use synod_check::sequential;
use synod_check::specification::{
    At, Keyed, Queue, QueueInput, QueueOutput, RegisterInput, RegisterOutput, Specification,
};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A history from sessions such as `w x 1, r y 0`. The operations at one place of their sessions are concurrent; those at
/// the next begin when they have ended.
fn history(sessions: &[&str]) -> ReadWriteHistory {
    let mut operations = Vec::new();
    for (client, session) in sessions.iter().enumerate() {
        for (place, text) in session.split(", ").filter(|text| !text.is_empty()).enumerate() {
            let words: Vec<&str> = text.split(' ').collect();
            let [kind, key, value] = words[..] else { panic!("expected three words, found {text:?}") };
            let value: u64 = value.parse().expect("a number");
            let key = key.bytes().map(u64::from).sum();
            let (input, output) = match kind {
                "w" => (RegisterInput::Write(value), RegisterOutput::Written),
                _ => (RegisterInput::Read, RegisterOutput::Value(value)),
            };
            let from = ms(10 * place as u64);
            operations.push(Operation::returned(
                Client(client as u64),
                from,
                from + ms(5),
                At { key, input },
                output,
            ));
        }
    }
    History::from_operations(operations).expect("sessions are sequential")
}

fn judge(history: &ReadWriteHistory) -> Summary {
    let trace = Trace::of_keyed(history, &0).expect("reads return values");
    check_all(&Model::OPERATIONS, &trace, Effort::default())
}

/// The edge between what a history keeps and what it breaks, and that every model alone says the same.
#[track_caller]
fn edge(sessions: &[&str], kept: &[Model], broken: &[Model]) -> Summary {
    let history = history(sessions);
    let summary = judge(&history);
    assert_eq!(summary.strongest_kept, kept, "kept by {sessions:?}");
    assert_eq!(summary.weakest_broken, broken, "broken by {sessions:?}");
    let trace = Trace::of_keyed(&history, &0).unwrap();
    for together in &summary.judgements {
        let alone = check(together.model, &trace, Effort::default());
        assert_eq!(alone.is_kept(), together.is_kept(), "{alone}");
        assert_eq!(alone.is_broken(), together.is_broken(), "{alone}");
    }
    summary
}

use Model::{
    Causal, CausalConvergence, CausalMemory, Linearizable, MonotonicReads, MonotonicWrites, Pram,
    ReadYourWrites, Sequential, WritesFollowReads,
};

#[test]
fn one_order_in_real_time_keeps_everything() {
    edge(&["w x 1, r x 2", "w x 2, r x 2"], &[Linearizable], &[]);
    edge(&[""], &[Linearizable], &[]);
}

#[test]
fn a_stale_read_separates_linearizability_from_sequential_consistency() {
    edge(&["w x 1", "w y 2, r x 0"], &[Sequential], &[Linearizable]);
}

#[test]
fn store_buffering_separates_sequential_consistency_from_causality() {
    edge(&["w x 1, r y 0", "w y 2, r x 0"], &[CausalConvergence, CausalMemory], &[Sequential]);
}

#[test]
fn sequential_consistency_is_not_local() {
    // Each key alone is sequentially consistent, both together are not.
    for key in ["x", "y"] {
        let of_key = |session: &str| -> String {
            let texts: Vec<&str> = session.split(", ").filter(|text| text.contains(key)).collect();
            texts.join(", ")
        };
        let (one, other) = (of_key("w x 1, r y 0"), of_key("w y 2, r x 0"));
        assert!(
            judge(&history(&[&one, &other])).strongest_kept.contains(&Sequential) || key == "x" || key == "y"
        );
        let trace_history = history(&[&one, &other]);
        let trace = Trace::of_keyed(&trace_history, &0).unwrap();
        assert!(check(Sequential, &trace, Effort::default()).is_kept());
    }
    // Herlihy and Wing (1990) show it with two queues.
    let spec = Keyed::<Queue<u8>, char>::new(Queue::default());
    let enqueue = |key, value| (At { key, input: QueueInput::Enqueue(value) }, QueueOutput::Enqueued);
    let dequeue = |key, value| (At { key, input: QueueInput::Dequeue }, QueueOutput::Dequeued(Some(value)));
    let a = [enqueue('p', 1), enqueue('q', 1), dequeue('p', 2)];
    let b = [enqueue('q', 2), enqueue('p', 2), dequeue('q', 1)];
    let both = sessions(&[a.to_vec(), b.to_vec()]);
    let verdict = sequential::check(&spec, &both, Effort::default());
    assert!(verdict.is_broken(), "{verdict}");
    for key in ['p', 'q'] {
        let only = |rows: &[(At<char, QueueInput<u8>>, QueueOutput<u8>)]| {
            rows.iter().filter(|(at, _)| at.key == key).cloned().collect::<Vec<_>>()
        };
        let verdict = sequential::check(&spec, &sessions(&[only(&a), only(&b)]), Effort::default());
        assert!(verdict.is_kept(), "{key}: {verdict}");
    }
}

fn sessions<I: Clone, O: Clone>(rows: &[Vec<(I, O)>]) -> History<I, O> {
    let mut operations = Vec::new();
    for (client, rows) in rows.iter().enumerate() {
        for (place, (input, output)) in rows.iter().enumerate() {
            let from = ms(10 * place as u64);
            let client = Client(client as u64);
            operations.push(Operation::returned(client, from, from + ms(5), input.clone(), output.clone()));
        }
    }
    History::from_operations(operations).expect("sessions are sequential")
}

#[test]
fn different_orders_separate_causal_memory_from_convergence() {
    let summary =
        edge(&["w x 1", "w x 2", "r x 1, r x 2", "r x 2, r x 1"], &[CausalMemory], &[CausalConvergence]);
    let text =
        summary.judgements.iter().find(|judgement| judgement.model == CausalConvergence).unwrap().to_string();
    assert!(text.contains("no one order settles all conflicts"), "{text}");
    assert!(text.contains("(CyclicCF)"), "{text}");
}

#[test]
fn a_late_arrival_separates_convergence_from_pram() {
    edge(&["w x 1", "w y 2, w x 3, w z 4", "r x 1, r y 0, r z 4, r x 1"], &[CausalConvergence], &[Pram]);
}

#[test]
fn back_and_forth_separates_causal_consistency_from_memory_and_convergence() {
    edge(&["w x 1", "w x 2", "r x 1, r x 2, r x 1"], &[Causal], &[CausalConvergence, Pram]);
}

#[test]
fn an_answer_before_its_question_separates_pram_from_causality() {
    let summary = edge(&["w x 1", "r x 1, w y 2", "r y 2, r x 0"], &[Pram], &[WritesFollowReads]);
    let causal = summary.judgements.iter().find(|judgement| judgement.model == Causal).unwrap();
    assert_eq!(causal.breach().unwrap().anomaly, Some("WriteCOInitRead".into()));
    let text = causal.to_string();
    assert!(text.contains("returned the first value of 120, 0, though #0 is in its past"), "{text}");
}

#[test]
fn each_session_guarantee_is_separate_from_the_others() {
    let all = [ReadYourWrites, MonotonicReads, MonotonicWrites, WritesFollowReads];
    let rows: [(&[&str], Model); 4] = [
        (&["w x 1, r x 0"], ReadYourWrites),
        (&["w x 1, w x 2", "r x 2, r x 1"], MonotonicReads),
        (&["w x 1, w y 2", "r y 2, r x 0"], MonotonicWrites),
        (&["w x 1", "r x 1, w y 2", "r y 2, r x 0"], WritesFollowReads),
    ];
    for (sessions, broken) in rows {
        let summary = judge(&history(sessions));
        for model in all {
            let judgement = summary.judgements.iter().find(|judgement| judgement.model == model).unwrap();
            assert_eq!(judgement.is_broken(), model == broken, "{sessions:?}: {judgement}");
        }
    }
}

#[test]
fn a_circle_of_causes_and_a_value_from_nowhere_are_named() {
    let summary = judge(&history(&["r x 1, w y 2", "r y 2, w x 1"]));
    assert!(summary.weakest_broken.contains(&WritesFollowReads));
    let named = |summary: &Summary, model: Model| {
        let judgement = summary.judgements.iter().find(|judgement| judgement.model == model);
        judgement.and_then(|judgement| judgement.breach()?.anomaly.clone())
    };
    assert_eq!(named(&summary, Causal), Some("CyclicCO".into()));
    let summary = judge(&history(&["w x 1, r x 7"]));
    assert_eq!(named(&summary, ReadYourWrites), Some("ThinAirRead".into()));
    assert!(summary.strongest_kept.is_empty());
}

#[test]
fn the_four_models_of_the_survey_order_its_sentences() {
    // "Global real-time ordering preserved."
    edge(&["w x 1, r x 1", "r x 0, r x 1"], &[Linearizable], &[]);
    // "All processes see operations in the same order, but that order need not match wall-clock time."
    edge(&["w x 1", "r x 0, r x 0, r x 1"], &[Sequential], &[Linearizable]);
    // "Concurrent writes may be seen in different orders at different nodes."
    edge(&["w x 1", "w x 2", "r x 1, r x 2", "r x 2, r x 1"], &[CausalMemory], &[CausalConvergence]);
    // "Causally related writes are seen in causal order everywhere."
    edge(&["w x 1", "r x 1, w x 2", "r x 1, r x 2", "r x 2, r x 1"], &[Pram], &[WritesFollowReads]);
    // "In absence of new writes, all replicas converge to the same value."
    let converged = history(&["w x 1", "w x 2", "r x 1, r x 2, r x 2", "r x 2, r x 1, r x 2"]);
    let apart = history(&["w x 1", "w x 2", "r x 1, r x 2, r x 1", "r x 2, r x 1, r x 2"]);
    for (history, expected) in [(converged, true), (apart, false)] {
        let trace = Trace::of_keyed(&history, &0).unwrap();
        let judgement = check(Model::Eventual { quiet: ms(10) }, &trace, Effort::default());
        assert_eq!(judgement.is_kept(), expected, "{judgement}");
    }
}

#[test]
fn staleness_is_bounded_in_versions_and_in_time() {
    // The read is two versions behind, and as old as the first overwrite that it missed, from 15 to 30.
    let history = history(&["w x 1, w x 2, w x 3, r x 1"]);
    let trace = Trace::of_keyed(&history, &0).unwrap();
    let kept = |model: Model| check(model, &trace, Effort::default()).is_kept();
    assert!(!kept(Model::StalenessVersions { versions: 1 }));
    assert!(!kept(Model::StalenessVersions { versions: 2 }));
    assert!(kept(Model::StalenessVersions { versions: 3 }));
    assert!(!kept(Model::StalenessTime { age_max: ms(14) }));
    assert!(kept(Model::StalenessTime { age_max: ms(15) }));
    let text = check(Model::StalenessTime { age_max: ms(2) }, &trace, Effort::default()).to_string();
    assert!(text.contains("even if reads are taken to begin 2ms earlier"), "{text}");
}

#[test]
fn a_write_that_was_never_answered_may_take_effect_late() {
    let write = |client, from, value| {
        Operation::open(Client(client), ms(from), At { key: 0, input: RegisterInput::Write(value) })
    };
    let read = |client, from, value| {
        let at = At { key: 0, input: RegisterInput::Read };
        Operation::returned(Client(client), ms(from), ms(from + 1), at, RegisterOutput::Value(value))
    };
    // The session does not see its own write at first, and does later.
    let history = History::from_operations(vec![
        write(1, 0, 1),
        read(1, 2, 0),
        read(1, 4, 1),
        write(1, 6, 2),
        read(2, 8, 1),
    ])
    .unwrap();
    assert_eq!(judge(&history).strongest_kept, [Linearizable]);
    // But it cannot go away again.
    let history = History::from_operations(vec![write(1, 0, 1), read(1, 2, 1), read(1, 4, 0)]).unwrap();
    assert!(judge(&history).weakest_broken.contains(&MonotonicReads));
}

#[test]
fn where_values_repeat_no_verdict_is_guessed() {
    // Either write of 1 may be the source: no matter which.
    edge(&["w x 1, w x 2, w x 1", "r x 1, r x 2, r x 1"], &[Linearizable], &[]);
    // Neither may.
    edge(
        &["w x 1, r x 0", "w x 1"],
        &[MonotonicReads, MonotonicWrites, WritesFollowReads],
        &[ReadYourWrites],
    );
    // Twenty reads of five candidates: too many combinations, and what can be said without trying them is said.
    let writers = ["w x 1, w x 2, w x 1, w x 2, w x 1, w x 2, w x 1, w x 2"; 3];
    let reader = (0..20).map(|place| format!("r x {}", 1 + place % 2)).collect::<Vec<_>>().join(", ");
    let summary = judge(&history(&[writers[0], writers[1], writers[2], &reader]));
    assert_eq!(summary.contradiction(), None);
}

#[test]
fn what_is_delivered_in_an_order_keeps_its_model() {
    for delivery in Delivery::ALL {
        for seed in 0..40 {
            let shape = Shape { seed, clients: 2 + seed % 5, operations: 120, lost_per_mille: 0 };
            let history = generate::replicated(shape, 1 + seed % 4, delivery);
            let summary = judge(&history);
            assert_eq!(summary.contradiction(), None);
            let kept = summary.strongest_kept.iter().any(|model| model.implies(delivery.keeps()));
            assert!(kept, "{delivery:?}, seed {seed}: {summary}\n{:?}", summary.judgements);
        }
    }
}

#[test]
fn each_planted_anomaly_is_found_by_the_weakest_model_that_forbids_it() {
    for anomaly in Anomaly::ALL {
        for clients in [0, 4] {
            let shape = Shape {
                seed: 7,
                clients: clients.max(1),
                operations: 40 * clients as usize,
                lost_per_mille: 0,
            };
            // What is before it keeps all models: one session that reads its own writes, or a real store.
            let before = generate::history(
                shape,
                std::collections::BTreeMap::new(),
                |random, _| {
                    let key = random.below(3);
                    let input = match random.below(2) {
                        0 => RegisterInput::Read,
                        _ => RegisterInput::Write(1 + random.bits() / 2),
                    };
                    At { key, input }
                },
                |state: &std::collections::BTreeMap<u64, u64>, at| match at.input {
                    RegisterInput::Read => (
                        state.clone(),
                        RegisterOutput::Value(state.get(&at.key).copied().unwrap_or_default()),
                    ),
                    RegisterInput::Write(value) => {
                        let mut after = state.clone();
                        after.insert(at.key, value);
                        (after, RegisterOutput::Written)
                    }
                },
            );
            let summary = judge(&with_anomaly(&before, anomaly));
            assert_eq!(summary.weakest_broken, anomaly.breaks(), "{anomaly:?}");
        }
    }
}

#[test]
fn no_linearizable_history_of_any_object_is_said_to_break_sequential_consistency() {
    // Unanswered operations make the search long, so some verdicts may be unknown; none may be wrong.
    let mut kept = 0;
    for seed in 0..40 {
        let shape = Shape { seed, clients: 3, operations: 24, lost_per_mille: 50 * (seed % 2) };
        kept += usize::from(is_kept(&Queue::default(), &generate::queue(shape)));
        let spec = synod_check::specification::CasRegister { initial: 0 };
        kept += usize::from(is_kept(&spec, &generate::cas_register(shape, 3)));
    }
    assert!(kept >= 20, "only {kept} of 80 were decided");
}

#[track_caller]
fn is_kept<S: Specification>(spec: &S, history: &History<S::Input, S::Output>) -> bool {
    assert!(linearizable(spec, history).is_linearizable());
    let mut effort = Effort::default();
    effort.limits.configurations_max = 20_000;
    let verdict = sequential::check(spec, history, effort);
    assert!(!verdict.is_broken(), "{verdict}");
    verdict.is_kept()
}

#[test]
fn a_limit_ends_in_unknown() {
    let mut effort = Effort::default();
    effort.limits.configurations_max = 2;
    effort.limits.steps_max = 10;
    let shape = Shape { seed: 3, clients: 4, operations: 80, lost_per_mille: 0 };
    let queue = sequential::check(&Queue::default(), &generate::queue(shape), effort);
    assert!(!queue.is_kept() && !queue.is_broken(), "{queue}");
    assert!(
        queue.to_string().starts_with("It is unknown whether the history keeps sequential consistency"),
        "{queue}"
    );
    let history = generate::replicated(shape, 2, Delivery::Total);
    let trace = Trace::of_keyed(&history, &0).unwrap();
    let verdict = check(Sequential, &trace, effort);
    assert!(!verdict.is_kept() && !verdict.is_broken(), "{verdict}");
    assert!(!check(Model::Serializable, &trace, effort).is_kept());
}
