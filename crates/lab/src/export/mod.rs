//! A run for other programs to show: SVG, mermaid, ShiViz, Perfetto. Messages that were lost are in each of them.

mod mermaid;
mod perfetto;
mod shiviz;
mod svg;

use std::collections::BTreeMap;

use synod_machine::{Fate, Mono, SendId, loss_name};
use synod_sim::{Film, Shown};
use thiserror::Error;

/// A form of export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A picture that browsers show: `svg`.
    Svg,
    /// A sequence diagram as text, as Markdown pages take it: `mermaid`.
    Mermaid,
    /// A log with vector clocks for ShiViz, by its default regular expression: `shiviz`.
    Shiviz,
    /// A trace for Perfetto and Chrome: `perfetto`.
    Perfetto,
}

impl Form {
    /// Every form.
    pub const ALL: [Form; 4] = [Form::Svg, Form::Mermaid, Form::Shiviz, Form::Perfetto];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Form::Svg => "svg",
            Form::Mermaid => "mermaid",
            Form::Shiviz => "shiviz",
            Form::Perfetto => "perfetto",
        }
    }

    /// The form of that name.
    ///
    /// # Errors
    /// When there is none; the sentence suggests the nearest.
    pub fn named(name: &str) -> Result<Form, String> {
        let found = Form::ALL.into_iter().find(|form| form.name() == name);
        found.ok_or_else(|| crate::suggest::unknown("form of export", name, Form::ALL.map(Form::name)))
    }
}

/// What is too large to be looked at in that form.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{form} shows at most {most} {what}, found {found}: export a shorter run (shrink it, or fewer nodes, or less time), or another form"
)]
pub struct TooLarge {
    form: &'static str,
    what: &'static str,
    most: usize,
    found: usize,
}

/// Exports a film. `title` goes where the form has a place for it.
///
/// # Errors
/// When the run is too large for the form.
pub fn export(form: Form, film: &Film, title: &str) -> Result<String, TooLarge> {
    match form {
        Form::Svg => svg::export(film, title),
        Form::Mermaid => mermaid::export(film, title),
        Form::Shiviz => Ok(shiviz::export(film)),
        Form::Perfetto => Ok(perfetto::export(film, title)),
    }
}

/// A message from its send to its end.
#[derive(Clone, Debug)]
struct Message<'a> {
    kind: &'static str,
    text: &'a str,
    /// The step that sent it, if it is in the film.
    sent: Option<(usize, Mono)>,
}

/// The messages of a film by their ids; what was sent before its first moment is not known.
fn messages(film: &Film) -> BTreeMap<SendId, Message<'_>> {
    let mut messages = BTreeMap::new();
    for (place, shot) in film.shots.iter().enumerate() {
        if let Shown::Step { sends, .. } = &shot.shown {
            for sent in sends {
                let message = Message { kind: sent.kind, text: &sent.text, sent: Some((place, shot.time)) };
                messages.insert(sent.id, message);
            }
        }
    }
    messages
}

/// The end of a message that did not arrive as it should, in words.
fn loss(fate: &Fate) -> Option<String> {
    match fate {
        Fate::Delivered(_) | Fate::Duplicated(_) => None,
        Fate::Dropped(loss) => Some(format!("lost: {}", loss_name(*loss))),
        Fate::Blocked(fault) => Some(format!("lost: blocked by f{fault}")),
        Fate::InFlight => Some("in flight at the end".to_owned()),
    }
}
