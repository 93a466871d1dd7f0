//! How long the linearizability checker takes on generated histories: `cargo run --release --example measure`.

use std::time::Instant;

use synod_check::generate::{self, Shape};
use synod_check::history::History;
use synod_check::linearizability::check;
use synod_check::specification::{CasRegister, KeyValue, Register, RegisterOutput, Specification};

fn main() {
    println!("{:<44} {:>10} {:>10}", "history", "correct", "one impossible read");
    for (operations, clients) in [
        (1_000, 5),
        (1_000, 10),
        (1_000, 20),
        (10_000, 5),
        (10_000, 10),
        (10_000, 20),
        (10_000, 50),
        (100_000, 5),
        (100_000, 10),
    ] {
        let history = generate::register(shape(operations, clients, 0), 5);
        let read = (operations * 9 / 10..operations)
            .find(|&index| matches!(history.operations()[index].output(), Some(RegisterOutput::Value(_))))
            .expect("there is a read in the last tenth");
        let broken = generate::with_output(&history, read, RegisterOutput::Value(6));
        let name = format!("register, 5 values, {operations} x {clients}");
        report(&name, &Register { initial: 0 }, &history, Some(&broken));
    }
    for (operations, clients) in [(10_000, 10), (10_000, 20)] {
        let history = generate::cas_register(shape(operations, clients, 0), 5);
        report(
            &format!("cas register, {operations} x {clients}"),
            &CasRegister { initial: 0 },
            &history,
            None,
        );
    }
    for (operations, clients, lost) in [(200, 5, 100), (1_000, 10, 20), (10_000, 10, 5), (10_000, 10, 20)] {
        let history = generate::register(shape(operations, clients, lost), 5);
        let name = format!("register, {operations} x {clients}, {lost}/1000 lost");
        report(&name, &Register { initial: 0 }, &history, None);
        let history = generate::cas_register(shape(operations, clients, lost), 5);
        let name = format!("cas register, {operations} x {clients}, {lost}/1000 lost");
        report(&name, &CasRegister { initial: 0 }, &history, None);
    }
    for (operations, clients, lost) in [(10_000, 10, 0), (10_000, 10, 20), (100_000, 10, 0), (10_000, 50, 20)]
    {
        let history = generate::key_value(shape(operations, clients, lost), 50);
        let spec = KeyValue::for_history(&history);
        report(&format!("key-value, {operations} x {clients}, {lost}/1000 lost"), &spec, &history, None);
    }
}

fn shape(operations: usize, clients: u64, lost_per_mille: u64) -> Shape {
    Shape { seed: 1, clients, operations, lost_per_mille }
}

type HistoryOf<S> = History<<S as Specification>::Input, <S as Specification>::Output>;

fn report<S: Specification>(name: &str, spec: &S, correct: &HistoryOf<S>, broken: Option<&HistoryOf<S>>) {
    let time = |history: &HistoryOf<S>, expected: bool| {
        let start = Instant::now();
        let verdict = check(spec, history);
        let took = start.elapsed().as_secs_f64() * 1e3;
        let mark = if verdict.is_linearizable() == expected && verdict.is_violation() != expected {
            String::new()
        } else {
            format!(" {verdict}")
        };
        format!("{took:.2} ms{mark}")
    };
    let broken = broken.map_or_else(String::new, |broken| time(broken, false));
    println!("{name:<44} {:>10} {broken:>10}", time(correct, true));
}
