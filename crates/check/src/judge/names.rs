//! The names of operations in what checkers say.
//!
//! A checker numbers the operations of the history that it was given and calls them `#7`. That history may lack operations of
//! the log, those that failed. Here its numbers become those of the log, in ids and in sentences.

use crate::history::OperationId;
use crate::model::Breach;

/// Gives the operations of a breach the numbers of the log; `sources` has them by the checker's number. `mark` is what
/// stands before a number where one is named.
pub(super) fn renamed(mut breach: Breach, sources: &[usize], mark: char) -> Breach {
    let renamed = |id: OperationId| {
        sources.get(id.0 as usize).map_or(id, |&source| OperationId(u64::try_from(source).unwrap_or(id.0)))
    };
    for operation in &mut breach.witness {
        operation.id = renamed(operation.id);
        operation.text = in_text(&operation.text, sources, mark);
    }
    for step in &mut breach.steps {
        step.operations.iter_mut().for_each(|id| *id = renamed(*id));
        step.text = in_text(&step.text, sources, mark);
    }
    breach.sentence = in_text(&breach.sentence, sources, mark);
    breach
}

/// The sentence with other numbers behind each `#`. What stands between quotes is a value, and so is what a letter
/// stands before.
fn in_text(text: &str, sources: &[usize], mark: char) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    let (mut is_quoted, mut last) = (false, ' ');
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        renamed.push(character);
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => {
                let escaped = rest.chars().next().unwrap_or_default();
                renamed.extend(rest.chars().next());
                rest = rest.get(escaped.len_utf8()..).unwrap_or_default();
            }
            '#' if !is_quoted && !last.is_alphanumeric() => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let source = rest[..digits].parse().ok().and_then(|index: usize| sources.get(index));
                match source {
                    Some(source) => {
                        renamed.pop();
                        renamed.push(mark);
                        renamed.push_str(&source.to_string());
                    }
                    None => renamed.push_str(&rest[..digits]),
                }
                rest = &rest[digits..];
            }
            _ => {}
        }
        last = character;
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_those_of_the_log() {
        let sources = [0, 4, 7];
        assert_eq!(in_text("#2 returned what #1 wrote.", &sources, '#'), "#7 returned what #4 wrote.");
        assert_eq!(in_text("#12 (#0), #", &sources, '#'), "#12 (#0), #");
    }

    #[test]
    fn values_stay_as_they_are() {
        let sources = [5, 6];
        assert_eq!(
            in_text(r##"write "#1 \" #1" of #1, a#1"##, &sources, '#'),
            r##"write "#1 \" #1" of #6, a#1"##
        );
        assert_eq!(in_text("\"a\\", &sources, '#'), "\"a\\");
    }
}
