//! New ids.

use repo_core::{EntityId, Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};
use uuid::Builder;

/// A random id, a UUID of version 4.
///
/// # Errors
/// `Unavailable` if the operating system gives no random bytes.
pub fn new_id() -> Result<EntityId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|source| {
        let why = "the operating system gives no random bytes";
        Error::new(ErrorKind::Unavailable, "make an id", why).caused_by(source)
    })?;
    EntityId::new(&Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// The id that belongs to the key of a request, for one owner: the same each time, so that a
/// request that is made again finds what it made before. A UUID of version 8.
///
/// # Errors
/// None in practice.
pub fn derived_id(owner: &str, key: &str) -> Result<EntityId> {
    let mut hash = Sha256::new();
    hash.update((owner.len() as u64).to_be_bytes());
    hash.update(owner);
    hash.update(key);
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    EntityId::new(&Builder::from_custom_bytes(bytes).into_uuid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_owner_is_another_id() {
        assert_eq!(derived_id("a", "b").unwrap(), derived_id("a", "b").unwrap());
        assert_ne!(derived_id("a", "bc").unwrap(), derived_id("ab", "c").unwrap());
        assert_ne!(new_id().unwrap(), new_id().unwrap());
    }
}
