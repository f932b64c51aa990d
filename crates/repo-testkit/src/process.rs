//! Programs that run beside a test.

use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};

/// A program that runs beside a test. It is killed when the test ends, also by a panic.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// What it prints, for one that was started with a pipe.
    ///
    /// # Panics
    /// For any other one, and when it was taken before.
    pub fn stdout(&mut self) -> ChildStdout {
        self.0.stdout.take().unwrap()
    }

    /// What it reads, for one that was started with a pipe.
    ///
    /// # Panics
    /// For any other one, and when it was taken before.
    pub fn stdin(&mut self) -> ChildStdin {
        self.0.stdin.take().unwrap()
    }

    /// Stops it where it is, whatever it does, until it may [go on](Self::go_on).
    ///
    /// # Panics
    /// When it has ended.
    #[cfg(unix)]
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on after a [pause](Self::pause).
    ///
    /// # Panics
    /// When it has ended.
    #[cfg(unix)]
    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Expects that it still runs.
    ///
    /// # Panics
    /// When it has ended.
    #[track_caller]
    pub fn still_runs(&mut self) {
        let ended = self.ended();
        assert!(ended.is_none(), "it ended by itself: {ended:?}");
    }

    /// How it ended, if it did.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    /// Kills it, in the middle of whatever it does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended where the test came to its end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
