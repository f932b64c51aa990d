//! The behaviours as functions of one type.
//!
//! The body of an async function is compiled where it is first polled. Without these
//! functions that would be in each test program again, once for each place.

use std::future::Future;
use std::pin::Pin;

use super::list::conformance_boxed;

/// A behaviour that is under way.
pub type Behaviour = Pin<Box<dyn Future<Output = ()>>>;

crate::conformance_behaviours! { [conformance_boxed] }
