//! Figures of both servers, their ratios, and whether a row's target is reached.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::rows::Row;
use crate::cluster::ServerKind;

/// What was measured once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Answers (or events) a second.
    pub rate: Option<f64>,
    /// Median latency, in milliseconds.
    pub p50: Option<f64>,
    /// Latency of the slowest hundredth, in milliseconds.
    pub p99: Option<f64>,
    /// CPU time of all members for an answer, in microseconds.
    pub cpu: Option<f64>,
    /// A duration that is itself the figure, in seconds.
    pub seconds: Option<f64>,
    /// CPU time of all members, as a share of one core.
    pub cpu_share: Option<f64>,
    /// Resident memory of the largest member, in bytes.
    pub resident: Option<f64>,
    /// By how much memory grew, in bytes.
    pub grown: Option<f64>,
    /// What the data directory takes of the disk, in bytes.
    pub disk: Option<f64>,
    /// Checks that failed.
    pub failed: Option<f64>,
    /// Answers in all.
    pub answers: f64,
}

impl Figures {
    /// What `synod bench --json` said.
    ///
    /// # Errors
    /// It is of another form.
    pub fn of_bench(json: &[u8]) -> anyhow::Result<Self> {
        let said: Value = serde_json::from_slice(json).context("synod bench did not print JSON")?;
        let field = |name: &str| said[name].as_f64().with_context(|| format!("synod bench gave no {name}"));
        Ok(Self {
            rate: Some(field("per_second")?),
            p50: Some(field("p50_us")? / 1e3),
            p99: Some(field("p99_us")? / 1e3),
            answers: field("answers")?,
            ..Self::default()
        })
    }

    /// The same with the servers' CPU time.
    pub fn with_cpu(self, cpu: Duration) -> Self {
        Self { cpu: Some(cpu.as_secs_f64() * 1e6 / self.answers.max(1.0)), ..self }
    }

    fn get(&self, column: &Column) -> Option<f64> {
        (column.figure)(self)
    }
}

struct Column {
    name: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    /// A target for the ratio, or for Synod's figure itself.
    target: fn(&Row) -> Option<f64>,
    is_ratio: bool,
    more_is_better: bool,
    show: fn(f64) -> String,
}

const COLUMNS: &[Column] = &[
    Column {
        name: "rate, /s",
        figure: |figures| figures.rate,
        target: |row| row.target.rate,
        is_ratio: true,
        more_is_better: true,
        show: |rate| format!("{rate:.0}"),
    },
    Column {
        name: "p50, ms",
        figure: |figures| figures.p50,
        target: |row| row.target.p50,
        is_ratio: true,
        more_is_better: false,
        show: |ms| format!("{ms:.2}"),
    },
    Column {
        name: "p99, ms",
        figure: |figures| figures.p99,
        target: |row| row.target.p99,
        is_ratio: true,
        more_is_better: false,
        show: |ms| format!("{ms:.1}"),
    },
    Column {
        name: "CPU, us",
        figure: |figures| figures.cpu,
        target: |row| row.target.cpu,
        is_ratio: true,
        more_is_better: false,
        show: |us| format!("{us:.0}"),
    },
    Column {
        name: "time, s",
        figure: |figures| figures.seconds,
        target: |row| row.target.seconds,
        is_ratio: false,
        more_is_better: false,
        show: |seconds| if seconds < 0.1 { format!("{seconds:.4}") } else { format!("{seconds:.2}") },
    },
    Column {
        name: "of a core, %",
        figure: |figures| figures.cpu_share,
        target: |row| row.target.cpu_share,
        is_ratio: false,
        more_is_better: false,
        show: |share| format!("{:.2}", share * 100.0),
    },
    Column {
        name: "resident, MB",
        figure: |figures| figures.resident,
        target: |row| row.target.resident,
        is_ratio: false,
        more_is_better: false,
        show: megabytes,
    },
    Column {
        name: "more, MB",
        figure: |figures| figures.grown,
        target: |row| row.target.grown,
        is_ratio: false,
        more_is_better: false,
        show: megabytes,
    },
    Column {
        name: "disk, MB",
        figure: |figures| figures.disk,
        target: |row| row.target.disk,
        is_ratio: false,
        more_is_better: false,
        show: megabytes,
    },
    Column {
        name: "failed",
        figure: |figures| figures.failed,
        target: |row| row.target.failed,
        is_ratio: false,
        more_is_better: false,
        show: |checks| format!("{checks:.0}"),
    },
];

fn megabytes(bytes: f64) -> String {
    format!("{:.0}", bytes / 1e6)
}

/// All rows, each with the rounds of both servers.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(Row, Vec<Figures>, Vec<Figures>)>,
}

impl Table {
    /// Adds a measurement.
    pub fn add(&mut self, row: &Row, server: ServerKind, figures: Figures) {
        let index = self.rows.iter().position(|(known, ..)| known == row).unwrap_or_else(|| {
            self.rows.push((row.clone(), Vec::new(), Vec::new()));
            self.rows.len() - 1
        });
        let (_, synod, etcd) = &mut self.rows[index];
        match server {
            ServerKind::Synod => synod.push(figures),
            ServerKind::Etcd => etcd.push(figures),
        }
    }

    /// For a terminal of 80 columns.
    pub fn text(&self) -> String {
        let mut out = format!("{:<14} {:>9} {:>9} {:>18}  target\n", "", "synod", "etcd", "ratio (spread)");
        for [row, figure, synod, etcd, ratio, target] in self.cells() {
            if !row.is_empty() {
                let _ = writeln!(out, "{row}");
            }
            let line = format!("  {figure:<12} {synod:>9} {etcd:>9} {ratio:>18}  {target}");
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }

    /// For the documentation.
    pub fn markdown(&self) -> String {
        let mut out =
            "| row | figure | Synod | etcd | ratio (spread) | target |\n|---|---|--:|--:|--:|---|\n"
                .to_owned();
        for cells in self.cells() {
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out
    }

    fn cells(&self) -> Vec<[String; 6]> {
        let mut lines = Vec::new();
        for (row, synod, etcd) in &self.rows {
            let mut name = row.name.as_str();
            for column in COLUMNS {
                let ours: Vec<f64> = synod.iter().filter_map(|figures| figures.get(column)).collect();
                let theirs: Vec<f64> = etcd.iter().filter_map(|figures| figures.get(column)).collect();
                let Some(figure) = median(&ours) else { continue };
                let shown = |figure: Option<f64>| figure.map_or_else(String::new, column.show);
                let verdict = (column.target)(row).map(|target| verdict(column, target, &ours, &theirs));
                lines.push([
                    name.to_owned(),
                    column.name.to_owned(),
                    shown(Some(figure)),
                    shown(median(&theirs)),
                    ratio(&ours, &theirs),
                    verdict.unwrap_or_default(),
                ]);
                name = "";
            }
        }
        lines
    }
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).filter(|(_, theirs)| **theirs > 0.0).map(|(ours, theirs)| ours / theirs).collect()
}

fn ratio(ours: &[f64], theirs: &[f64]) -> String {
    let ratios = ratios(ours, theirs);
    let Some(middle) = median(&ratios) else { return String::new() };
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    format!("{middle:.2} ({least:.2}-{most:.2})")
}

fn verdict(column: &Column, target: f64, ours: &[f64], theirs: &[f64]) -> String {
    let figure = if column.is_ratio { median(&ratios(ours, theirs)) } else { median(ours) };
    let shown = if column.is_ratio { format!("{target:.2}") } else { (column.show)(target) };
    let sign = if column.more_is_better { ">=" } else { "<=" };
    match figure {
        None => format!("{sign} {shown}: not measured"),
        Some(figure) if (figure >= target) == column.more_is_better || figure == target => {
            format!("{sign} {shown}: reached")
        }
        Some(_) => format!("{sign} {shown}: MISSED"),
    }
}

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::super::rows::{BENCH_ROWS, idle};
    use super::*;

    fn seen(per_second: f64, cpu: u64) -> Figures {
        let json = format!(r#"{{"per_second":{per_second},"p50_us":10,"p99_us":20,"answers":1000}}"#);
        Figures::of_bench(json.as_bytes()).unwrap().with_cpu(Duration::from_micros(cpu * 1_000))
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_judged_by_their_median() {
        let row = BENCH_ROWS[0].row();
        let mut table = Table::default();
        for (ours, theirs) in [(200.0, 100.0), (300.0, 100.0), (90.0, 30.0)] {
            table.add(&row, ServerKind::Synod, seen(ours, 50));
            table.add(&row, ServerKind::Etcd, seen(theirs, 100));
        }
        let text = table.text();
        assert!(text.contains("3.00 (2.00-3.00)  >= 2.00: reached"), "{text}");
        assert!(text.contains("0.50 (0.50-0.50)  <= 0.34: MISSED"), "{text}");
        assert!(table.markdown().lines().count() == 6, "a head of two lines and four figures");
    }

    #[test]
    fn a_figure_without_a_counterpart_is_judged_by_itself() {
        let mut table = Table::default();
        let figures = Figures { cpu_share: Some(0.001), resident: Some(90e6), ..Figures::default() };
        table.add(&idle(3), ServerKind::Synod, figures);
        let text = table.text();
        assert!(text.contains("<= 0.50: reached") && text.contains("<= 25: MISSED"), "{text}");
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(Figures::of_bench(b"no").is_err());
        assert!(Figures::of_bench(b"{}").is_err());
    }
}
