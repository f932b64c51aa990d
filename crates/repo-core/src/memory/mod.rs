//! The memory strategy: the contract in its plainest form, the reference that
//! every other strategy is compared with.

mod change_log;
mod factory;
mod state;
mod strategy;
mod table;

pub use factory::MemoryFactory;
pub use strategy::MemoryStrategy;
