//! Which bytes of a blob are read.

use std::num::NonZeroU64;
use std::ops::Range;

use repo_core::{Error, ErrorKind, Result};

/// A range of bytes, as HTTP knows it. It is never empty.
///
/// ```
/// use repo_blob::ByteRange;
///
/// assert_eq!(ByteRange::between(2, 5)?.resolve(10)?, 2..5);
/// assert_eq!(ByteRange::between(2, 50)?.resolve(10)?, 2..10);
/// assert_eq!(ByteRange::last(4)?.resolve(10)?, 6..10);
/// assert!(ByteRange::from(10).resolve(10).is_err());
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange(Form);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    From(u64),
    Between { start: u64, length: NonZeroU64 },
    Last(NonZeroU64),
}

impl ByteRange {
    /// All bytes; there may be none.
    pub const WHOLE: Self = Self(Form::Whole);

    /// All bytes from this one on, counted from 0.
    #[must_use]
    pub const fn from(start: u64) -> Self {
        Self(Form::From(start))
    }

    /// The bytes from `start` to before `end`. Where the blob ends before, the range ends
    /// with it.
    ///
    /// # Errors
    /// `Invalid` unless `start < end`.
    pub fn between(start: u64, end: u64) -> Result<Self> {
        let length = end.checked_sub(start).and_then(NonZeroU64::new);
        length.map(|length| Self(Form::Between { start, length })).ok_or_else(|| {
            empty("a range ends after it begins").with("start", start).with("end", end)
        })
    }

    /// The last bytes; of a shorter blob, all.
    ///
    /// # Errors
    /// `Invalid` for none.
    pub fn last(count: u64) -> Result<Self> {
        NonZeroU64::new(count)
            .map(|count| Self(Form::Last(count)))
            .ok_or_else(|| empty("a range has one byte at least"))
    }

    /// Whether all bytes are meant.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.0 == Form::Whole
    }

    /// The bytes of a blob of `size` bytes that are meant.
    ///
    /// # Errors
    /// `Invalid` if the blob has none of them, with its `size` in the context: what HTTP
    /// answers with 416.
    pub fn resolve(self, size: u64) -> Result<Range<u64>> {
        let range = match self.0 {
            Form::Whole => return Ok(0..size),
            Form::From(start) => start..size,
            Form::Between { start, length } => start..start.saturating_add(length.get()).min(size),
            Form::Last(count) => size.saturating_sub(count.get())..size,
        };
        if range.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "get", "the blob ends before the range")
                .with("start", range.start)
                .with("size", size));
        }
        Ok(range)
    }
}

fn empty(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, "range", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_is_what_a_slice_of_it_is(size in 0_u64..40, a in 0_u64..50, b in 0_u64..50) {
            let all: Vec<u64> = (0..size).collect();
            let meant = |range: ByteRange| range.resolve(size).ok().map(|range| range.collect());
            let some = |meant: Vec<u64>| (!meant.is_empty()).then_some(meant);

            let from: Vec<u64> = all.iter().copied().filter(|byte| *byte >= a).collect();
            prop_assert_eq!(meant(ByteRange::from(a)), some(from.clone()));
            match ByteRange::between(a, b) {
                Ok(range) => {
                    let between = from.into_iter().filter(|byte| *byte < b).collect();
                    prop_assert_eq!(meant(range), some(between));
                }
                Err(error) => {
                    prop_assert!(a >= b);
                    prop_assert_eq!(error.kind(), ErrorKind::Invalid);
                }
            }
            match ByteRange::last(a) {
                Ok(range) => {
                    let skipped = size.saturating_sub(a) as usize;
                    let last = all.iter().copied().skip(skipped).collect();
                    prop_assert_eq!(meant(range), some(last));
                }
                Err(_) => prop_assert_eq!(a, 0),
            }
            prop_assert_eq!(meant(ByteRange::WHOLE), Some(all));
        }

        #[test]
        fn no_range_overflows(start: u64, end: u64, size: u64) {
            let (from, between) = (ByteRange::from(start), ByteRange::between(start, end));
            for range in [Ok(from), between, ByteRange::last(end)].into_iter().flatten() {
                match range.resolve(size) {
                    Ok(range) => prop_assert!(range.start < range.end && range.end <= size),
                    Err(error) => {
                        let size = size.to_string();
                        prop_assert_eq!(error.context_value("size"), Some(&*size));
                    }
                }
            }
        }
    }
}
