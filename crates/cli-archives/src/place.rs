//! How a blob store is written on a command line:
//! `[NAME=]PLACE[?endpoint=URL&region=NAME&credentials=PREFIX]`.

use std::str::FromStr;

/// A blob store as it was typed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PlaceArg {
    /// The name that records know it under; none for every record whose store has no other.
    pub(crate) name: Option<String>,
    /// A folder, or `s3://BUCKET/PREFIX`.
    pub(crate) location: String,
    /// Of the S3 server.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    /// How the names of the variables with the access key begin.
    pub(crate) credentials: Option<String>,
    /// Whether the bucket is a part of the host name; only a configuration says so.
    pub(crate) virtual_hosted: bool,
    pub(crate) allow_http: bool,
}

impl std::fmt::Debug for PlaceArg {
    // What was typed may hold a secret by mistake.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlaceArg").field("name", &self.name).finish_non_exhaustive()
    }
}

const HOW: &str = "a blob store is a folder or s3://BUCKET/PREFIX, with NAME= before it where \
                   records name several, and behind an s3:// one \
                   ?endpoint=URL&region=NAME&credentials=PREFIX&allow_http=true as far as needed";

impl FromStr for PlaceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) if is_word(name) => (Some(name.to_owned()), rest),
            _ => (None, text),
        };
        let (location, settings) = match rest.split_once('?') {
            Some((location, settings)) if location.starts_with("s3://") => (location, settings),
            _ => (rest, ""),
        };
        if location.is_empty() {
            return Err(HOW.to_owned());
        }
        let mut place = Self {
            name,
            location: location.to_owned(),
            endpoint: None,
            region: None,
            credentials: None,
            virtual_hosted: false,
            allow_http: false,
        };
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting.split_once('=').ok_or(HOW)?;
            match key {
                "endpoint" => place.endpoint = Some(value.to_owned()),
                "region" => place.region = Some(value.to_owned()),
                "credentials" if is_word(value) => place.credentials = Some(value.to_owned()),
                "allow_http" if value == "true" => place.allow_http = true,
                _ => return Err(HOW.to_owned()),
            }
        }
        Ok(place)
    }
}

fn is_word(text: &str) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(in_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_name_and_settings_where_it_needs_them() {
        let parse = |text: &str| text.parse::<PlaceArg>().unwrap();
        let plain = parse("blobs");
        assert_eq!((plain.name, &*plain.location), (None, "blobs"));
        let named = parse("main=/srv/blobs");
        assert_eq!((named.name.as_deref(), &*named.location), (Some("main"), "/srv/blobs"));
        let odd = parse("./a=b");
        assert_eq!((odd.name, &*odd.location), (None, "./a=b"));
        let s3 = parse("cold=s3://bucket/x?endpoint=https://h:1&region=eu&credentials=OLD");
        assert_eq!(s3.location, "s3://bucket/x");
        assert_eq!(s3.endpoint.as_deref(), Some("https://h:1"));
        assert_eq!((s3.region.as_deref(), s3.credentials.as_deref()), (Some("eu"), Some("OLD")));
        let asked = parse("what?");
        assert_eq!(asked.location, "what?");
    }

    #[test]
    fn what_is_none_is_told_without_repeating_it() {
        for text in
            ["", "main=", "s3://b?secret=hunter2", "s3://b?endpoint", "s3://b?credentials=../x"]
        {
            let told = text.parse::<PlaceArg>().unwrap_err();
            assert!(told.contains("a blob store is") && !told.contains("hunter2"), "{text}");
        }
    }
}
