//! The header `Content-Range` of an upload.

use axum::http::{HeaderMap, header};

use crate::http::ApiError;

/// Which part of the whole a request brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: there is no such header.
    All,
    /// Bytes from `first` on, `length` of them.
    Bytes {
        /// The first one.
        first: u64,
        /// How many.
        length: u64,
        /// How many the whole has, where that is known.
        total: Option<u64>,
    },
    /// None: it asks how far the upload is, and may say that the whole has this size.
    Ask {
        /// How many the whole has, where that is known.
        total: Option<u64>,
    },
}

impl Part {
    /// Reads the header.
    ///
    /// # Errors
    /// 400 for what is no range of bytes.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(header::CONTENT_RANGE) else { return Ok(Self::All) };
        value.to_str().ok().and_then(parse).ok_or_else(|| {
            ApiError::bad_request("Content-Range is no range of bytes")
                .remedy("send `bytes FIRST-LAST/TOTAL`, or `bytes */TOTAL`")
        })
    }
}

fn parse(text: &str) -> Option<Part> {
    let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let total = if total == "*" { None } else { Some(number(total)?) };
    if range == "*" {
        return Some(Part::Ask { total });
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    if total.is_some_and(|total| last >= total) {
        return None;
    }
    Some(Part::Bytes { first, length, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_and_nothing_else() {
        let bytes = |first, length, total| Some(Part::Bytes { first, length, total });
        assert_eq!(parse("bytes 0-8388607/20971527"), bytes(0, 8_388_608, Some(20_971_527)));
        assert_eq!(parse("bytes 5-5/*"), bytes(5, 1, None));
        assert_eq!(parse("bytes */0"), Some(Part::Ask { total: Some(0) }));
        assert_eq!(parse("bytes */*"), Some(Part::Ask { total: None }));
        let bad = [
            "",
            "bytes",
            "bytes 1-0/5",
            "bytes 0-5/5",
            "bytes -1-2/5",
            "bytes 0-1",
            "0-1/2",
            "bytes 0-18446744073709551615/*",
            "bytes 0-1/99999999999999999999999",
        ];
        for text in bad {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
