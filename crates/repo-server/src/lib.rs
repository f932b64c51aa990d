//! The data service: documents and blobs over HTTP.
//!
//! The program is [`main`]; what it is told is read by [`config`]. [`router`] holds all routes
//! and what stands before them, in this order: the access log, headers, a bound of requests,
//! the door of [`auth`], bounds of bodies and time. Then come the routes: [`api`] over any
//! collection, and [`ops`] for who runs it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod access;
pub mod api;
pub mod auth;
pub mod bytes;
mod cli;
pub mod config;
mod console;
pub mod futurehouse;
pub mod http;
pub mod limits;
pub mod madsci;
pub mod ops;
pub mod outside;
mod rehearsal;
pub mod router;
pub mod schema;
pub mod server;
pub mod state;
mod sweeper;

pub use cli::main;
