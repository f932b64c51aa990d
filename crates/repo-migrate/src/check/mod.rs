//! Reading the source before anything is written: batches, what is wrong with
//! them, and what each record will become in the target.

pub(crate) mod batch;
pub(crate) mod decide;
mod finding;
pub(crate) mod reason;
pub(crate) mod source_checks;
mod stored;
mod stored_references;

pub use finding::{Finding, Problem};
pub use stored::StoredCheck;
