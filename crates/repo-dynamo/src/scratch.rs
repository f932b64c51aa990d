//! Removing the tables of a prefix under which something was tried.

use aws_sdk_dynamodb::types::{TableDescription, TableStatus};
use repo_core::strategy::{OpenOptions, Scratch};
use repo_core::{ErrorKind, Result};

use crate::client;
use crate::config::DynamoSettings;
use crate::layout::table_name;
use crate::retry::{PATIENCE, patiently};
use crate::shared::Shared;
use crate::strategy::DynamoStrategy;
use crate::tables::is_active;

const OPERATION: &str = "remove a scratch place";

impl DynamoStrategy {
    /// Removes the tables of a scratch place. Safe to repeat.
    ///
    /// # Errors
    /// As [`open`](Self::open), and `PermissionDenied` for a user that may not delete tables.
    pub(crate) async fn remove_scratch(scratch: &Scratch) -> Result<()> {
        let Some(name) = scratch.name_on_server() else { return Ok(()) };
        let mut settings = DynamoSettings::read(scratch.settings())?;
        // What is removed has the name of a scratch place, whatever the settings say.
        name.clone_into(&mut settings.table_prefix);
        let config = client::load(&settings).await?;
        let shared = Self::connect(&config, settings, OpenOptions::default(), PATIENCE).await?;
        shared.remove_tables().await.map_err(|error| {
            error.with("prefix", name).hint("delete the tables of this prefix: nothing needs them")
        })
    }
}

impl Shared {
    /// Removes each table that the store's record names, and its own table last: a call that
    /// was broken off is repeated by what that says.
    async fn remove_tables(&self) -> Result<()> {
        let found = self.read_definition(OPERATION).await?;
        let prefix = &self.settings.table_prefix;
        let mut tables = vec![self.feed_table.clone(), self.versions_table.clone()];
        if let Some(found) = found {
            let named = found.definition.collections.keys().chain(found.definition.loads.keys());
            tables.extend(named.map(|collection| table_name(prefix, collection)));
        }
        tables.push(self.store_table.clone());
        for table in tables {
            self.remove_table(&table).await?;
        }
        Ok(())
    }

    /// Removes a table, if it is there. One that is still being made is waited for: DynamoDB
    /// removes none before.
    async fn remove_table(&self, table: &str) -> Result<()> {
        match self.describe(OPERATION, table).await? {
            None => return Ok(()),
            Some(found) if is_deleted(&found) => return Ok(()),
            Some(found) if !is_active(&found) => self.wait_for(table, is_active).await?,
            Some(_) => {}
        }
        let scene = self.repeatable(OPERATION, table);
        let removed = patiently(self.patience, || async {
            let request = self.client.delete_table().table_name(table);
            request.send().await.map(drop).map_err(|error| scene.failure(&error))
        });
        match removed.await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether a table is already being removed.
fn is_deleted(table: &TableDescription) -> bool {
    table.table_status == Some(TableStatus::Deleting)
}
