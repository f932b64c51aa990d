//! Entities whose time to live has passed: absent to who reads and writes, removed by a sweeper.

mod clear;
mod commit;
mod layer;
mod removal;
mod rules;
mod sweep;

pub use layer::ExpiryLayer;
pub use sweep::{SweepOptions, Swept, sweep};
