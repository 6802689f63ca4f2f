//! The nearest right name for a wrong one.

use super::quoted;

/// Names that are compared at most, so that a file of thousands of misspelt names stays quick to refuse.
const COMPARED: usize = 10_000;

/// The known name that `wrong` is probably meant to be: a letter or so away.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = wrong.chars().take(100).count();
    if length == 100 {
        return None;
    }
    let allowed = (length / 3).max(1);
    known
        .into_iter()
        .take(COMPARED)
        .filter(|name| name.len().abs_diff(wrong.len()) <= 4 * allowed)
        .map(|name| (distance(wrong, name), name))
        // The first of equals: the order of the known names is the order of their use.
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= allowed)
        .map(|(_, name)| name)
}

fn distance(wrong: &str, name: &str) -> usize {
    if wrong.eq_ignore_ascii_case(name) || wrong.replace('-', "_") == name {
        return 0;
    }
    strsim::damerau_levenshtein(wrong, name)
}

/// Advice for a wrong name: the nearest, or else what there is.
pub(crate) fn advice<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(wrong, known.clone()) {
        Some(name) => format!("did you mean {}?", quoted(name)),
        None => one_of(known),
    }
}

/// `expected one of ..`; empty if there is nothing.
pub(crate) fn one_of<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    const LISTED: usize = 30;
    let mut known = known.into_iter();
    let names: Vec<String> = known.by_ref().take(LISTED).map(quoted).collect();
    let more = if known.next().is_some() { ", .." } else { "" };
    match names.as_slice() {
        [] => String::new(),
        [only] => format!("expected {only}"),
        names => format!("expected one of {}{more}", names.join(", ")),
    }
}
