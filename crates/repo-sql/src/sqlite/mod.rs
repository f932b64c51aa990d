//! What is SQLite's alone.

mod allowance;
mod apply;
mod capture;
mod catalog;
mod commit;
mod connection;
mod digest;
mod existing;
mod feed;
mod files;
mod group_commit;
mod items;
mod jobs;
mod links;
mod lookup;
mod mark;
mod open;
mod opening;
mod page;
mod plans;
mod prepare;
mod read;
mod readers;
mod rows;
mod scan;
mod select;
mod session;
mod shared;
mod store_record;
mod strategy;
mod table;
mod taken;
mod upgrade;
mod upkeep;
mod writer;

pub use strategy::SqliteStrategy;
