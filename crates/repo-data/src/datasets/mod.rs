//! Datasets: created, read, changed, deleted with all that is in them, restored.

mod create;
mod delete;

pub use create::{DatasetPatch, NewDataset};
