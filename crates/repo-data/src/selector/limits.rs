//! How large a selector may be. What is larger is refused with `Invalid`.

use repo_core::{Error, ErrorKind, Result};

/// Longest text of a selector, in bytes.
pub const MAX_SELECTOR_BYTES: usize = 256 * 1024;
/// Most conditions and groups in a selector.
pub const MAX_CONDITIONS: usize = 1_000;
/// Most values in all `$in` and `$nin` of a selector.
pub const MAX_VALUES: usize = 10_000;
/// Most patterns in a selector.
pub const MAX_PATTERNS: usize = 32;
/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1_000;
/// Most memory of a compiled pattern, in bytes.
pub(super) const MAX_COMPILED_BYTES: usize = 1024 * 1024;
/// Most names in a dotted path.
pub const MAX_PATH_STEPS: usize = 16;

/// What a selector has used up of its limits.
#[derive(Debug, Default)]
pub(super) struct Budget {
    conditions: usize,
    values: usize,
    patterns: usize,
}

impl Budget {
    pub(super) fn condition(&mut self) -> Result<()> {
        take(&mut self.conditions, 1, MAX_CONDITIONS, "conditions")
    }

    pub(super) fn values(&mut self, count: usize) -> Result<()> {
        take(&mut self.values, count, MAX_VALUES, "values in lists")
    }

    pub(super) fn pattern(&mut self) -> Result<()> {
        take(&mut self.patterns, 1, MAX_PATTERNS, "patterns")
    }
}

fn take(used: &mut usize, count: usize, limit: usize, what: &str) -> Result<()> {
    *used = used.saturating_add(count);
    if *used <= limit {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Invalid, "read a selector", format!("there are too many {what}"))
        .with("limit", limit)
        .hint("ask in several smaller selectors"))
}
