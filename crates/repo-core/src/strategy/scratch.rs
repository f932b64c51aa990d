//! A place of its own beside a store, in which something is tried and which is then removed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::strategy::StoreId;
use crate::{Error, ErrorKind, Result};

const OPERATION: &str = "make a scratch place";

/// What every name of a scratch place begins with, in whatever medium.
const PREFIX: &str = "repo_scratch_";

/// Who can share a store, by where its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Programs of this machine: the bytes are in its memory or in its files.
    Machine,
    /// Programs of any machine: the bytes are on a server.
    Network,
}

/// A place of its own for trying what a store can do: of the same kind and in the same medium
/// as the store that it was made for, and apart from it. It has a random name that nothing
/// else has. Made by [`StrategyFactory::scratch`](crate::strategy::StrategyFactory::scratch),
/// removed by [`remove_scratch`](crate::strategy::StrategyFactory::remove_scratch).
pub struct Scratch {
    settings: Json,
    made: Made,
}

/// What is removed in the end.
#[derive(Debug)]
enum Made {
    Nothing,
    Folder(PathBuf),
    OnServer(String),
}

impl fmt::Debug for Scratch {
    /// Without the settings: they may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scratch").field(&self.made).finish()
    }
}

impl Scratch {
    /// A place in the memory of this process, of which nothing is left once it is closed.
    #[must_use]
    pub fn in_memory(settings: Json) -> Self {
        Self { settings, made: Made::Nothing }
    }

    /// A new, empty folder beside `path`, on the same file system, or beside the nearest
    /// folder above it that is there. `settings` makes those of a store within the folder.
    ///
    /// # Errors
    /// `PermissionDenied` or `Unavailable` when the folder cannot be made; `Unsupported` for
    /// a path that is not Unicode.
    pub fn in_folder_beside(path: &Path, settings: impl FnOnce(&str) -> Json) -> Result<Self> {
        let parent = existing_parent(path);
        let folder = parent.join(format!(".{}", new_name()?));
        let Some(text) = folder.to_str() else {
            let why = "the path is not Unicode";
            return Err(
                Error::new(ErrorKind::Unsupported, OPERATION, why).with("path", folder.display())
            );
        };
        let settings = settings(text);
        // Fails where something is: what is removed later is ours.
        std::fs::create_dir(&folder).map_err(|source| failed(OPERATION, &folder, source))?;
        Ok(Self { settings, made: Made::Folder(folder) })
    }

    /// A place on a server. `settings` is given its name and makes those of a store there.
    /// Nothing is made: the strategy makes it when the store is prepared, and removes what has
    /// [the name](Self::name_on_server).
    ///
    /// # Errors
    /// `Unavailable` when the system gives no random bytes.
    pub fn on_server(settings: impl FnOnce(&str) -> Json) -> Result<Self> {
        let name = new_name()?;
        Ok(Self { settings: settings(&name), made: Made::OnServer(name) })
    }

    /// The settings that open a store there. They may hold a password.
    #[must_use]
    pub fn settings(&self) -> &Json {
        &self.settings
    }

    /// Who could share a store of this kind.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.made {
            Made::Nothing | Made::Folder(_) => Reach::Machine,
            Made::OnServer(_) => Reach::Network,
        }
    }

    /// Its name on its server: 45 lower-case letters, digits and `_`.
    #[must_use]
    pub fn name_on_server(&self) -> Option<&str> {
        match &self.made {
            Made::OnServer(name) => Some(name),
            Made::Nothing | Made::Folder(_) => None,
        }
    }

    /// Removes its folder, where it has one. Safe to repeat.
    ///
    /// # Errors
    /// `PermissionDenied` or `Unavailable`, with the folder.
    pub fn remove_folder(&self) -> Result<()> {
        let Made::Folder(folder) = &self.made else { return Ok(()) };
        match std::fs::remove_dir_all(folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove a scratch place", folder, source)
                    .hint("remove the folder: nothing needs it"))
            }
            _ => Ok(()),
        }
    }
}

/// A name that nobody else has: the prefix and 32 hexadecimal digits.
fn new_name() -> Result<String> {
    Ok(format!("{PREFIX}{}", StoreId::random()?))
}

/// The nearest folder above `path` that is there; the working folder, if none is named.
fn existing_parent(path: &Path) -> &Path {
    let above = path.ancestors().skip(1).find(|folder| folder.is_dir());
    above.unwrap_or(Path::new("."))
}

fn failed(operation: &'static str, folder: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, operation, "the folder cannot be changed")
        .with("folder", folder.display())
        .with("reason", &source)
        .caused_by(source)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_stands_beside_the_store_and_goes_with_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let store = home.path().join("not/yet/there");
        let made = Scratch::in_folder_beside(&store, |folder| json!({ "at": folder })).unwrap();
        let folder = PathBuf::from(made.settings()["at"].as_str().unwrap());
        assert_eq!(folder.parent(), Some(home.path()));
        assert_eq!(made.reach(), Reach::Machine);
        std::fs::write(folder.join("x"), "x").unwrap();
        made.remove_folder().unwrap();
        made.remove_folder().unwrap();
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_on_a_server_fits_every_server_and_is_never_the_same() {
        let made = || Scratch::on_server(|name| json!({ "schema": name })).unwrap();
        let (one, other) = (made(), made());
        let name = one.name_on_server().unwrap();
        assert_ne!(Some(name), other.name_on_server());
        assert_eq!((name.len(), one.settings()), (45, &json!({ "schema": name })));
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        );
        assert_eq!(one.reach(), Reach::Network);
    }

    #[test]
    fn what_is_printed_of_it_has_no_password() {
        let made = Scratch::on_server(|_| json!({ "password": "hunter2" })).unwrap();
        assert!(!format!("{made:?}").contains("hunter2"));
    }
}
