//! What a test asks of the program by its environment: to stop at a step of the data service,
//! where the test kills it, and to live ahead of the time, so that what is due in days is due.
//!
//! It is there in builds with debug assertions alone. A release has no code that looks at these
//! variables, whatever the environment says.

use std::sync::Arc;

use repo_core::{Clock, Result, SystemClock};
use repo_data::Hooks;

/// Where the time of the server comes from.
///
/// # Errors
/// `ConfigInvalid` for a variable that makes no sense.
pub(crate) fn clock() -> Result<Arc<dyn Clock>> {
    #[cfg(debug_assertions)]
    if let Some(ahead) = asked::hours_ahead()? {
        return Ok(Arc::new(asked::Ahead(ahead)));
    }
    Ok(Arc::new(SystemClock))
}

/// Where the data service stops; nowhere.
///
/// # Errors
/// `ConfigInvalid` for a variable that makes no sense.
pub(crate) fn hooks() -> Result<Hooks> {
    #[cfg(debug_assertions)]
    if let Some((step, nth)) = asked::stop()? {
        return Ok(asked::stopping_at(step, nth));
    }
    Ok(Hooks::default())
}

#[cfg(debug_assertions)]
mod asked {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use repo_core::{Clock, Error, ErrorKind, Result, SystemClock, Timestamp};
    use repo_data::{Hooks, Step};

    /// Hours that the clock is ahead.
    const HOURS_AHEAD: &str = "REPO_REHEARSAL_HOURS_AHEAD";
    /// `STEP:N`: the step, and the how-manieth time that the service comes to it.
    const STOP_AT: &str = "REPO_REHEARSAL_STOP_AT";

    /// A clock that is ahead of that of the system.
    #[derive(Debug)]
    pub(super) struct Ahead(pub(super) Duration);

    impl Clock for Ahead {
        fn now(&self) -> Timestamp {
            SystemClock.now().saturating_add(self.0)
        }
    }

    pub(super) fn hours_ahead() -> Result<Option<Duration>> {
        let Ok(text) = std::env::var(HOURS_AHEAD) else { return Ok(None) };
        let hours: u32 = text.parse().map_err(|_| senseless(HOURS_AHEAD, &text, "24"))?;
        Ok(Some(Duration::from_secs(u64::from(hours) * 3_600)))
    }

    pub(super) fn stop() -> Result<Option<(Step, usize)>> {
        let Ok(text) = std::env::var(STOP_AT) else { return Ok(None) };
        let found = text.split_once(':');
        let found = found.and_then(|(step, nth)| Some((Step::named(step)?, nth.parse().ok()?)));
        found.map(Some).ok_or_else(|| senseless(STOP_AT, &text, "Staged:1"))
    }

    fn senseless(variable: &str, text: &str, such: &str) -> Error {
        let why = "a variable of a test makes no sense";
        Error::new(ErrorKind::ConfigInvalid, "start", why)
            .with("variable", variable)
            .with("value", text)
            .hint(format!("unset {variable}, or set it to something such as {such}"))
    }

    /// Says that the step is reached, and goes no further: the thread stands still until the
    /// process is killed, as nothing that it could do comes after the step.
    pub(super) fn stopping_at(step: Step, nth: usize) -> Hooks {
        let seen = AtomicUsize::new(0);
        Hooks::new(move |at| {
            if at == step && seen.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                // Whoever does not read it any more does not wait for it either.
                let _ = writeln!(std::io::stdout(), "reached {step:?}");
                loop {
                    std::thread::park();
                }
            }
            false
        })
    }
}
