//! What a run will do, as far as it can be known before the first record is
//! read: the collections, what refuses the run, the space it takes.

mod migration;
pub(crate) mod references;
pub(crate) mod refusals;
pub(crate) mod sameness;
pub(crate) mod space;

pub(crate) use migration::*;
