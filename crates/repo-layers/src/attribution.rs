//! Who writes, said once for all writes.

use std::sync::Arc;

use repo_core::{Attribution, Result, Write, Written};

use crate::{Inner, Layer};

/// Attributes every write of a commit that says nothing itself: for a program that
/// writes in the name of one user, or during one task.
///
/// ```
/// use std::sync::Arc;
///
/// use repo_core::strategy::{HistoryState, OpenOptions, StorageStrategyExt as _, StoreUpdate};
/// use repo_core::strategy::StorageStrategy as _;
/// use repo_core::{Attribution, CollectionSchema, Document, Key, MemoryStrategy, Timestamp, Version};
/// use repo_layers::{AttributionLayer, Layer as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let store = Arc::new(MemoryStrategy::new(OpenOptions::default()));
/// let ada = Attribution::new(Some("ada"), Some("the lease has ended"))?;
/// let store = AttributionLayer::new(ada.clone()).around(store);
/// let key = Key::new("hosts".parse()?, "h".parse()?);
/// store.prepare(&[CollectionSchema::undeclared(key.collection.clone())]).await?;
/// store
///     .update_store_record(StoreUpdate::History {
///         collection: key.collection.clone(),
///         expected: None,
///         history: Some(HistoryState::new(Timestamp::from_micros(0)?)),
///     })
///     .await?;
/// store.save(key.clone(), Document::parse(r#"{"id": "h"}"#)?).await?;
/// let by = store.attributions(&key.collection, &[(key.id, Version::FIRST)]).await?;
/// assert_eq!(by, [Some(ada)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AttributionLayer(Arc<Attribution>);

impl AttributionLayer {
    /// Attributes writes so.
    #[must_use]
    pub fn new(attribution: Attribution) -> Self {
        Self(Arc::new(attribution))
    }
}

impl Layer for AttributionLayer {
    async fn commit(&self, inner: &Inner, mut writes: Vec<Write>) -> Result<Vec<Written>> {
        for write in &mut writes {
            write.attribution.get_or_insert_with(|| Arc::clone(&self.0));
        }
        inner.commit(writes).await
    }
}
