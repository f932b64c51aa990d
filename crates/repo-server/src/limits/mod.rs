//! Bounds of bodies, times, requests and connections.

mod body;
mod linger;
mod requests;
mod stall;

pub use body::{BodyLimit, body_error, limit_body, stall_in};
pub use linger::linger;
pub use requests::{Permits, limit_time, limit_uploads, one_of_many};
pub use stall::StallGuard;
