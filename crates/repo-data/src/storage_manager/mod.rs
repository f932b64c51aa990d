//! A storage manager: bytes, text and JSON under keys, wherever they are kept.
//!
//! It has places with names. A place is the store of records itself (JSON files, SQLite,
//! PostgreSQL, DynamoDB), or a store of blobs (a folder, S3) with a record for each blob. A
//! key is the id of a record and nothing else: it never becomes a path or the key of an
//! object. A key is there once, whatever the place: storing it in another place moves it.
//!
//! ```
//! use std::sync::Arc;
//! use repo_core::strategy::{OpenOptions, StorageStrategy};
//! use repo_core::MemoryStrategy;
//! use repo_data::storage_manager::{Content, StorageManager, StoreOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path().to_str().unwrap();
//! let schemas = StorageManager::schemas("kept")?;
//! let mut options = OpenOptions::default();
//! options.schemas = Arc::new(schemas.iter().cloned().collect());
//! let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(options));
//! store.prepare(&schemas).await?;
//!
//! let manager = StorageManager::builder(store, "kept")
//!     .records("records")
//!     .blobs("files", repo_blob::open(folder, &Default::default()).await?)
//!     .build()?;
//! let options = StoreOptions::default().metadata("run", 17)?;
//! manager.store("../runs/17", Content::json(r#"{"yield": 0.10}"#)?, options).await?;
//! manager.store("log", Content::from("all well"), StoreOptions::default().at("files")).await?;
//!
//! let found = manager.retrieve("../runs/17").await?;
//! assert_eq!(found.content, Content::json(r#"{"yield": 0.1}"#)?);
//! assert_eq!(found.stored.location(), "records:../runs/17");
//! assert!(manager.delete("log").await?);
//! # Ok(())
//! # }
//! ```
//!
//! | in the document that this replaces | here |
//! |---|---|
//! | `StorageManager(config)`, `initialize` | [`StorageManager::builder`] |
//! | `StorageType.LOCAL`, `S3` | [`blobs`](StorageManagerBuilder::blobs) with the store of `repo_blob::open` |
//! | `StorageType.POSTGRES` | [`records`](StorageManagerBuilder::records) over that store |
//! | `StorageType.REDIS` | not offered: no store of the engine is one |
//! | `default_storage`, `storage_type=` | the first place, [`StoreOptions::at`] |
//! | `store_data(key, data, storage_type, metadata)` | [`StorageManager::store`], [`store_stream`](StorageManager::store_stream) |
//! | `retrieve_data(key)` | [`StorageManager::retrieve`], [`open`](StorageManager::open) |
//! | `delete_data(key)` | [`StorageManager::delete`] |
//! | the location that is returned | [`Stored::location`] |
//! | `timestamp`, `storage_type`, `content_type` in the metadata | [`Stored`] |
//! | `BaseStorageAdapter` of one's own | a `StorageStrategy` or a `BlobStore` of one's own |
//! | `ValueError` for a storage type without configuration | `Invalid`, with the names of the places |
//! | `FileNotFoundError` | `NotFound` |
//!
//! Beyond it: [`exists`](StorageManager::exists), [`list`](StorageManager::list), digests that
//! are compared when something is read, and [`sweep`](StorageManager::sweep), which removes
//! the bytes that a killed process left without a record.

mod blobs;
mod builder;
mod content;
mod manager;
mod options;
mod places;
mod read;
mod record;
mod sweep;

pub use builder::StorageManagerBuilder;
pub use content::{Content, Form, Metadata};
pub use manager::{MAX_RECORD_BYTES, StorageManager};
pub use options::StoreOptions;
pub use read::{MAX_RETRIEVED_BYTES, Opened, Retrieved, StoredPage};
pub use record::Stored;
pub use sweep::Swept;
