//! Regular expressions of a selector.

use regex::{Regex, RegexBuilder};
use repo_core::{Error, ErrorKind, Pattern, Result};

use super::limits::{MAX_COMPILED_BYTES, MAX_PATTERN_BYTES};

/// A compiled `$regex` with its `$options`. It takes time in proportion to the text.
#[derive(Debug, Clone)]
pub struct SelectorPattern(Regex);

impl SelectorPattern {
    /// Compiles a pattern. Options are `i` (any case), `m` (`^` and `$` at each line), `s`
    /// (`.` matches a line break), `x` (white space is ignored) and `u` (Unicode, as always).
    ///
    /// # Errors
    /// `Invalid` for a pattern that the `regex` crate does not know or that is too large,
    /// and for another option.
    pub fn new(source: &str, options: &str) -> Result<Self> {
        if source.len() > MAX_PATTERN_BYTES {
            return Err(refuse("the pattern is too long").with("limit", MAX_PATTERN_BYTES));
        }
        let mut flags = String::new();
        for option in options.chars() {
            match option {
                'i' | 'm' | 's' | 'x' if !flags.contains(option) => flags.push(option),
                'i' | 'm' | 's' | 'x' | 'u' => {}
                other => {
                    return Err(refuse("unknown option of a pattern")
                        .with("option", other)
                        .hint("the options are i, m, s, x and u"));
                }
            }
        }
        // Alone it has to be a pattern, so that nothing in it closes the group of the flags.
        build(source)?;
        let source = match flags.as_str() {
            "" => source.to_owned(),
            // The line break ends a comment of the flag x.
            flags if flags.contains('x') => format!("(?{flags}:{source}\n)"),
            flags => format!("(?{flags}:{source})"),
        };
        build(&source).map(Self)
    }

    /// Whether the pattern is found anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The source, with the options in it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The same as a part of a filter.
    pub(super) fn to_filter_pattern(&self) -> Option<Pattern> {
        Pattern::new(self.0.as_str()).ok()
    }
}

impl PartialEq for SelectorPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

fn build(source: &str) -> Result<Regex> {
    RegexBuilder::new(source).size_limit(MAX_COMPILED_BYTES).build().map_err(|error| {
        let hint = "patterns are those of the regex crate: no look-around, no back-reference";
        match error {
            regex::Error::CompiledTooBig(limit) => {
                refuse("the pattern takes too much memory").with("limit", limit)
            }
            error => {
                refuse("not a regular expression").with("reason", last_line(&error)).hint(hint)
            }
        }
    })
}

/// The regex crate draws the pattern above its reason.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read a selector", why)
}
