//! Sources outside the service: registered, never fetched by an address of a caller.

mod allow;
mod lister;

pub use allow::AllowList;
pub use lister::SourceLister;
