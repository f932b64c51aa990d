//! Where a store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use repo_core::{Error, ErrorKind, Result};

/// The place of a store, as it is written in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Folder(PathBuf),
    S3(S3Location),
}

/// A bucket, and a prefix in it that may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Location {
    bucket: String,
    prefix: String,
}

impl S3Location {
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{separator}{}", self.bucket, self.prefix)
    }
}

impl FromStr for Location {
    type Err = Error;

    // The text is not repeated in errors: somebody may have put a secret into it.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("s3://") {
            return s3(rest).map(Self::S3);
        }
        if text.starts_with("gs://") {
            let message = "blobs in Google Cloud Storage are not offered: that it keeps what is \
                           there when two write at once could not be proved";
            return Err(Error::new(ErrorKind::Unsupported, "open", message)
                .hint("use a folder, or storage that speaks S3"));
        }
        let path = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:"));
        if path.is_none() && text.contains("://") {
            return Err(refuse("there is no store of blobs of this kind"));
        }
        let path = path.unwrap_or(text);
        if path.is_empty() || path.contains('\0') {
            return Err(refuse("the folder has no name"));
        }
        // `file://srv/blobs` names a host, which is a slip of the pen.
        if text.starts_with("file://") && !path.starts_with('/') {
            return Err(refuse("a URL of a folder has one slash or three"));
        }
        Ok(Self::Folder(PathBuf::from(path)))
    }
}

fn s3(rest: &str) -> Result<S3Location> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let in_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(in_name) {
        return Err(refuse("the name of a bucket has 3 to 63 of a-z, 0-9, '.' and '-'"));
    }
    let prefix = prefix.trim_end_matches('/');
    let in_prefix = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let good = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(in_prefix);
    if !prefix.is_empty() && !prefix.split('/').all(good) || prefix.len() > 512 {
        return Err(refuse(
            "a prefix is names of a-z, A-Z, 0-9, '.', '-' and '_', between slashes",
        ));
    }
    Ok(S3Location { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

fn refuse(message: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "open", message)
        .hint("a store of blobs is a folder, file:/FOLDER, s3://BUCKET or s3://BUCKET/PREFIX")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str) -> Location {
        Location::Folder(PathBuf::from(path))
    }

    #[test]
    fn a_location_is_a_folder_or_a_bucket() {
        let parse = |text: &str| text.parse::<Location>().unwrap();
        assert_eq!(parse("/srv/blobs"), folder("/srv/blobs"));
        assert_eq!(parse("blobs"), folder("blobs"));
        assert_eq!(parse("file:/srv/blobs"), folder("/srv/blobs"));
        assert_eq!(parse("file:blobs"), folder("blobs"));
        assert_eq!(parse("file:///srv/blobs"), folder("/srv/blobs"));
        for text in ["s3://my-bucket", "s3://my.bucket/a/B_c-d.e"] {
            let Location::S3(location) = parse(text) else { panic!("{text}") };
            assert_eq!(location.to_string(), text);
        }
    }

    #[test]
    fn others_are_refused_without_repeating_them() {
        let refused = [
            "",
            "file:",
            "file://srv/blobs",
            "s3://",
            "s3://me:hunter2@bucket",
            "s3://bucket/a?key=hunter2",
            "s3://bucket/../x",
            "s3://bucket//x",
            "s3://Bucket",
            "azure://hunter2",
        ];
        for text in refused {
            let error = text.parse::<Location>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        let error = "gs://bucket".parse::<Location>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
