//! The connection of the thread that writes.

use std::sync::Arc;

use repo_core::Result;
use rusqlite::Connection;

use super::shared::Shared;
use super::{connection, links};

/// What the thread owns.
pub(super) struct Session {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: None }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The connection that writes, opened at the first use.
    pub(super) fn connection(&mut self) -> Result<&mut Connection> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            closed => {
                // It may have got a second name since it was looked at.
                links::refuse_second("open", self.shared.file())?;
                Ok(closed.insert(connection::open_writer(self.shared.file(), self.shared.busy)?))
            }
        }
    }

    /// Closes the connection: writes back what it can of the log without waiting for anybody. The
    /// last connection of all to close empties and removes it.
    pub(super) fn close(mut self) {
        let Some(connection) = self.connection.take() else { return };
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done.and_then(|()| connection.close().map_err(|(_, error)| error)) {
            // Every commit is in the log; the next opening reads it there.
            tracing::warn!(file = %self.shared.file().display(), %error, "no checkpoint on close");
        }
    }
}
