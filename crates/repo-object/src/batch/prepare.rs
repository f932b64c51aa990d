//! Making collections.

use repo_core::strategy::{PrepareChange, Prepared, StoreId, check_distinct_collections};
use repo_core::{CollectionSchema, Error, ErrorKind, Result};

use super::Batch;
use crate::env::{Env, shape_of};
use crate::format::{Op, PrepareOp};
use crate::state::State;

/// Refuses collections that the store cannot have.
///
/// # Errors
/// `Invalid` for one that stands twice; `ConfigInvalid` for one whose records have another id
/// field.
pub(crate) fn check_prepare(env: &Env, state: &State, schemas: &[CollectionSchema]) -> Result<()> {
    check_distinct_collections(schemas)?;
    for schema in schemas {
        let Some(table) = state.tables.get(&schema.collection) else { continue };
        let declared = schema.id_field.to_string();
        if table.live() > 0 && table.id_field != declared {
            let why = "the collection was prepared with another id field than its schema declares";
            return Err(Error::new(ErrorKind::ConfigInvalid, "prepare", why)
                .with("collection", &schema.collection)
                .with("stored", &table.id_field)
                .with("declared", declared)
                .with("store", &env.location)
                .hint("use the schema it was prepared with, or another store"));
        }
    }
    Ok(())
}

impl Batch<'_> {
    /// Makes collections, or brings them up to their schemas. A store that has no id yet gets
    /// this one. It has to be alone in its group.
    pub(crate) fn prepare(
        &mut self,
        schemas: &[CollectionSchema],
        id: StoreId,
    ) -> Result<Vec<Prepared>> {
        check_prepare(self.env, self.state, schemas)?;
        if schemas.iter().any(|schema| self.change_of(schema) != PrepareChange::Unchanged) {
            self.state.check_rebuild(self.env, "prepare")?;
        }
        if self.state.id.is_none() {
            self.ops.push((Op::Id(id), None));
        }
        let mut prepared = Vec::with_capacity(schemas.len());
        for schema in schemas {
            let change = self.change_of(schema);
            if change != PrepareChange::Unchanged {
                let prepare = PrepareOp {
                    collection: schema.collection.clone(),
                    schema_version: schema.schema_version,
                    id_field: schema.id_field.to_string(),
                    shape: shape_of(schema),
                };
                self.ops.push((Op::Prepare(prepare), None));
            }
            prepared.push(Prepared::new(schema.collection.clone(), change));
        }
        Ok(prepared)
    }

    fn change_of(&self, schema: &CollectionSchema) -> PrepareChange {
        match self.state.tables.get(&schema.collection) {
            None => PrepareChange::Created,
            Some(table)
                if table.shape == shape_of(schema)
                    && table.schema_version == schema.schema_version =>
            {
                PrepareChange::Unchanged
            }
            Some(_) => PrepareChange::Updated,
        }
    }
}
