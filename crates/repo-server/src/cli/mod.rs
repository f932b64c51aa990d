//! The command line.

mod args;
mod keys;
mod schema;

pub use args::main;
