//! Buckets that are not ours: read where the configuration lists them, and nowhere else.

mod buckets;

pub use buckets::{Buckets, Object};
