//! The answer as one JSON document, schema `synod-check/1`.

use std::time::Duration;

use serde_json::{Value, json};
use synod_check::format::Log;
use synod_check::history::OperationId;
use synod_check::judge::{Anomalous, Answer, Explained, Worst, describe};
use synod_check::model::{Finding, Model, Summary};

/// The document.
pub fn document(file: &str, log: &Log, answer: &Answer, took: Duration) -> Value {
    let judgements = answer.findings.iter().map(|explained| explained.judgement.clone()).collect();
    let summary = Summary::new(judgements);
    let names = |models: &[Model]| models.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "schema": "synod-check/1",
        "file": file,
        "format": log.format.to_string(),
        "spec": answer.object.name(),
        "operations": log.operations.len(),
        "seconds": took.as_secs_f64(),
        "verdict": match answer.worst() {
            Worst::Kept => "kept",
            Worst::Broken => "broken",
            Worst::Unknown => "unknown",
        },
        "models": answer.findings.iter().map(|explained| finding(log, answer, explained)).collect::<Vec<_>>(),
        "anomalies": answer.anomalies.iter().map(anomaly).collect::<Vec<_>>(),
        "assumptions": answer.assumptions,
        "strongest_kept": names(&summary.strongest_kept),
        "weakest_broken": names(&summary.weakest_broken),
    })
}

fn anomaly(anomalous: &Anomalous) -> Value {
    let transactions = anomalous.operations.iter().map(|index| format!("T{index}"));
    json!({
        "name": anomalous.name.class,
        "special_name": anomalous.name.special,
        "meaning": anomalous.meaning,
        "breaks": anomalous.breaks.to_string(),
        "transactions": transactions.collect::<Vec<_>>(),
    })
}

fn finding(log: &Log, answer: &Answer, explained: &Explained) -> Value {
    let model = explained.judgement.model.to_string();
    match &explained.judgement.finding {
        Finding::Kept => json!({ "model": model, "verdict": "kept" }),
        Finding::Unknown { reason } => json!({ "model": model, "verdict": "unknown", "reason": reason }),
        Finding::Broken(breach) => {
            let steps = breach.steps.iter().map(
                |step| json!({ "text": step.text, "lines": lines(log, step.operations.iter().copied()) }),
            );
            let witness = breach.witness.iter().map(|each| operation(log, answer, each.id.0 as usize));
            let core = explained.core.as_ref().map(|core| {
                let operations = core.operations.iter().map(|&index| operation(log, answer, index));
                let alike = core.alike.iter().map(
                    |&(index, count)| json!({ "like": operation(log, answer, index)["id"], "before": count }),
                );
                json!({
                    "operations": operations.collect::<Vec<_>>(),
                    "alike": alike.collect::<Vec<_>>(),
                    "before": core.before,
                    "others": core.others,
                    "others_are_answered": core.others_are_answered,
                    "is_minimal": core.is_minimal,
                })
            });
            json!({
                "model": model,
                "verdict": "broken",
                "anomaly": breach.anomaly.as_ref().map(|name| &name.class),
                "special_name": breach.anomaly.as_ref().and_then(|name| name.special),
                "sentence": breach.sentence,
                "witness": witness.collect::<Vec<_>>(),
                "steps": steps.collect::<Vec<_>>(),
                "core": core,
            })
        }
    }
}

fn lines(log: &Log, operations: impl Iterator<Item = OperationId>) -> Vec<u64> {
    operations
        .filter_map(|id| log.operations.get(id.0 as usize))
        .map(|operation| operation.place.line)
        .collect()
}

fn operation(log: &Log, answer: &Answer, index: usize) -> Value {
    match log.operations.get(index) {
        Some(operation) => json!({
            "id": format!("{}{index}", answer.mark()),
            "line": operation.place.line,
            "process": log.client_name(operation.client),
            "operation": describe(operation, answer.keying),
        }),
        None => Value::Null,
    }
}
