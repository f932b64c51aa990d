//! A pipeline: content is validated, then processed, then stored.
//!
//! Stages have names and run in the order in which they were added: first all validators,
//! each of which sees the content as it came, then all processors, each of which gets what
//! the one before it made. The first stage that refuses ends the run, and its error says
//! which one it was (`stage`, `step`). Nothing is stored then.
//!
//! ```
//! use repo_core::{Error, ErrorKind};
//! use repo_data::pipeline::{Item, Pipeline, stages};
//! use repo_data::storage_manager::Content;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> repo_core::Result<()> {
//! let schema = serde_json::json!({"type": "object", "required": ["temperature"]});
//! let pipeline = Pipeline::builder()
//!     .validator("shape", stages::JsonSchema::new(&schema)?)
//!     .validator("size", stages::max_bytes(1_000))
//!     .processor("label", |mut item: Item| {
//!         item.metadata.insert("label".into(), "checked".into());
//!         Ok(item)
//!     })
//!     .build()?;
//!
//! let item = Item::new(Content::json(r#"{"temperature": 23.5}"#)?);
//! assert_eq!(pipeline.process(item).await?.metadata["label"], "checked");
//!
//! let refused = pipeline.process(Item::new(Content::json("{}")?)).await.unwrap_err();
//! assert_eq!(refused.kind(), ErrorKind::Invalid);
//! assert_eq!(refused.context_value("stage"), Some("shape"));
//! # Ok(())
//! # }
//! ```
//!
//! | in the document that this replaces | here |
//! |---|---|
//! | `DataProcessor.add_validator`, `add_processor` | [`PipelineBuilder::validator`], [`processor`](PipelineBuilder::processor) |
//! | `process_data` | [`Pipeline::process`] |
//! | `process_and_store` | [`Pipeline::store`] |
//! | `DataTransformer.normalize_text`, `validate_json` | [`stages::normalize_text`], [`stages::json`] |

mod run;
mod stage;
pub mod stages;

pub use run::{Pipeline, PipelineBuilder};
pub use stage::{Item, Processor, Validator};
