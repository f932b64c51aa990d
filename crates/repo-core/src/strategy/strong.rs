//! Reads that are strong through whatever keeps what was read.

tokio::task_local! {
    static STRONG: ();
}

/// Makes every read by key in `work` strong: it sees all acknowledged writes, also
/// those of other handles. All stores read so anyway; it matters where
/// [`Capabilities::max_read_age_ms`](crate::strategy::Capabilities::max_read_age_ms) is
/// set, because a layer around the store keeps what was read.
///
/// It is for what `work` awaits itself, through repositories and transactions too. Tasks
/// that `work` spawns read as ever.
///
/// ```
/// # use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _, strong_reads};
/// # use repo_core::{Entity, Key, Result};
/// # async fn run(store: &dyn StorageStrategy, key: &Key) -> Result<Option<Entity>> {
/// strong_reads(store.get(&key.collection, &key.id)).await
/// # }
/// ```
pub async fn strong_reads<T>(work: impl Future<Output = T>) -> T {
    STRONG.scope((), work).await
}

/// For layers: whether the read that is being made is one of [`strong_reads`].
#[must_use]
pub fn reads_are_strong() -> bool {
    STRONG.try_with(|()| ()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_are_strong_within_and_nowhere_else() {
        let seen = async || reads_are_strong();
        assert!(!seen().await);
        assert!(strong_reads(seen()).await);
        assert!(strong_reads(strong_reads(seen())).await);
        let spawned = strong_reads(async { tokio::spawn(async { reads_are_strong() }).await });
        assert!(!spawned.await.unwrap());
        assert!(!seen().await);
    }
}
