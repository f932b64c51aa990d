//! References that are enforced: what the layer promises on every store, and every order in
//! which those who refer, delete and are killed can meet.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[macro_use]
mod stores;
mod site;
mod words;

mod deletions;
mod marks;
mod orders;
mod races;
mod schedules;
mod writes;
