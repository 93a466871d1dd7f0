//! A space-time diagram as text: one column a node, time downwards, each message with its fate.
//!
//! What matters comes last, at the violation, so that the end is shown whole; of what lies before, the important moments are kept (faults, crashes, changes
//! of a node's part, lost messages) and the rest is folded into a count. Faults and losses are drawn like everything else: in a hostile world the
//! message that did not arrive is the story.

mod rows;

use std::collections::BTreeMap;

use synod_machine::{Machine, NodeId};

use crate::{Moment, Subject, Violation, World};
use rows::{Mark, Row, Rows, Weight};

/// How to draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagram {
    /// Characters of a line.
    pub columns_max: usize,
    /// Lines of moments; folds, head and legend come on top.
    pub lines_max: usize,
    /// Only ASCII characters.
    pub ascii: bool,
    /// Time is counted in steps, one in the place of each millisecond: for runs in which it has no length.
    pub steps: bool,
}

impl Default for Diagram {
    fn default() -> Self {
        Diagram { columns_max: 80, lines_max: 40, ascii: false, steps: false }
    }
}

/// Nodes that get a column; of more, those that are involved.
const COLUMNS_MAX: usize = 12;
const TIME_CHARS: usize = 11;

impl<S: Subject> World<S> {
    /// Draws the kept moments; see [`World::keep`].
    pub fn draw(&self, diagram: &Diagram) -> String {
        let report = self.report();
        diagram.draw(self.moments(), report.found.as_ref().map(|found| &found.violation))
    }
}

impl Diagram {
    /// Draws moments in the order in which they happened.
    pub fn draw<'a, M: Machine + 'a>(
        &self,
        moments: impl Iterator<Item = &'a Moment<M>>,
        violation: Option<&Violation>,
    ) -> String {
        let rows = Rows::of(moments).rows;
        let shown = self.select(&rows);
        let lanes = lanes(&rows, &shown, violation);
        let mut lines = vec![self.head(&lanes)];
        let mut next = 0;
        for index in shown {
            match index - next {
                0 => {}
                // A fold takes a line as well.
                1 => lines.push(self.line(&rows[next], &lanes)),
                count => lines.push(self.fold(count)),
            }
            lines.push(self.line(&rows[index], &lanes));
            next = index + 1;
        }
        if rows.len() > next {
            lines.push(self.fold(rows.len() - next));
        }
        lines.push(self.legend());
        lines.iter().map(|line| self.fit(line) + "\n").collect()
    }

    fn head(&self, lanes: &[NodeId]) -> String {
        let names: String = lanes.iter().map(|node| format!("{:<3}", node.to_string())).collect();
        format!("{:>TIME_CHARS$} {names}", if self.steps { "step" } else { "ms" })
    }

    /// Three fifths of the lines for the end as it was, the rest for what was important before.
    fn select(&self, rows: &[Row]) -> Vec<usize> {
        let end = rows.len() - rows.len().min(self.lines_max * 3 / 5);
        let mut before: Vec<usize> = (0..end).filter(|index| rows[*index].weight > Weight::Plain).collect();
        before.sort_by_key(|index| (std::cmp::Reverse(rows[*index].weight), std::cmp::Reverse(*index)));
        before.truncate(self.lines_max - self.lines_max * 3 / 5);
        before.sort_unstable();
        before.extend(end..rows.len());
        before
    }

    fn fold(&self, count: usize) -> String {
        let dots = if self.ascii { "..." } else { "⋮" };
        format!("{:>TIME_CHARS$} {count} more", dots)
    }

    fn line(&self, row: &Row, lanes: &[NodeId]) -> String {
        let place = |node: NodeId| lanes.iter().position(|lane| *lane == node).map(|lane| 3 * lane);
        let mut chart = vec![' '; 3 * lanes.len()];
        for (lane, node) in lanes.iter().enumerate() {
            chart[3 * lane] = match row.roles.get(node) {
                _ if row.touches(*node) => row.roles.get(node).copied().unwrap_or('·'),
                Some(_) if row.down.contains(node) => ' ',
                Some(_) if row.paused.contains(node) => '≈',
                _ if row.down.contains(node) => ' ',
                _ => '│',
            };
        }
        match &row.mark {
            Mark::Message { from, to, head } => {
                if let Some(start) = place(*from) {
                    let end = place(*to).unwrap_or(3 * lanes.len());
                    arrow(&mut chart, start, end, *head);
                }
            }
            Mark::Node { node, sign } => {
                if let (Some(place), Some(sign)) = (place(*node), sign) {
                    chart[place] = *sign;
                }
            }
            Mark::World => {}
        }
        let chart: String = chart.into_iter().collect();
        let since_start = row.time.since_start();
        let time = match self.steps {
            true => since_start.as_millis().to_string(),
            false => format!("{:.3}", since_start.as_secs_f64() * 1_000.0),
        };
        let text = format!("{time:>TIME_CHARS$} {chart} {}", row.text);
        // The name of the event stands at the right edge.
        let room = self.columns_max.saturating_sub(row.name.chars().count() + 1);
        let text: String = text.chars().take(room).collect();
        format!("{text:<room$} {}", row.name)
    }

    fn legend(&self) -> String {
        let legend =
            "# down  * start  ! violation  ≈ paused  ▶ delivered  » again  ✕ dropped  ▮ blocked  ○ in flight";
        let room = self.columns_max.max(40);
        let mut lines = vec![String::from(" legend ")];
        for part in legend.split("  ") {
            let last = lines.last_mut().expect("one was put in");
            if last.chars().count() + part.chars().count() + 2 > room {
                lines.push(String::from("        "));
            }
            let last = lines.last_mut().expect("one was put in");
            *last += part;
            *last += "  ";
        }
        lines.join("\n")
    }

    /// Cuts what is too long and takes away what ASCII does not have.
    fn fit(&self, text: &str) -> String {
        let lines = text.lines().map(|line| {
            let cut: String = line.chars().take(self.columns_max).map(|c| self.letter(c)).collect();
            cut.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn letter(&self, c: char) -> char {
        if !self.ascii || c.is_ascii() {
            return c;
        }
        match c {
            '─' => '-',
            '│' => '|',
            '▶' | '→' => '>',
            '◀' => '<',
            '✕' => 'x',
            '▮' => '=',
            '○' => 'o',
            '»' => '%',
            '·' => '.',
            '≈' => '~',
            _ => '?',
        }
    }
}

/// The nodes with a column: all, or those of the violation and those that are touched most.
fn lanes(rows: &[Row], shown: &[usize], violation: Option<&Violation>) -> Vec<NodeId> {
    let mut touched: BTreeMap<NodeId, usize> = BTreeMap::new();
    for index in shown {
        for node in rows[*index].mark.nodes() {
            *touched.entry(node).or_default() += 1;
        }
    }
    for node in violation.iter().flat_map(|violation| &violation.nodes) {
        *touched.entry(*node).or_default() += rows.len();
    }
    let mut lanes: Vec<NodeId> = touched.keys().copied().collect();
    lanes.sort_by_key(|node| std::cmp::Reverse(touched[node]));
    lanes.truncate(COLUMNS_MAX);
    lanes.sort_unstable();
    lanes
}

/// A line from one column towards another; its head says how it ended.
fn arrow(chart: &mut [char], start: usize, end: usize, head: char) {
    let turned = if head == '▶' && end < start { '◀' } else { head };
    if start < end {
        let last = (end - 1).min(chart.len() - 1);
        chart[start + 1..last].fill('─');
        chart[last] = turned;
    } else if end < start {
        chart[end + 2..start].fill('─');
        chart[end + 1] = turned;
    }
}
