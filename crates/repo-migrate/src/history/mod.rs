//! Histories on their way: older versions, and the engine's own items that belong to
//! them.
//!
//! Reading is the same for a store and an archive: [`reader`]. Two sides are compared
//! version by version by [`pairs`], the items by [`items`]. [`check`] says what a run
//! will do, [`copy`] does it, and [`compare`] compares what is there afterwards.

pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod copy;
pub(crate) mod items;
pub(crate) mod pairs;
pub(crate) mod planned;
pub(crate) mod reader;
mod side;
