//! Keeping what was read by key, and what was computed.

mod bounded;
mod computed;
mod entries;
mod entry;
mod follow;
mod layer;
mod reads;
mod shared_error;
mod under_way;
mod writes;

pub use computed::ComputedCache;
pub use entries::CacheStats;
pub use layer::CacheLayer;
