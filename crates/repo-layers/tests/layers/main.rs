//! What each layer does, around a store that fails when it is told to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cache;
mod concurrency;
mod expiry;
mod faults;
mod metric;
mod record;
mod retry;
mod stack;
mod timeout;
mod trace;
mod validation;
