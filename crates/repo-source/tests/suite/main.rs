//! Files of other programs as a store: what is read, and what is refused.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod broker;
mod duplicates;
mod reading;
mod refusals;
mod support;
