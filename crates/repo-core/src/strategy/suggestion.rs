//! The known name that a misspelt one is most like.

/// Below this likeness a name is no help.
const LEAST_LIKENESS: f64 = 0.75;

/// ``did you mean `machines`?``, with the known name that is most like
/// `unknown`; `None` when none is like it.
///
/// ```
/// let known = ["machines", "requests"];
/// let meant = repo_core::strategy::did_you_mean("machine", known);
/// assert_eq!(meant.as_deref(), Some("did you mean `machines`?"));
/// assert_eq!(repo_core::strategy::did_you_mean("volumes", known), None);
/// ```
#[must_use]
pub fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// The suggestion if there is one, and then `hint`.
#[must_use]
pub fn suggestion_before(suggestion: Option<String>, hint: &str) -> String {
    match suggestion {
        Some(suggestion) => format!("{suggestion} {hint}"),
        None => hint.to_owned(),
    }
}
