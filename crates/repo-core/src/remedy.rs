//! What can be done about an error, as a type instead of words.

use std::any::Any;
use std::fmt;

/// What can be done about an error. A program that knows the type words it for
/// its own users, with its own commands; every other one shows its `Display`,
/// which names neither a command nor a flag.
///
/// ```
/// use std::fmt;
///
/// use repo_core::{Error, ErrorKind, Remedy};
///
/// #[derive(Debug)]
/// struct WaitUntil(&'static str);
///
/// impl fmt::Display for WaitUntil {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         write!(f, "wait until {}", self.0)
///     }
/// }
///
/// impl Remedy for WaitUntil {}
///
/// let error = Error::new(ErrorKind::Locked, "migrate", "somebody is at work")
///     .remedy(WaitUntil("noon"));
/// assert_eq!(error.hint_text(), Some("wait until noon"));
/// assert_eq!(error.remedy_as::<WaitUntil>().map(|found| found.0), Some("noon"));
/// ```
pub trait Remedy: Any + fmt::Debug + fmt::Display + Send + Sync {}
