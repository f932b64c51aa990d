//! Layered configuration.

mod settings;

pub use settings::{nearest, read_settings};
