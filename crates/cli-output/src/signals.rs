//! Ending on request: the first signal asks the command to stop after the
//! batch in hand, the second ends the process at once, both with 130 (`SIGINT`)
//! or 143 (`SIGTERM`).
//!
//! `migrate` and `restore` store the checkpoint, give their lock back and print
//! the command that resumes; before the first write they just stop. `import`
//! does not write the lines of an unfinished batch, since it has promised
//! nothing about them. The operating system ends all other commands.

use repo_core::{Error, ErrorKind, Result};
use tokio::sync::watch;

use crate::exit_code::Signal;
use crate::output::complain;

/// Knows whether a signal came.
#[derive(Debug, Clone)]
pub struct Interruption(watch::Receiver<Option<Signal>>);

impl Interruption {
    /// Starts listening. From now on the first signal no longer ends the
    /// process: only for commands that look.
    ///
    /// # Errors
    /// `Unavailable` when the operating system refuses the handlers.
    pub fn listen() -> Result<Self> {
        let (sender, receiver) = watch::channel(None);
        listen_to(sender).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "start", "signals cannot be received")
                .with("reason", &source)
                .caused_by(source)
        })?;
        Ok(Self(receiver))
    }

    /// The signal that came, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Waits for a signal.
    pub async fn wait(&self) -> Signal {
        let mut receiver = self.0.clone();
        let came = receiver.wait_for(Option::is_some).await.map(|signal| *signal);
        match came {
            Ok(signal) => signal.unwrap_or(Signal::Interrupt),
            // No listener any more: no signal will ever come.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
fn listen_to(sender: watch::Sender<Option<Signal>>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            };
            announce(&sender, signal);
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn listen_to(sender: watch::Sender<Option<Signal>>) -> std::io::Result<()> {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            announce(&sender, Signal::Interrupt);
        }
    });
    Ok(())
}

fn announce(sender: &watch::Sender<Option<Signal>>, signal: Signal) {
    if sender.borrow().is_some() {
        std::process::exit(i32::from(signal.code()));
    }
    complain("stopping after the batch in hand; a second signal ends at once\n");
    sender.send_replace(Some(signal));
}
