//! PostgreSQL: connections and their pool, statements, reading, writing and
//! preparing.

mod aggregate;
mod apply;
mod attributions;
mod capture;
mod catalog;
mod check;
mod commit;
mod connection;
mod driver;
mod existing;
mod feed;
mod fence;
mod group_select;
mod guess;
mod history;
mod identity;
mod inspect;
mod items;
mod keep_trigger;
mod loader;
mod lookup;
mod measured;
mod pool;
mod prepare;
mod prepare_lock;
mod read;
mod replicas;
mod role;
mod rows;
mod scan;
mod schema;
mod select;
mod shared;
mod single;
mod statement;
mod store_record;
mod strategy;
mod table;
mod tls;
mod tokens;
mod transaction;
mod upgrade;
mod upkeep;

pub use strategy::PostgresStrategy;
