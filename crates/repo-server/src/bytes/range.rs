//! The header `Range`.

use axum::http::{HeaderMap, header};
use repo_blob::ByteRange;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Everything.
    Whole,
    /// A range.
    Part(ByteRange),
    /// A range that no content has.
    Nothing,
}

/// Reads the header. What is no range of bytes, and several ranges at once, are not looked at:
/// the answer is the whole, as RFC 9110 allows. A range that is meant for another `etag`
/// (`If-Range`) is none.
#[must_use]
pub fn asked(headers: &HeaderMap, etag: &str) -> Asked {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return Asked::Whole };
    if text(header::IF_RANGE).is_some_and(|given| given != etag) {
        return Asked::Whole;
    }
    let Some(spec) = range.strip_prefix("bytes=") else { return Asked::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Asked::Whole };
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More than any content has.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first, last) {
        ("", last) => match number(last) {
            Some(0) => Asked::Nothing,
            Some(count) => ByteRange::last(count).map_or(Asked::Whole, Asked::Part),
            None => Asked::Whole,
        },
        (first, "") => {
            number(first).map_or(Asked::Whole, |first| Asked::Part(ByteRange::from(first)))
        }
        (first, last) => match (number(first), number(last)) {
            // The other way round it is no range at all.
            (Some(first), Some(last)) => {
                ByteRange::between(first, last.saturating_add(1)).map_or(Asked::Whole, Asked::Part)
            }
            _ => Asked::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str, if_range: Option<&str>) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, tag.parse().unwrap());
        }
        asked(&headers, "\"a\"")
    }

    #[test]
    fn ranges_of_every_form() {
        let part = |range: repo_core::Result<ByteRange>| Asked::Part(range.unwrap());
        assert_eq!(of("bytes=2-4", None), part(ByteRange::between(2, 5)));
        assert_eq!(of("bytes=2-", None), Asked::Part(ByteRange::from(2)));
        assert_eq!(of("bytes=-3", None), part(ByteRange::last(3)));
        assert_eq!(of("bytes=-0", None), Asked::Nothing);
        assert_eq!(of("bytes=2-", Some("\"a\"")), Asked::Part(ByteRange::from(2)));
        assert_eq!(of("bytes=2-", Some("\"b\"")), Asked::Whole);
        let last = u64::MAX;
        assert_eq!(of("bytes=99999999999999999999-", None), Asked::Part(ByteRange::from(last)));
        for whole in ["bytes=", "bytes=a-b", "bytes=4-2", "bytes=1-2,4-5", "lines=1-2", "bytes=--1"]
        {
            assert_eq!(of(whole, None), Asked::Whole, "{whole}");
        }
    }
}
