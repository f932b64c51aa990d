//! Stores on disk that every behaviour is tried on. A further strategy joins
//! by a line in [`Place::all`].

use std::path::Path;
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, Registry};
use repo_core::{Clock, Result, Schemas};
use serde_json::{Value as Json, json};

use crate::stores::Store;

fn registry() -> Registry {
    Registry::new()
        .with(repo_json::JsonFactory)
        .with(repo_sql::SqliteFactory)
        .with(repo_object::ObjectFactory)
}

/// One way to keep a store in a folder.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub name: &'static str,
    strategy: &'static str,
    settings: fn(&Path) -> Json,
}

impl Place {
    pub fn all() -> Vec<Self> {
        let place = |name, strategy, settings| Self { name, strategy, settings };
        vec![
            place("json single", "json", |folder| json!({ "base_path": folder })),
            place(
                "json split",
                "json",
                |folder| json!({ "base_path": folder, "storage_type": "split_files" }),
            ),
            place("sqlite", "sqlite", |folder| json!({ "name": folder.join("store.db") })),
            place(
                "objects",
                "object",
                |folder| json!({ "location": format!("file:{}", folder.join("objects").display()) }),
            ),
        ]
    }

    /// As [`pairs_of`] all of them.
    pub fn pairs() -> Vec<(Self, Self)> {
        pairs_of(&Self::all())
    }

    /// Opens the store in a folder, with a clock of its own.
    pub async fn open_at(
        self,
        folder: &Path,
        schemas: &Schemas,
        clock: Arc<dyn Clock>,
    ) -> Result<Store> {
        let registry = registry();
        let schemas = Arc::new(schemas.clone());
        let options = OpenOptions::default().with_schemas(schemas).with_clock(clock);
        registry.get(self.strategy)?.open(&(self.settings)(folder), options).await
    }

    /// Opens the store in a folder.
    pub async fn open(self, folder: &Path, schemas: &Schemas, read_only: bool) -> Result<Store> {
        let registry = registry();
        let schemas = Arc::new(schemas.clone());
        let options = OpenOptions::default().with_read_only(read_only).with_schemas(schemas);
        registry.get(self.strategy)?.open(&(self.settings)(folder), options).await
    }
}

/// Each one once as a source and once as a target; every ordered pair with
/// `REPO_TEST_PAIRS=all`.
pub fn pairs_of<T: Copy>(all: &[T]) -> Vec<(T, T)> {
    if !std::env::var("REPO_TEST_PAIRS").is_ok_and(|which| which == "all") {
        let at = |number: usize| (all[number], all[(number + 1) % all.len()]);
        return (0..all.len()).map(at).collect();
    }
    all.iter().flat_map(|a| all.iter().map(|b| (*a, *b))).collect()
}
