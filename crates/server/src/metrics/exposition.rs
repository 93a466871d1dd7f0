//! The registry as Prometheus' text format 0.0.4.
//!
//! The library writes OpenMetrics, where a counter's family lacks the `_total` of its samples. The older format, which every
//! scraper and every shell script reads, has one name for both; so the lines that introduce a counter are rewritten, and what
//! that format does not know is left out.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// The media type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn encode(registry: &Registry) -> String {
    let mut open_metrics = String::new();
    text::encode(&mut open_metrics, registry).expect("writing to a string does not fail");
    let mut out = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, text)) = help.take() {
                out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
            }
            out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    #[test]
    fn a_counter_has_one_name_for_its_family_and_its_sample() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        let gauge: Gauge = Gauge::default();
        registry.register("things_seen", "Things seen", counter.clone());
        registry.register("things", "Things", gauge.clone());
        counter.inc();
        gauge.set(7);
        let expected = "# HELP things_seen_total Things seen.\n# TYPE things_seen_total counter\nthings_seen_total 1\n\
                        # HELP things Things.\n# TYPE things gauge\nthings 7\n";
        assert_eq!(encode(&registry), expected);
    }
}
