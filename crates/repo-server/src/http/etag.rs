//! ETags are versions: `"3"`.

use std::fmt;

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use repo_core::Version;

use super::error::ApiError;

/// The ETag of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ETag(pub Version);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl From<ETag> for HeaderValue {
    fn from(tag: ETag) -> Self {
        // Quotes and digits.
        Self::from_str(&tag.to_string()).unwrap_or_else(|_| Self::from_static("\"\""))
    }
}

/// What `If-Match` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing was asked.
    Absent,
    /// `*`: there is a document.
    Any,
    /// It has one of these versions. None of them is one that cannot be.
    Versions(Vec<Version>),
}

/// What `If-None-Match` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// Nothing was asked.
    Absent,
    /// `*`: there is no document.
    Any,
    /// It has none of these versions.
    Versions(Vec<Version>),
}

impl IfMatch {
    /// Reads the header.
    ///
    /// # Errors
    /// 400 for what is no list of ETags.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        Ok(match tags(headers, &IF_MATCH)? {
            None => Self::Absent,
            Some(Tags::Any) => Self::Any,
            // A weak tag never matches here (RFC 9110, 13.1.1).
            Some(Tags::List(tags)) => Self::Versions(
                tags.iter().filter(|tag| !tag.weak).filter_map(|tag| tag.version).collect(),
            ),
        })
    }
}

impl IfNoneMatch {
    /// Reads the header.
    ///
    /// # Errors
    /// 400 for what is no list of ETags.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        Ok(match tags(headers, &IF_NONE_MATCH)? {
            None => Self::Absent,
            Some(Tags::Any) => Self::Any,
            Some(Tags::List(tags)) => {
                Self::Versions(tags.iter().filter_map(|tag| tag.version).collect())
            }
        })
    }
}

enum Tags {
    Any,
    List(Vec<Tag>),
}

struct Tag {
    weak: bool,
    /// `None` for a tag that is not one of ours.
    version: Option<Version>,
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, ApiError> {
    let bad = || {
        ApiError::bad_request(format!("{name} is not a list of ETags"))
            .remedy(format!("an ETag is a version in quotes, such as {name}: \"3\""))
    };
    let mut list = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| bad())?.trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        for part in text.split(',') {
            list.push(tag(part.trim()).ok_or_else(bad)?);
        }
    }
    Ok(if list.is_empty() { None } else { Some(Tags::List(list)) })
}

fn tag(text: &str) -> Option<Tag> {
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('"') {
        return None;
    }
    // One version has one text: `"03"` is none.
    let version = inner.parse().ok().and_then(|number| Version::new(number).ok());
    Some(Tag { weak, version: version.filter(|version| version.to_string() == inner) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(text: &str) -> Result<IfMatch, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, text.parse().unwrap());
        IfMatch::of(&headers)
    }

    fn versions(numbers: &[u64]) -> IfMatch {
        IfMatch::Versions(numbers.iter().map(|&number| Version::new(number).unwrap()).collect())
    }

    #[test]
    fn lists_weak_tags_and_strange_ones() {
        assert_eq!(if_match("*").unwrap(), IfMatch::Any);
        assert_eq!(if_match("\"1\", \"22\"").unwrap(), versions(&[1, 22]));
        assert_eq!(if_match("W/\"1\"").unwrap(), versions(&[]));
        for strange in ["\"abc\"", "\"0\"", "\"03\"", "\"-1\"", "\"99999999999999999999\""] {
            assert_eq!(if_match(strange).unwrap(), versions(&[]), "{strange}");
        }
        for bad in ["1", "\"1", "", "\"1\" \"2\"", "W/1"] {
            assert!(if_match(bad).is_err(), "{bad}");
        }
        assert_eq!(IfMatch::of(&HeaderMap::new()).unwrap(), IfMatch::Absent);
    }
}
