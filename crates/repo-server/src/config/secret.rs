//! The secret that signs URLs and tokens.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use repo_core::{Error, ErrorKind, Result};

/// The file that holds it, in the folder for data.
const FILE: &str = "secret";
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=128;

/// The secret that signs URLs and tokens. It is shown nowhere.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Secret {
    /// The configured one, or that of the file in the folder for data, which is made where
    /// it is missing and is readable by its owner alone.
    ///
    /// # Errors
    /// `ConfigInvalid` for one that is too short or too long; `Unavailable` where the file
    /// cannot be read or made.
    pub fn load(configured: Option<&str>, data: &Path) -> Result<Self> {
        match configured {
            Some(text) => Self::new(text.as_bytes().to_vec())
                .map_err(|error| error.with("at", "server.secret")),
            None => Self::in_file(&data.join(FILE)),
        }
    }

    fn new(bytes: Vec<u8>) -> Result<Self> {
        if LENGTHS.contains(&bytes.len()) {
            return Ok(Self(bytes));
        }
        let why = "the secret of the server has 32 to 128 characters";
        Err(Error::new(ErrorKind::ConfigInvalid, "start", why))
    }

    fn in_file(file: &Path) -> Result<Self> {
        let failed = |source: io::Error| {
            Error::new(ErrorKind::Unavailable, "start", "the file of the secret cannot be used")
                .with("file", file.display())
                .with("reason", &source)
                .caused_by(source)
        };
        match fs::read_to_string(file) {
            Ok(text) => {
                let named = |error: Error| error.with("file", file.display());
                Self::new(text.trim().as_bytes().to_vec()).map_err(named)
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                make(file).map_err(failed)?;
                // Another server may have been quicker: what stands there now counts.
                let text = fs::read_to_string(file).map_err(failed)?;
                Self::new(text.trim().as_bytes().to_vec())
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// A key for one purpose, so that what is signed for one is of no use for another.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.0)
    }
}

/// Writes a new secret under a name of its own, and links it to its place: a reader sees a
/// whole one or none.
fn make(file: &Path) -> io::Result<()> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(io::Error::other)?;
    let draft = file.with_extension(BASE64_URL_SAFE_NO_PAD.encode(name));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut made = options.open(&draft)?;
    let written = made
        .write_all(BASE64_URL_SAFE_NO_PAD.encode(bytes).as_bytes())
        .and_then(|()| made.sync_all())
        .and_then(|()| match fs::hard_link(&draft, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = fs::remove_file(&draft);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secret::load(None, folder.path()).unwrap();
        let second = Secret::load(None, folder.path()).unwrap();
        assert_eq!(first.derive("a"), second.derive("a"));
        assert_ne!(first.derive("a"), first.derive("b"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(format!("{first:?}"), "Secret(hidden)");
    }

    #[test]
    fn a_short_secret_is_refused_and_not_shown() {
        let error = Secret::load(Some("hunter2"), Path::new("/")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
