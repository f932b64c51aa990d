//! Wrappers that are themselves strategies. They hold no store's logic.

mod validation;

pub use validation::ValidationLayer;
