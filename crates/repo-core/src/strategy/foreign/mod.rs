//! What another program keeps, as a store that is only read.
//!
//! Who reads it implements [`ForeignReader`], which knows nothing of queries, pages
//! and refusals; [`ForeignStrategy`] makes the contract of it.

mod reader;
mod strategy;

pub use reader::{ForeignReader, ReadFrom};
pub use strategy::ForeignStrategy;
