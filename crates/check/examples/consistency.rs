//! How long the models of reads and writes take: `cargo run --release --example consistency`.
//!
//! Histories of replicated stores with 20 sessions and 1,000 keys, each model on the delivery that keeps it, so that
//! nothing ends early; and of one register, which is the worst for what compares writes of one key. The time is that of
//! the verdict from a recorded history, numbering of keys and values included.

use std::time::Instant;

use synod_check::generate::{Delivery, ReadWriteHistory, Shape, replicated};
use synod_check::linearizability::Effort;
use synod_check::model::Model;
use synod_check::read_write::{Trace, check};

const SESSIONS: u64 = 20;

fn main() {
    println!("{:<22} {:>6} {:>12} {:>12} {:>12}", "model", "keys", "25,000", "100,000", "400,000");
    let rows = [
        (Model::Causal, Delivery::CausalLastWriter),
        (Model::CausalConvergence, Delivery::CausalLastWriter),
        (Model::CausalMemory, Delivery::CausalArrival),
        (Model::Pram, Delivery::Fifo),
        (Model::ReadYourWrites, Delivery::CausalLastWriter),
        (Model::MonotonicReads, Delivery::CausalLastWriter),
        (Model::MonotonicWrites, Delivery::CausalLastWriter),
        (Model::WritesFollowReads, Delivery::CausalLastWriter),
        (Model::Sequential, Delivery::Total),
    ];
    let wanted: Option<Model> =
        std::env::args().nth(1).map(|name| name.parse().expect("the name of a model"));
    for (model, delivery) in
        rows.into_iter().filter(|(model, _)| wanted.is_none_or(|wanted| wanted == *model))
    {
        for keys in [1_000, 1] {
            let times = [25_000, 100_000, 400_000].map(|operations| {
                let shape = Shape { seed: 1, clients: SESSIONS, operations, lost_per_mille: 0 };
                time(model, &replicated(shape, keys, delivery))
            });
            println!(
                "{:<22} {keys:>6} {:>12} {:>12} {:>12}",
                model.to_string(),
                times[0],
                times[1],
                times[2]
            );
        }
    }
}

fn time(model: Model, history: &ReadWriteHistory) -> String {
    let start = Instant::now();
    let trace = Trace::of_keyed(history, &0).expect("reads return values");
    let judgement = check(model, &trace, Effort::default());
    let took = start.elapsed().as_secs_f64() * 1e3;
    let mark = if judgement.is_kept() { "" } else { " (!)" };
    format!("{took:.1} ms{mark}")
}
