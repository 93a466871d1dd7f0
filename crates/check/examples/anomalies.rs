//! What a break of each model looks like: `cargo run --example anomalies`.
//!
//! Each planted anomaly, with the verdict of the weakest model that forbids it, and what is kept all the same.

use synod_check::generate::{Anomaly, with_anomaly};
use synod_check::history::History;
use synod_check::linearizability::Effort;
use synod_check::model::Model;
use synod_check::read_write::{Trace, check_all};

fn main() {
    for anomaly in Anomaly::ALL {
        let history = with_anomaly(&History::default(), anomaly);
        let trace = Trace::of_keyed(&history, &0).expect("reads return values");
        let summary = check_all(&Model::OPERATIONS, &trace, Effort::default());
        println!("## {anomaly:?}\n\n{summary}\n");
        for model in anomaly.breaks() {
            let judgement = summary.judgements.iter().find(|judgement| judgement.model == *model);
            println!("{}\n", judgement.expect("all models were asked"));
        }
    }
}
