//! The connections of one handle: `pool_size` are kept, `max_overflow` more
//! are opened under load and closed when they come back.

mod lending;
mod loaders;

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{PoolError, TimeoutType, Timeouts};
use repo_core::strategy::handle_closed;
use repo_core::{Error, ErrorKind, Result};

pub(super) use self::lending::Lent;
use self::lending::{Connections, Lender};
pub(super) use self::loaders::LentLoader;
use self::loaders::Loaders;
use super::connection::Connector;
use super::statement::Statement;
use crate::config::SqlSettings;
use crate::errors;

/// Lends connections.
pub(super) struct Pool {
    connections: Connections,
    connector: Arc<Connector>,
    keep: usize,
    loaders: Arc<Loaders>,
}

impl Pool {
    /// Each connection runs `first` once, so that it is prepared there.
    ///
    /// # Errors
    /// As [`Connector::new`].
    pub(super) fn new(
        settings: &SqlSettings,
        read_only: bool,
        first: Option<Statement>,
    ) -> Result<Self> {
        let connector = Arc::new(Connector::new(settings, read_only, first)?);
        let seconds = |number: u32| Duration::from_secs(u64::from(number));
        let renew_after = (settings.pool_recycle > 0).then(|| seconds(settings.pool_recycle));
        let lender = Lender::new(Arc::clone(&connector), renew_after);
        let keep = settings.pool_size as usize;
        let timeouts =
            Timeouts { wait: Some(seconds(settings.pool_timeout)), ..Timeouts::default() };
        let connections = Connections::builder(lender)
            .max_size(keep + settings.max_overflow as usize)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|source| {
                Error::new(ErrorKind::ConfigInvalid, "connect", "no pool can be made so")
                    .caused_by(source)
            })?;
        let loaders = Arc::new(Loaders::new(renew_after));
        Ok(Self { connections, connector, keep, loaders })
    }

    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    pub(super) fn place(&self) -> &str {
        &self.connector.place
    }

    /// A connection, waited for up to `pool_timeout`.
    ///
    /// # Errors
    /// `Unavailable` when all stay in use, `Closed` when the pool is; those of
    /// [`Connector::connect`].
    pub(super) async fn get(&self) -> Result<Lent> {
        let _wish = self.loaders.make_room(&self.connections);
        match self.connections.get().await {
            Ok(object) => Ok(Lent::new(object, Arc::clone(&self.connector), self.keep)),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                let most = self.connections.status().max_size;
                Err(errors::no_free_connection(self.place(), most))
            }
            Err(other) => Err(handle_closed("connect", self.place()).caused_by(other)),
        }
    }

    /// A connection for COPY; `None` where the place of the last one was soon
    /// wanted back, and where none can be made now: the server may still count
    /// the one that was closed for it. None through a pooler of transactions: what
    /// COPY needs prepared would be left on a connection of others.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(super) async fn loader(&self) -> Result<Option<LentLoader>> {
        if !self.connector.keeps_sessions() {
            return Ok(None);
        }
        if let Some(lent) = self.loaders.lend_idle(&self.connections) {
            return Ok(Some(lent));
        }
        if !self.loaders.are_likely() {
            return Ok(None);
        }
        let place = self.get().await?;
        place.close();
        match self.connector.connect_loader().await {
            Ok(loader) => Ok(Some(self.loaders.lend_new(loader, place, &self.connections))),
            Err(error) => {
                tracing::debug!(%error, "no connection for COPY");
                self.loaders.missed();
                Ok(None)
            }
        }
    }

    /// How many connections there are, in words.
    pub(super) fn status(&self) -> String {
        let most = self.connections.status().max_size;
        format!("{} open of at most {most}", self.connector.open())
    }

    pub(super) fn close(&self) {
        self.connections.close();
        self.loaders.clear();
    }
}
