//! Records and moments in words, one short line each.

use std::fmt::{self, Debug, Write};

use synod_machine::{Effect, Fate, Input, Machine, Record, loss_name};

use crate::Moment;

/// What came in.
pub(crate) fn input<M: Machine>(input: &Input<M>) -> String {
    match input {
        Input::Start { saved } => format!("start with {} writes", saved.len()),
        Input::Receive { from, message } => format!("from {from} {}", short(message)),
        Input::Fire(timer) => format!("timer {}", short(timer)),
        Input::Command { id, command } => format!("command {} {}", id.0, short(command)),
        Input::Durable(ticket) => format!("durable to {}", ticket.0),
        Input::Done(done) => format!("done {}", short(done)),
        Input::Link { peer, up } => format!("link to {peer} {}", if *up { "up" } else { "down" }),
    }
}

/// What was asked for.
pub(crate) fn effect<M: Machine>(effect: &Effect<M>) -> String {
    match effect {
        Effect::Send { to, message, after: None } => format!("send {to} {}", short(message)),
        Effect::Send { to, message, after: Some(ticket) } => {
            format!("after {} send {to} {}", ticket.0, short(message))
        }
        Effect::Reply { id, reply, after: None } => format!("reply {} {}", id.0, short(reply)),
        Effect::Reply { id, reply, after: Some(ticket) } => {
            format!("after {} reply {} {}", ticket.0, id.0, short(reply))
        }
        Effect::Emit(event) => format!("emit {}", short(event)),
        Effect::Arm { timer, least, most } if least == most => format!("arm {} {least:?}", short(timer)),
        Effect::Arm { timer, least, most } => format!("arm {} {least:?} to {most:?}", short(timer)),
        Effect::Disarm(timer) => format!("disarm {}", short(timer)),
        Effect::Write { ticket, write } => format!("write {} {}", ticket.0, short(write)),
        Effect::Forget { before } => format!("forget before {}", before.0),
        Effect::Work(job) => format!("work {}", short(job)),
        Effect::Note { name, value } => format!("note {name} {value}"),
    }
}

/// A fate in one or two words.
pub(crate) fn fate(fate: &Fate) -> String {
    match fate {
        Fate::Delivered(_) => "delivered".to_owned(),
        Fate::Dropped(loss) => format!("DROPPED {}", loss_name(*loss)),
        Fate::Blocked(fault) => format!("BLOCKED f{fault}"),
        Fate::Duplicated(records) => format!("delivered {} times", records.len()),
        Fate::InFlight => "in flight".to_owned(),
    }
}

impl<M: Machine> Debug for Moment<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Record { record, .. } => {
                let Record { number, node, time, effects, .. } = record;
                write!(f, "e{number} {time} {node} {} =>", input(&record.input))?;
                effects.iter().try_for_each(|asked| write!(f, " {};", effect(asked)))
            }
            Moment::Fate { time, id, from, to, fate: end } => {
                write!(f, "{time} {id} {from} -> {to} {}", fate(end))
            }
            Moment::World { time, node, kind, what } => {
                write!(f, "{time} {kind}")?;
                if let Some(node) = node {
                    write!(f, " {node}")?;
                }
                write!(f, " {what}")
            }
        }
    }
}

/// Longest text of one value.
const SHOWN_CHARS_MAX: usize = 120;

/// A value's debug form, cut without building the whole of a large one.
pub(crate) fn short(value: &dyn Debug) -> String {
    let mut cut = Cut { text: String::new(), left: SHOWN_CHARS_MAX };
    if write!(cut, "{value:?}").is_err() {
        cut.text.push('…');
    }
    cut.text
}

/// A message as it stands beside the name of its kind: `Grant { clock: Clock(3), of: NodeId(2) }` is `clock: 3, of: 2`. The type's own name and the
/// names that only wrap a number say nothing there.
pub(crate) fn contents(message: &dyn Debug) -> String {
    let text = unwrap_numbers(&short(message));
    if !text.starts_with(char::is_uppercase) {
        return text;
    }
    let name = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let rest = &text[name..];
    let open = [(" { ", " }"), ("(", ")")].into_iter().find(|(open, _)| rest.starts_with(open));
    match open {
        Some((open, close)) => rest[open.len()..]
            .trim_end_matches('…')
            .strip_suffix(close)
            .map_or_else(|| rest[open.len()..].to_owned(), |inner| inner.to_owned()),
        // A name alone is that of the kind.
        None if rest.is_empty() => String::new(),
        None => text,
    }
}

/// `Term(3)` is 3, wherever it stands.
fn unwrap_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('(') {
        let (before, after) = (&rest[..open], &rest[open + 1..]);
        let name = before.len() - before.trim_end_matches(|c: char| c.is_alphanumeric()).len();
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if name > 0 && digits > 0 && after[digits..].starts_with(')') {
            plain += &before[..before.len() - name];
            plain += &after[..digits];
            rest = &after[digits + 1..];
        } else {
            plain += &rest[..=open];
            rest = after;
        }
    }
    plain + rest
}

struct Cut {
    text: String,
    left: usize,
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "read by their debug form")]
    enum Message {
        Grant,
        Vote { term: Term, last: Option<Term> },
        Import(Term),
        Called(&'static str, Term),
    }

    #[derive(Debug)]
    #[expect(dead_code, reason = "read by its debug form")]
    struct Term(u64);

    #[test]
    fn a_message_is_told_without_the_names_of_its_types() {
        assert_eq!(contents(&Message::Grant), "");
        assert_eq!(contents(&Message::Vote { term: Term(3), last: Some(Term(2)) }), "term: 3, last: Some(2)");
        assert_eq!(contents(&Message::Import(Term(7))), "7");
        assert_eq!(contents(&Message::Called("a(b", Term(7))), "\"a(b\", 7");
        assert_eq!(contents(&17), "17");
    }
}
