//! The nearest known name to a mistyped one.

/// Names farther than this many edits are no suggestion.
const EDITS_MAX: usize = 4;

/// The known name that the fewest single-character edits lead to, if it is near enough to have been meant.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near_enough = EDITS_MAX.min(name.chars().count().div_ceil(3));
    known
        .into_iter()
        .map(|candidate| (edits(name, candidate), candidate))
        .min()
        .filter(|(edits, _)| *edits <= near_enough)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, row by row.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_what_was_meant_and_nothing_far() {
        let known = ["name", "data-dir", "listen-client-urls", "listen-peer-urls"];
        assert_eq!(nearest("listen-client-url", known), Some("listen-client-urls"));
        assert_eq!(nearest("datadir", known), Some("data-dir"));
        assert_eq!(nearest("nam", known), Some("name"));
        assert_eq!(nearest("frobnicate", known), None);
        assert_eq!(nearest("", known), None);
    }
}
