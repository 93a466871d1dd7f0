//! Measurements in words, as JSON and as Markdown.

use serde_json::{Value, json};

use super::fold;
use crate::measure::{Judged, Measurement};

/// A measurement as a table.
pub fn measurement(measurement: &Measurement) -> String {
    let settings: Vec<String> =
        measurement.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = format!("{}  {}", measurement.experiment, settings.join(" "));
    let mut text = fold(&head, 2);
    text += &format!("  {} runs from seed {}\n", super::number(measurement.runs), measurement.seed);
    let width =
        measurement.figures.iter().map(|figure| figure.measured.name.chars().count()).max().unwrap_or(0);
    let width = width.clamp(6, 30);
    for figure in &measurement.figures {
        text += &row(figure, width);
    }
    text
}

fn row(figure: &Judged, width: usize) -> String {
    let mark = match figure.ok() {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "·",
    };
    let measured = &figure.measured;
    let interval = measured.ci95.map_or(String::new(), |half| format!("±{}", short(half)));
    let expected = figure.expected.map_or(String::new(), |expected| {
        format!("expected {} {} [{}]", short(expected.value), expected.tolerance, expected.source)
    });
    let line = format!("  {mark} {:<width$} {:>10} {interval:<10} ", measured.name, short(measured.value));
    let column = line.chars().count();
    match figure.expected {
        // What does not fit beside stands beneath.
        Some(_) if column + expected.chars().count() > super::COLUMNS_MAX => {
            format!("{}\n{}", line.trim_end(), fold(&format!("        {expected}"), 8))
        }
        _ => format!("{line}{expected}").trim_end().to_owned() + "\n",
    }
}

/// A number with the digits that mean something.
pub fn short(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        _ if size == 0.0 || (value.fract() == 0.0 && size < 1e12) => 0,
        _ if size >= 1_000.0 => 1,
        _ if size >= 10.0 => 2,
        _ if size >= 0.1 => 4,
        _ => 6,
    };
    format!("{value:.digits$}")
}

/// A measurement as one JSON object.
pub fn json(measurement: &Measurement) -> Value {
    let figures: Vec<Value> = measurement
        .figures
        .iter()
        .map(|figure| {
            json!({
                "name": figure.measured.name,
                "measured": figure.measured.value,
                "ci95": figure.measured.ci95,
                "expected": figure.expected.map(|expected| expected.value),
                "tolerance": figure.expected.map(|expected| expected.tolerance.to_string()),
                "source": figure.expected.map(|expected| expected.source),
                "ok": figure.ok(),
            })
        })
        .collect();
    let params: serde_json::Map<String, Value> =
        measurement.settings.iter().map(|(name, value)| ((*name).to_owned(), parameter(value))).collect();
    json!({
        "experiment": measurement.experiment,
        "params": params,
        "runs": measurement.runs,
        "seed": measurement.seed,
        "figures": figures,
    })
}

/// Numbers and switches as what they are, the rest as text.
fn parameter(text: &str) -> Value {
    if let Ok(whole) = text.parse::<u64>() {
        return json!(whole);
    }
    match (text.parse::<f64>(), text.parse::<bool>()) {
        (Ok(number), _) => json!(number),
        (_, Ok(switch)) => json!(switch),
        _ => json!(text),
    }
}

/// All measurements as a page: a table of every figure of which something is expected.
pub fn markdown(measurements: &[Measurement]) -> String {
    let mut text = String::from(
        "# Numbers\n\nEvery figure of the literature that the laboratory measures, from one run of `synod lab measure --all --markdown`. This page is \
         generated; the runs, seeds and\nparameters stand with each row, so that any of them can be made again. A row that does not hold is marked ✗.\n\n\
         | experiment | parameters | figure | measured | ± 95 % | expected | tolerance | source | |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for measurement in measurements {
        let settings: Vec<String> =
            measurement.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for figure in measurement.figures.iter().filter(|figure| figure.expected.is_some()) {
            let Some(expected) = figure.expected else { continue };
            text += &format!(
                "| {} | {}, {} runs, seed {} | {} | {} | {} | {} | {} | {} | {} |\n",
                measurement.experiment,
                cell(&settings.join(" ")),
                measurement.runs,
                measurement.seed,
                cell(&figure.measured.name),
                short(figure.measured.value),
                figure.measured.ci95.map_or(String::new(), short),
                short(expected.value),
                expected.tolerance,
                cell(expected.source),
                if figure.ok() == Some(true) { "✓" } else { "✗" },
            );
        }
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Measured, Tolerance};
    use crate::measure::Expectation;

    #[test]
    fn a_figure_says_what_was_expected_or_nothing() {
        let expected =
            Expectation { value: 12.0, tolerance: Tolerance::Relative(0.01), source: "Lamport 1978" };
        let measurement = Measurement {
            experiment: "lamport-mutex-cost",
            settings: vec![("nodes", "5".to_owned()), ("delay", "0.001s".to_owned())],
            runs: 5,
            seed: 7,
            figures: vec![
                Judged {
                    measured: Measured::sampled("messages an entry", 12.04, 0.01),
                    expected: Some(expected),
                },
                Judged { measured: Measured::exact("rate", 0.25), expected: None },
            ],
        };
        let text = super::measurement(&measurement);
        assert!(text.contains("✓ messages an entry"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let json = json(&measurement);
        assert_eq!(json["params"]["nodes"], 5);
        assert_eq!(
            (&json["figures"][0]["ok"], &json["figures"][1]["expected"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(
            markdown(&[measurement]).lines().filter(|line| line.contains("lamport-mutex-cost")).count(),
            1
        );
    }
}
