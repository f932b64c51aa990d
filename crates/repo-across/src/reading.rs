//! Reading intents and markers.

use repo_core::strategy::{Record, StorageStrategy, StorageStrategyExt as _};
use repo_core::{EntityId, Key, Result};
use serde::de::DeserializeOwned;

use crate::across::Across;
use crate::intent_id::IntentId;
use crate::keys::{MARKERS, collection, intent_key, marker_key};
use crate::plan::Seen;
use crate::stored::{Intent, Known, Marker};

impl Across {
    /// A commit as it stands. The intent is read first: of a marker that is read later it is
    /// known that the intent had not gone before.
    pub(crate) async fn look(&self, id: IntentId) -> Result<Seen> {
        let intent = self.intent(id).await?;
        let marker = self.marker(id).await?;
        Ok(Seen { intent, marker })
    }

    pub(crate) async fn intent(&self, id: IntentId) -> Result<Option<Known<Intent>>> {
        read_one(&*self.first, &intent_key(id)?).await
    }

    pub(crate) async fn marker(&self, id: IntentId) -> Result<Option<Known<Marker>>> {
        read_one(&*self.second, &marker_key(id)?).await
    }

    /// The markers of these intents, by one request; beside each what is wrong with it.
    pub(crate) async fn markers(
        &self,
        of: &[Known<Intent>],
    ) -> Result<Vec<Result<Option<Known<Marker>>>>> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Result<Vec<EntityId>> = of.iter().map(|one| one.value.id.entity_id()).collect();
        let records = self.second.get_many(&collection(MARKERS)?, &ids?).await?;
        let read = |record: Option<Record>| {
            record.and_then(Record::into_live).as_ref().map(Known::read).transpose()
        };
        Ok(records.into_iter().map(read).collect())
    }
}

async fn read_one<T: DeserializeOwned>(
    store: &dyn StorageStrategy,
    key: &Key,
) -> Result<Option<Known<T>>> {
    let entity = store.get(&key.collection, &key.id).await?;
    entity.as_ref().map(Known::read).transpose()
}
