//! How much a read may do on the thread of its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

/// Steps of SQLite's machine between two looks at the allowance.
const STEPS_AT_A_TIME: i32 = 1_000;
/// So many looks a read may see: it ends after 4,000 to 5,000 steps, which are
/// about a hundred rows by an index, or a fifth of a millisecond.
const LOOKS: u32 = 4;
/// What a statement may take that is worth starting on the caller's thread.
pub(super) const STEPS_AT_ONCE: i32 = STEPS_AT_A_TIME * LOOKS.cast_signed();

/// Any number of steps.
const UNLIMITED: u32 = u32::MAX;
/// There were too many. What follows, such as the end of the transaction, is
/// not held up.
const SPENT: u32 = u32::MAX - 1;

/// The allowance of one connection. SQLite interrupts a statement that goes
/// beyond it.
pub(super) struct Allowance(Arc<AtomicU32>);

impl Allowance {
    /// Watches over a connection, without a limit at first.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let left = Arc::new(AtomicU32::new(UNLIMITED));
        let counted = Arc::clone(&left);
        // Called on the thread that uses the connection.
        let look = move || match counted.load(Ordering::Relaxed) {
            UNLIMITED | SPENT => false,
            0 => {
                counted.store(SPENT, Ordering::Relaxed);
                true
            }
            looks => {
                counted.store(looks - 1, Ordering::Relaxed);
                false
            }
        };
        connection.progress_handler(STEPS_AT_A_TIME, Some(look))?;
        Ok(Self(left))
    }

    /// The next read is a short one, or is given up.
    pub(super) fn limit(&self) {
        self.0.store(LOOKS, Ordering::Relaxed);
    }

    /// The next read may take what it takes.
    pub(super) fn lift(&self) {
        self.0.store(UNLIMITED, Ordering::Relaxed);
    }

    /// Whether this read has to be a short one.
    pub(super) fn is_limited(&self) -> bool {
        !matches!(self.0.load(Ordering::Relaxed), UNLIMITED | SPENT)
    }

    /// Gives a read up that is known to take longer.
    pub(super) fn give_up(&self) {
        self.0.store(SPENT, Ordering::Relaxed);
    }

    /// Whether the read was given up.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SPENT
    }
}
