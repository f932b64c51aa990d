//! The level of consistency of reads that do not say it themselves, and the check of
//! tokens.

use crate::strategy::{StorageStrategy, StoreId};
use crate::{Consistency, Error, ErrorKind, Result, Token};

tokio::task_local! {
    static LEVEL: Option<Consistency>;
}

/// Makes reads in `work` of this level: all by key, and each query, count, aggregation and
/// scan that asks for [`Eventual`](Consistency::Eventual) itself. What asks for another
/// level has that one. Of two scopes the inner one counts. Outside of any, reads by key are
/// strong, as far as
/// [`Capabilities::max_read_age_ms`](crate::strategy::Capabilities::max_read_age_ms) says.
///
/// It is for what `work` awaits itself, through repositories, transactions and layers too.
/// Tasks that `work` spawns read as ever. A scan has the level that counts where it begins.
///
/// ```
/// # use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _, with_consistency};
/// # use repo_core::{Consistency, Entity, Key, Result};
/// # async fn run(store: &dyn StorageStrategy, key: &Key, token: &str) -> Result<Option<Entity>> {
/// let level = Consistency::AtLeast(token.parse()?);
/// with_consistency(level, store.get(&key.collection, &key.id)).await
/// # }
/// ```
pub async fn with_consistency<T>(level: Consistency, work: impl Future<Output = T>) -> T {
    within(Some(level), work).await
}

/// For layers that read once for several callers: reads in `work` are of this level,
/// whatever scope it is polled in; `None`: as outside of any.
pub async fn within<T>(level: Option<Consistency>, work: impl Future<Output = T>) -> T {
    LEVEL.scope(level, work).await
}

/// Makes reads in `work` strong, as [`with_consistency`] does: they see all acknowledged
/// writes, also those of other handles. All stores read so by key anyway; it matters where
/// [`Capabilities::max_read_age_ms`](crate::strategy::Capabilities::max_read_age_ms) is
/// set, because a layer around the store keeps what was read.
///
/// ```
/// # use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _, strong_reads};
/// # use repo_core::{Entity, Key, Result};
/// # async fn run(store: &dyn StorageStrategy, key: &Key) -> Result<Option<Entity>> {
/// strong_reads(store.get(&key.collection, &key.id)).await
/// # }
/// ```
pub async fn strong_reads<T>(work: impl Future<Output = T>) -> T {
    with_consistency(Consistency::Strong, work).await
}

/// For layers: the level that [`with_consistency`] gives the read that is being made;
/// `None` outside of any.
#[must_use]
pub fn scoped_consistency() -> Option<Consistency> {
    LEVEL.try_with(|level| *level).ok().flatten()
}

/// For authors of strategies: the level of a read by key that is being made.
///
/// # Errors
/// `Invalid` for the token of another store; those of
/// [`store_record`](StorageStrategy::store_record) where there is a token.
pub async fn level_by_key(
    store: &dyn StorageStrategy,
    operation: &'static str,
) -> Result<Consistency> {
    level_knowing(store, operation, None, None).await
}

/// For authors of strategies: the level of another read that is being made, which asks for
/// `asked` itself.
///
/// # Errors
/// As [`level_by_key`].
pub async fn level_of(
    store: &dyn StorageStrategy,
    operation: &'static str,
    asked: Consistency,
) -> Result<Consistency> {
    level_knowing(store, operation, Some(asked), None).await
}

/// What a read that asks for a level itself is to have.
fn scoped_or(asked: Consistency) -> Consistency {
    match asked {
        Consistency::Eventual => scoped_consistency().unwrap_or(asked),
        own => own,
    }
}

/// The same for strategies that know the store's id already; `asked` is `None` for a read by
/// key. The store's record is read where a token is not of the id that is `known`.
///
/// # Errors
/// As [`level_by_key`].
pub async fn level_knowing(
    store: &dyn StorageStrategy,
    operation: &'static str,
    asked: Option<Consistency>,
    known: Option<StoreId>,
) -> Result<Consistency> {
    let level = match asked {
        None => scoped_consistency().unwrap_or(Consistency::Strong),
        Some(asked) => scoped_or(asked),
    };
    if let Consistency::AtLeast(token) = level
        && known != Some(token.store())
        && store.store_record().await?.id != Some(token.store())
    {
        return Err(token_of_another_store(operation, store.location(), &token));
    }
    Ok(level)
}

fn token_of_another_store(operation: &'static str, location: &str, token: &Token) -> Error {
    let why = "the token is of another store, which alone knows what it means";
    Error::new(ErrorKind::Invalid, operation, why)
        .with("store", location)
        .with("store_of_the_token", token.store())
        .hint("read from the store that gave the token, or take a token of this one")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Consistency = Consistency::BoundedStaleness(Duration::from_secs(1));

    #[tokio::test]
    async fn a_level_counts_within_and_nowhere_else() {
        let seen = async || scoped_consistency();
        assert_eq!(seen().await, None);
        assert_eq!(strong_reads(seen()).await, Some(Consistency::Strong));
        assert_eq!(with_consistency(SECOND, seen()).await, Some(SECOND));
        assert_eq!(strong_reads(with_consistency(SECOND, seen())).await, Some(SECOND));
        assert_eq!(strong_reads(within(None, seen())).await, None);
        let spawned = strong_reads(async { tokio::spawn(async { scoped_consistency() }).await });
        assert_eq!(spawned.await.unwrap(), None);
        assert_eq!(seen().await, None);
    }

    #[tokio::test]
    async fn what_a_read_asks_for_itself_counts_before_the_scope() {
        let asked = async |level| scoped_or(level);
        let (eventual, strong) = (Consistency::Eventual, Consistency::Strong);
        assert_eq!(asked(eventual).await, eventual);
        assert_eq!(with_consistency(SECOND, asked(eventual)).await, SECOND);
        assert_eq!(with_consistency(SECOND, asked(strong)).await, strong);
        assert_eq!(with_consistency(strong, asked(SECOND)).await, SECOND);
        assert_eq!(with_consistency(eventual, asked(eventual)).await, eventual);
    }
}
