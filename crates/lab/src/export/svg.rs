//! A space-time diagram as a picture: one line a node, time downwards in the order of events, each message with its fate.
//!
//! Colour says nothing that a shape or a word does not say too. Distances mean nothing: a row is a moment, and its time stands at the left.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use synod_machine::{Fate, NodeId, SendId};
use synod_sim::{Film, Shot, Shown};

use super::{TooLarge, loss, messages};

/// More rows than that nobody looks at in a picture.
const ROWS_MAX: usize = 5_000;
const ROW: usize = 18;
const LANE: usize = 130;
const LEFT: usize = 110;
const TOP: usize = 64;
const NOTE_CHARS_MAX: usize = 60;

const STYLE: &str = "\
text{font:11px ui-monospace,monospace;fill:#39424b}.head{font-size:13px;font-weight:bold}.title{font-size:14px}\
.time{text-anchor:end;fill:#6b7680}.life{stroke:#c3cad0}.down{stroke:#c3cad0;stroke-dasharray:1 5}\
.message{stroke:#0531d0;fill:none}.lost{stroke:#b3128c;fill:none;stroke-dasharray:5 3}.open{stroke:#7a858f;fill:none;stroke-dasharray:2 3}\
.end{stroke:#b3128c;stroke-width:2;fill:none}.step{fill:#39424b}.world{fill:#94700a}.violation{fill:#b3128c;font-weight:bold}";

pub(super) fn export(film: &Film, title: &str) -> Result<String, TooLarge> {
    let found = film.shots.len();
    if found > ROWS_MAX {
        return Err(TooLarge { form: "svg", what: "moments", most: ROWS_MAX, found });
    }
    Ok(Picture::of(film).draw(title))
}

struct Picture<'a> {
    film: &'a Film,
    /// The row of each moment; a message's fate stands in the row of its receipt.
    rows: Vec<usize>,
    body: String,
}

impl<'a> Picture<'a> {
    fn of(film: &'a Film) -> Self {
        let mut rows = Vec::with_capacity(film.shots.len());
        let mut row = 0;
        for (place, shot) in film.shots.iter().enumerate() {
            let received = matches!(&shot.shown, Shown::Step { cause: Some(_), .. });
            let fate_before = place > 0
                && matches!(&film.shots[place - 1].shown, Shown::Fate { fate, .. } if loss(fate).is_none());
            if place > 0 && !(received && fate_before) {
                row += 1;
            }
            rows.push(row);
        }
        Picture { film, rows, body: String::new() }
    }

    fn draw(mut self, title: &str) -> String {
        let height = TOP + (self.rows.last().copied().unwrap_or(0) + 2) * ROW + 40;
        let width = LEFT + self.film.nodes.len() * LANE + NOTE_CHARS_MAX * 7;
        self.lives(height - 50);
        self.moments();
        self.messages();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{0}</title>\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text class=\"title\" x=\"12\" y=\"22\">{0}</text>\n",
            escaped(title)
        );
        svg += &self.body;
        let _ = writeln!(
            svg,
            "<text x=\"12\" y=\"{}\">legend: → delivered, dashed with ✕ lost, dotted with ○ in flight at the end, ● step; rows are moments in their order</text>\n</svg>",
            height - 14
        );
        svg
    }

    fn x(&self, node: NodeId) -> usize {
        let lane = self.film.nodes.iter().position(|known| *known == node).unwrap_or(0);
        LEFT + LANE / 2 + lane * LANE
    }

    fn y(&self, place: usize) -> usize {
        TOP + (self.rows[place] + 1) * ROW
    }

    /// A node's line, whole where it is up and dotted where it is down.
    fn lives(&mut self, bottom: usize) {
        for node in self.film.nodes.clone() {
            let x = self.x(node);
            let _ = writeln!(
                self.body,
                "<text class=\"head\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{node}</text>",
                TOP - 10
            );
            let (mut from, mut class) = (TOP, "down");
            for (place, shot) in self.film.shots.iter().enumerate() {
                let next = match &shot.shown {
                    Shown::World { node: Some(at), kind: "crash" | "lost", .. } if *at == node => "down",
                    Shown::World { node: Some(at), kind: "start", .. } if *at == node => "life",
                    // It was up before the film began.
                    Shown::Step { node: at, .. } if *at == node => "life",
                    _ => continue,
                };
                if next != class {
                    let to = self.y(place);
                    let _ = writeln!(
                        self.body,
                        "<line class=\"{class}\" x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{to}\"/>"
                    );
                    (from, class) = (to, next);
                }
            }
            let _ = writeln!(
                self.body,
                "<line class=\"{class}\" x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{bottom}\"/>"
            );
        }
    }

    fn moments(&mut self) {
        let note_x = LEFT + self.film.nodes.len() * LANE + 10;
        let mut last_row = None;
        for (place, shot) in self.film.shots.iter().enumerate() {
            let y = self.y(place);
            if last_row != Some(self.rows[place]) {
                let millis = shot.time.since_start().as_secs_f64() * 1e3;
                let _ = writeln!(
                    self.body,
                    "<text class=\"time\" x=\"{}\" y=\"{}\">{millis:.3} ms</text>",
                    LEFT - 30,
                    y + 4
                );
            }
            last_row = Some(self.rows[place]);
            let (class, note) = match &shot.shown {
                Shown::Step { node, .. } => {
                    let x = self.x(*node);
                    let _ = writeln!(
                        self.body,
                        "<circle class=\"step\" cx=\"{x}\" cy=\"{y}\" r=\"3\"><title>{}</title></circle>",
                        escaped(&told(shot))
                    );
                    ("", shot.words())
                }
                Shown::World { kind: "violation", what, .. } => ("violation", what.clone()),
                Shown::World { .. } => ("world", shot.words()),
                Shown::Fate { fate, .. } if loss(fate).is_some() => ("", shot.words()),
                Shown::Fate { .. } => continue,
            };
            let short: String = note.chars().take(NOTE_CHARS_MAX).collect();
            let _ = writeln!(
                self.body,
                "<text class=\"{class}\" x=\"{note_x}\" y=\"{}\">{}<title>{}</title></text>",
                y + 4,
                escaped(&short),
                escaped(&note)
            );
        }
    }

    fn messages(&mut self) {
        let film = self.film;
        let messages = messages(film);
        let sends: BTreeMap<SendId, usize> =
            messages.iter().filter_map(|(id, message)| Some((*id, message.sent?.0))).collect();
        for (place, shot) in film.shots.iter().enumerate() {
            let Shown::Fate { id, from, to, fate } = &shot.shown else { continue };
            let (x1, x2, y2) = (self.x(*from), self.x(*to), self.y(place));
            let y1 = sends.get(id).map_or(y2, |place| self.y(*place));
            let kind = messages.get(id).map_or("message", |message| message.kind);
            // What is lost ends on the way.
            let way = |part: f64| x1 as f64 + (x2 as f64 - x1 as f64) * part;
            let turn = if x2 >= x1 { -1.0 } else { 1.0 };
            let (class, end_x, end) = match fate {
                Fate::Delivered(_) | Fate::Duplicated(_) => {
                    let (x, y) = (x2 as f64 + turn * 4.0, y2);
                    (
                        "message",
                        x,
                        format!(
                            "<path class=\"message\" d=\"M{} {} L{x} {y} L{} {}\"/>",
                            x + turn * 7.0,
                            y - 4,
                            x + turn * 7.0,
                            y + 4
                        ),
                    )
                }
                Fate::InFlight => {
                    let x = way(0.6);
                    ("open", x, format!("<circle class=\"open\" cx=\"{x}\" cy=\"{y2}\" r=\"4\"/>"))
                }
                Fate::Dropped(_) | Fate::Blocked(_) => {
                    let x = way(0.6);
                    (
                        "lost",
                        x,
                        format!(
                            "<path class=\"end\" d=\"M{} {} L{} {} M{0} {3} L{2} {1}\"/>",
                            x - 4.0,
                            y2 - 4,
                            x + 4.0,
                            y2 + 4
                        ),
                    )
                }
            };
            let (_, label_y) = (0, (y1 + y2) / 2 - 3);
            let title =
                escaped(&format!("{id} {kind} {}", messages.get(id).map_or("", |message| message.text)));
            let _ = writeln!(
                self.body,
                "<g><title>{title}</title><line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{end_x}\" y2=\"{y2}\"/>{end}<text x=\"{}\" y=\"{label_y}\" text-anchor=\"middle\">{}</text></g>",
                way(0.35),
                escaped(kind)
            );
        }
    }
}

fn told(shot: &Shot) -> String {
    match &shot.shown {
        Shown::Step { effects, state, .. } => {
            let state = state.iter().map(|(name, value)| format!("\n{name}: {value}")).collect::<String>();
            let effects = effects.iter().map(|effect| format!("\n⇒ {effect}")).collect::<String>();
            format!("{}{effects}{state}", shot.words())
        }
        _ => shot.words(),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // XML has no other control characters.
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
