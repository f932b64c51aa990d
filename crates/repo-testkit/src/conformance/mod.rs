//! The conformance suite: one file a behaviour, no strategy's name in any.
//!
//! A behaviour is a `pub async fn name(f: Fixture)` that panics when the
//! contract is broken. `list.rs` names them all; a test sees to it that none
//! is forgotten there.

mod aggregates_support;
pub mod boxed;
mod expiry_support;
mod feed_support;
mod history_support;
mod list;
mod roles_support;
mod run;
mod support;
#[cfg(test)]
mod tests;

pub mod aggregates;
pub mod aggregates_values;
pub mod apply;
pub mod changes;
pub mod changes_concurrency;
pub mod changes_positions;
pub mod commits;
pub mod commits_atomic;
pub mod concurrency;
pub mod consistency;
pub mod conveniences;
pub mod document_rules;
pub mod documents;
pub mod equality;
pub mod expiry_reads;
pub mod expiry_sweeps;
pub mod expiry_writes;
pub mod features;
pub mod history;
pub mod history_as_of;
pub mod history_attributions;
pub mod history_state;
pub mod history_writes;
pub mod keys;
pub mod lifecycle;
pub mod prepare;
pub mod purge;
pub mod query_analysis;
pub mod query_cursors;
pub mod query_logic;
pub mod query_operators;
pub mod query_order;
pub mod query_paging;
pub mod read_only;
pub mod reads;
pub mod roles;
pub mod scan;
pub mod scrubbing;
pub mod store_record;
pub mod system_items;
pub mod timestamps;
pub mod transaction_conditions;
pub mod transaction_locks;
pub mod transactions;
pub mod versions;

pub use run::{Making, making, run};
