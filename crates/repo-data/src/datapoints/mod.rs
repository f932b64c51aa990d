//! Datapoints: submitted, read, listed, asked for, deleted, restored.

mod delete;
mod list;
mod new;
mod read;
mod submit;
mod together;

pub use new::{FileStream, NewDatapoint};
pub use read::DatapointValue;
