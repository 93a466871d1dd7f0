//! What is printed at the end.

use std::io::Write as _;

use super::Arguments;
use super::drive::Measured;
use crate::failure::Failure;
use crate::note;

/// One JSON object, or a sentence with notes.
pub fn print(arguments: &Arguments, measured: &Measured) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", json(arguments, measured))?;
        return Ok(());
    }
    let milliseconds = |quantile| measured.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    writeln!(
        out,
        "{:.0}/s   p50 {:.2} ms   p99 {:.2} ms   p99.9 {:.2} ms   max {:.1} ms",
        rate(measured),
        milliseconds(0.5),
        milliseconds(0.99),
        milliseconds(0.999),
        measured.latency.max() as f64 / 1_000.0,
    )?;
    let (answers, errors) = (measured.latency.len(), measured.errors);
    let what = if measured.puts.is_some() { "events" } else { "answers" };
    note(format_args!("{answers} {what} and {errors} errors in {:.1} s", measured.took.as_secs_f64()));
    if let Some(puts) = measured.puts {
        note(format_args!("{puts} puts, each told to {} watchers", arguments.in_flight));
    }
    let micros = measured.cpu.as_secs_f64() * 1e6 / answers.max(1) as f64;
    let seconds = measured.cpu.as_secs_f64();
    note(format_args!("The generator itself took {seconds:.1} s of CPU time, {micros:.0} us each"));
    if let Some(error) = &measured.first_error {
        note(format_args!("The first error: {error}"));
    }
    Ok(())
}

fn json(arguments: &Arguments, measured: &Measured) -> serde_json::Value {
    let micros = |quantile| measured.latency.value_at_quantile(quantile);
    serde_json::json!({
        "schema": "synod-bench/1",
        "workload": arguments.name(),
        "in_flight": arguments.in_flight,
        "value_bytes": arguments.value_bytes,
        "keys": arguments.keys,
        "rate": arguments.rate,
        "seconds": measured.took.as_secs_f64(),
        "answers": measured.latency.len(),
        "errors": measured.errors,
        "first_error": measured.first_error,
        "puts": measured.puts,
        "per_second": rate(measured),
        "p50_us": micros(0.5),
        "p90_us": micros(0.9),
        "p99_us": micros(0.99),
        "p999_us": micros(0.999),
        "max_us": measured.latency.max(),
        "client_cpu_seconds": measured.cpu.as_secs_f64(),
    })
}

fn rate(measured: &Measured) -> f64 {
    measured.latency.len() as f64 / measured.took.as_secs_f64()
}
