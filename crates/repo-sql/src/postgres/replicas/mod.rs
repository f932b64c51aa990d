//! Reads from replicas: whether one has what a read asks for, and which one is asked.
//!
//! `samples.rs` knows where the primary server was and when, `sampler.rs` asks it again and
//! again while reads want to know, `replica.rs` reads from one server, and `set.rs` decides
//! who answers.

mod position;
mod replica;
mod sampler;
mod samples;
mod set;

pub(super) use position::ask as primary_position;
pub(super) use set::Replicas;
