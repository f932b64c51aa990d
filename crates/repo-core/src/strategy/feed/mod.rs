//! The change feed: what was written, in an order in which the versions of a key
//! never fall.
//!
//! Nothing is captured, and nothing is paid, until somebody
//! [holds](crate::strategy::StoreUpdate::HoldCapture) the capture of a store. From
//! then on every acknowledged write is in the feed, also one of another process that
//! opened the store before. When the last holder
//! [releases](crate::strategy::StoreUpdate::ReleaseCapture) it, the feed ends, and
//! its positions expire.

mod capture;
mod changes;
mod position;
mod state;

pub use capture::{Capture, CaptureHolder};
pub use changes::{Changes, RecordChange};
pub use position::FeedPosition;
pub use state::FeedState;
