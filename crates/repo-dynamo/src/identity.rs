//! What distinguishes the tables of a store from others, by any name of the endpoint.

use aws_sdk_dynamodb::types::TableDescription;
use repo_core::strategy::PhysicalIdentity;
use repo_core::{ErrorKind, Result};

use crate::layout::table_name;
use crate::shared::Shared;

const OPERATION: &str = "identify the store";

impl Shared {
    /// The ids of the store's tables; `None` where they may not be described.
    pub(crate) async fn physical_identity(&self) -> Result<Option<PhysicalIdentity>> {
        self.check_open(OPERATION)?;
        let own = match self.describe(OPERATION, &self.store_table).await {
            Ok(Some(table)) => table,
            Ok(None) => return Ok(Some(PhysicalIdentity::nothing("dynamodb"))),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut found = PhysicalIdentity::new("dynamodb").within("tables");
        let mut tables = vec![own];
        let definition = self.read_definition(OPERATION).await?;
        let definition = definition.map(|found| found.definition).unwrap_or_default();
        for name in definition.collections.keys().chain(definition.loads.keys()) {
            let table = table_name(&self.settings.table_prefix, name);
            tables.extend(self.describe(OPERATION, &table).await?);
        }
        if definition.feed.is_some() {
            tables.extend(self.describe(OPERATION, &self.feed_table).await?);
        }
        if definition.histories.is_some() {
            tables.extend(self.describe(OPERATION, &self.versions_table).await?);
        }
        for table in &tables {
            let Some(holder) = holder(table) else { return Ok(None) };
            found = found.holds(holder);
            if is_replicated(table) {
                found = found.replica("global tables, which copies in other regions follow");
            }
        }
        Ok(Some(found))
    }
}

/// What no other table has: its id, or, where the service gives none, its name
/// and the moment at which it was made.
pub(crate) fn holder(table: &TableDescription) -> Option<String> {
    if let Some(id) = table.table_id() {
        return Some(id.to_owned());
    }
    let made = table.creation_date_time()?.as_nanos();
    Some(format!("{}@{made}", table.table_arn()?))
}

/// Whether a copy in another region follows what is done to the table.
fn is_replicated(table: &TableDescription) -> bool {
    !table.replicas().is_empty()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::DateTime;
    use aws_sdk_dynamodb::types::ReplicaDescription;

    use super::*;

    #[test]
    fn a_table_is_known_by_its_id_or_by_its_beginning() {
        let named = TableDescription::builder().table_arn("arn:t");
        let made = |seconds| named.clone().creation_date_time(DateTime::from_secs(seconds));
        assert_eq!(holder(&made(1).table_id("id").build()).as_deref(), Some("id"));
        assert_ne!(holder(&made(1).build()), holder(&made(2).build()));
        assert_eq!(holder(&named.build()), None);
    }

    #[test]
    fn a_global_table_is_replicated() {
        let plain = TableDescription::builder();
        assert!(!is_replicated(&plain.clone().build()));
        let replica = ReplicaDescription::builder().region_name("eu-west-1").build();
        assert!(is_replicated(&plain.replicas(replica).build()));
    }
}
