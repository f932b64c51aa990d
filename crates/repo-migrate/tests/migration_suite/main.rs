//! Migrations between memory stores: what arrives, what is refused, what is
//! named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod archives;
mod blobs;
mod clean_up;
mod conflicts;
mod copying;
mod databases;
mod histories;
mod histories_refused;
mod live;
mod many_collections;
mod places;
mod quarantine;
mod read_once;
mod refusals;
mod restores;
mod resuming;
mod same_store;
mod schemas;
mod stores;
mod throttle;
mod unfinished;
mod upgraded_copies;
mod upgrades_disturbed;
mod upgrades_in_place;
mod verify_state;
mod verifying;
