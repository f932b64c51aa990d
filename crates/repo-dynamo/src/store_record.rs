//! The store's own record: reading and changing it.

use repo_core::Result;
use repo_core::strategy::{StoreRecord, StoreUpdate, check_job, check_new_id};

use crate::shared::Shared;

impl Shared {
    pub(crate) async fn store_record(&self) -> Result<StoreRecord> {
        let operation = "read the store's record";
        self.check_open(operation)?;
        let found = self.read_definition(operation).await?;
        Ok(self.shown(&found.map(|found| found.definition).unwrap_or_default()))
    }

    pub(crate) async fn update_store_record(&self, update: StoreUpdate) -> Result<StoreRecord> {
        let operation = "update the store's record";
        self.check_writable(operation)?;
        if let StoreUpdate::RaiseFloor { collection, .. } = &update
            && self.loaded_table(collection).await.is_none()
        {
            self.fresh_table(operation, collection).await?;
        }
        let definition = self
            .change_definition(operation, |definition| {
                update.check_role(&definition.role, &self.location, self.options.works_for)?;
                match &update {
                    StoreUpdate::RaiseFloor { collection, floor } => {
                        let found = self.own_collection(definition, collection);
                        let found = found.ok_or_else(|| self.unknown(operation, collection))?;
                        found.floor = found.floor.max(*floor);
                        Ok(())
                    }
                    StoreUpdate::Job { expected, job } => {
                        check_job(definition.job.as_ref(), expected.as_ref())?;
                        definition.job.clone_from(job);
                        Ok(())
                    }
                    // They take more than one change: see `feed`, `history` and `role`.
                    StoreUpdate::HoldCapture(_)
                    | StoreUpdate::ReleaseCapture(_)
                    | StoreUpdate::Role(_)
                    | StoreUpdate::History { .. } => Ok(()),
                    StoreUpdate::Id { expected, id } => {
                        check_new_id(definition.id, definition.job.as_ref(), *expected)?;
                        definition.id = Some(*id);
                        Ok(())
                    }
                }
            })
            .await?;
        Ok(self.shown(&definition))
    }
}
