//! Running: listening and stopping, health, metrics, the access log.

mod access;
mod health;
mod listen;
mod logging;
mod metrics;

pub use access::observe;
pub use health::health_routes;
pub use listen::{Bounds, serve};
pub use logging::start_logging;
pub use metrics::{MetricsPage, metrics_routes};
