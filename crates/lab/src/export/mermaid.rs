//! Mermaid's sequence diagrams.

use std::fmt::Write as _;

use synod_machine::Fate;
use synod_sim::{Film, Shown};

use super::{TooLarge, loss, messages};

/// Mermaid refuses longer texts in its default configuration.
const CHARS_MAX: usize = 50_000;

pub(super) fn export(film: &Film, title: &str) -> Result<String, TooLarge> {
    let mut text = format!("sequenceDiagram\n    accTitle: {}\n", plain(title));
    for node in &film.nodes {
        let _ = writeln!(text, "    participant {node}");
    }
    let messages = messages(film);
    for shot in &film.shots {
        match &shot.shown {
            Shown::Fate { id, from, to, fate } => {
                let kind = messages.get(id).map_or("message", |message| message.kind);
                let (arrow, end) = match fate {
                    Fate::Delivered(_) => ("->>", String::new()),
                    Fate::Duplicated(records) => ("->>", format!(" ({} times)", records.len())),
                    Fate::InFlight => ("--)", " (in flight)".to_owned()),
                    lost => ("-x", format!(" ({})", loss(lost).unwrap_or_default())),
                };
                let _ = writeln!(text, "    {from}{arrow}{to}: {}", plain(&format!("{kind}{end}")));
            }
            Shown::World { node, kind, what } => {
                let over = match (node, &film.nodes[..]) {
                    (Some(node), _) => node.to_string(),
                    (None, [one]) => one.to_string(),
                    (None, [first, .., last]) => format!("{first},{last}"),
                    (None, []) => continue,
                };
                let _ = writeln!(text, "    Note over {over}: {}", plain(&format!("{kind}: {what}")));
            }
            Shown::Step { cause: None, node, input, .. } if input.starts_with("command") => {
                let _ = writeln!(text, "    Note over {node}: {}", plain(input));
            }
            Shown::Step { .. } => {}
        }
    }
    match text.chars().count() {
        found if found > CHARS_MAX => {
            Err(TooLarge { form: "mermaid", what: "characters", most: CHARS_MAX, found })
        }
        _ => Ok(text),
    }
}

/// Without what mermaid takes for its own: the ends of lines and statements, comments, and marks of entities.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | ';' => ',',
        '#' | '%' => ' ',
        '<' => '‹',
        '>' => '›',
        '{' | '[' => '(',
        '}' | ']' => ')',
        c => c,
    };
    text.chars().map(plain).collect()
}
