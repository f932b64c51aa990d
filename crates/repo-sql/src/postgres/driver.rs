//! What moves the bytes of a connection, and whether the connection is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::AbortHandle;

/// Moves what is sent and received on a connection.
pub(super) struct Driver {
    task: AbortHandle,
    open: Arc<Counted>,
}

impl Driver {
    /// Moves what is sent and received until either side closes the connection,
    /// which counts among the `open` ones until then.
    pub(super) fn start(
        open: &Arc<AtomicUsize>,
        driver: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    ) -> Self {
        let open = Arc::new(Counted::new(open));
        let of_driver = Arc::clone(&open);
        let driven = async move {
            // Each caller that waited for an answer has the reason.
            let _ = driver.await;
            of_driver.close();
        };
        Self { task: tokio::spawn(driven).abort_handle(), open }
    }

    /// Whether either side closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.open.is_closed()
    }

    /// Closes it at once, whatever is under way: the server rolls back.
    pub(super) fn close(&self) {
        self.open.close();
        self.task.abort();
    }
}

/// Counts a connection as open until it is closed or dropped.
struct Counted {
    all: Arc<AtomicUsize>,
    closed: AtomicBool,
}

impl Counted {
    fn new(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::AcqRel);
        Self { all: Arc::clone(all), closed: AtomicBool::new(false) }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.all.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.close();
    }
}
