//! What tells a store from others without a write.

use repo_core::strategy::{PhysicalIdentity, identity_of_files};
use repo_core::{Error, ErrorKind, Result};

use crate::store::Store;

/// A folder is known by its device and inode; a place in a bucket by the address of the server
/// and its name, which may not be the only one that leads there.
pub(crate) fn of(store: &Store) -> Result<PhysicalIdentity> {
    let env = &store.env;
    if let Some(folder) = env.objects.folder() {
        return identity_of_files("object", folder, []).map_err(|(path, source)| {
            let why = "the folder of the store cannot be looked at";
            Error::new(ErrorKind::Unexpected, "identify the store", why)
                .with("path", path.display())
                .with("reason", &source)
                .caused_by(source)
        });
    }
    if !store.state().exists() {
        return Ok(PhysicalIdentity::nothing("object"));
    }
    let server = env.settings.endpoint.as_deref().unwrap_or_default();
    Ok(PhysicalIdentity::new("object").holds(format!("{server} {}", env.objects.location())))
}
