//! Reading what is stored, also where its time to live has passed.

tokio::task_local! {
    static AS_STORED: ();
}

/// Makes reads and writes in `work` see what is stored: also entities whose time to live has
/// passed, which a layer around the store keeps out of sight otherwise. It is for what copies,
/// compares, sweeps and erases records; a copy that left some out would let versions fall.
///
/// It is for what `work` awaits itself. Tasks that `work` spawns read as ever. A scan shows what
/// is stored if it begins within.
///
/// ```
/// # use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _, as_stored};
/// # use repo_core::{Entity, Key, Result};
/// # async fn run(store: &dyn StorageStrategy, key: &Key) -> Result<Option<Entity>> {
/// as_stored(store.get(&key.collection, &key.id)).await
/// # }
/// ```
pub async fn as_stored<T>(work: impl Future<Output = T>) -> T {
    AS_STORED.scope((), work).await
}

/// For layers: whether a read or write is made within [`as_stored`].
#[must_use]
pub fn is_as_stored() -> bool {
    AS_STORED.try_with(|()| ()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_counts_within_and_nowhere_else() {
        let seen = async || is_as_stored();
        assert!(!seen().await);
        assert!(as_stored(seen()).await);
        let spawned = as_stored(async { tokio::spawn(async { is_as_stored() }).await });
        assert!(!spawned.await.unwrap());
        assert!(!seen().await);
    }
}
