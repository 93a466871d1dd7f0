//! Names: the nearest known one to a mistyped one, and the sentence that says so.

/// Names farther than this many edits are no suggestion.
const EDITS_MAX: usize = 4;

/// The known name that the fewest single-character edits lead to, if it is near enough to have been meant; else one that contains it.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let known: Vec<&str> = known.into_iter().collect();
    let near_enough = EDITS_MAX.min(name.chars().count().div_ceil(3));
    let by_edits = known
        .iter()
        // Of equally near names, the one that goes on as it began.
        .map(|candidate| (strsim::levenshtein(name, candidate), !candidate.starts_with(name), *candidate))
        .min()
        .filter(|(edits, ..)| *edits <= near_enough)
        .map(|(.., candidate)| candidate);
    by_edits.or_else(|| {
        let part = |candidate: &&&str| !name.is_empty() && candidate.contains(name);
        known.iter().find(part).copied()
    })
}

/// `no such mechanism: ramft; did you mean raft?`, or what there is if nothing is near.
pub fn unknown<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("no such {what}: {name}; did you mean {near}?"),
        None if known.is_empty() => format!("no such {what}: {name}; there is none"),
        None => format!("no such {what}: {name}; there is: {}", known.join(", ")),
    }
}
