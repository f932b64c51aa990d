//! The replicas of one handle, and who answers a read.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use repo_core::strategy::TokenPosition;
use repo_core::{Consistency, Result};

use super::position;
use super::replica::Replica;
use super::sampler::Sampler;
use super::samples::{Bound, Position, Samples};
use crate::config::SqlSettings;
use crate::postgres::pool::Pool;
use crate::postgres::rows::PgRow;
use crate::postgres::statement::Statement;

/// How often the primary server is asked where it is in the time that an eventual read may
/// be old.
const SAMPLES_A_BOUND: u32 = 4;

/// The replicas that the settings name, at least one.
pub(in crate::postgres) struct Replicas {
    each: Vec<Replica>,
    next: AtomicUsize,
    /// How old an eventual read may be.
    max_staleness: Duration,
    samples: Arc<Samples>,
    sampler: Sampler,
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas")
            .field("each", &self.each.len())
            .field("samples", &self.samples)
            .finish_non_exhaustive()
    }
}

impl Replicas {
    /// `None` where the settings name none.
    ///
    /// # Errors
    /// As [`Pool::new`]; `ConfigInvalid` for an address that is none.
    pub(in crate::postgres) fn new(
        settings: &SqlSettings,
        read_only: bool,
    ) -> Result<Option<Self>> {
        let each = settings.of_replicas()?;
        let each = each.iter().map(|settings| Replica::new(settings, read_only));
        let each = each.collect::<Result<Vec<_>>>()?;
        if each.is_empty() {
            return Ok(None);
        }
        let max_staleness = settings.max_staleness();
        let every = max_staleness / SAMPLES_A_BOUND;
        Ok(Some(Self {
            each,
            next: AtomicUsize::new(0),
            max_staleness,
            samples: Arc::new(Samples::new(every / 2)),
            sampler: Sampler::new(every),
        }))
    }

    /// The handle has written, or may have. To be called before the caller is told.
    pub(in crate::postgres) fn wrote(&self) {
        self.samples.wrote();
    }

    /// Where the primary server is now.
    ///
    /// # Errors
    /// As [`primary_position`](super::primary_position).
    pub(in crate::postgres) async fn position(&self, primary: &Pool) -> Result<Position> {
        position::sample(primary, &self.samples).await
    }

    /// The rows that a statement answers on a replica that has what the level asks for.
    /// `None` where the primary server is to answer: for a strong read, and where no replica
    /// is known to have it.
    ///
    /// # Errors
    /// `ConfigInvalid` for a server that is no replica of the primary one.
    pub(in crate::postgres) async fn rows(
        &self,
        primary: &Arc<Pool>,
        operation: &'static str,
        level: Consistency,
        statement: &Statement,
    ) -> Result<Option<Vec<PgRow>>> {
        let Some(bound) = self.bound(level) else { return Ok(None) };
        self.sampler.want(primary, &self.samples);
        let Some(needed) = self.samples.needed(bound, Instant::now()) else { return Ok(None) };
        match self.choose() {
            Some(replica) => replica.rows(operation, &needed, statement.clone()).await,
            None => Ok(None),
        }
    }

    /// What a read of a level has to see; `None` where only the primary server has it.
    fn bound(&self, level: Consistency) -> Option<Bound> {
        match level {
            Consistency::Eventual => Some(Bound::Age(self.max_staleness)),
            Consistency::BoundedStaleness(most) => Some(Bound::Age(most)),
            Consistency::AtLeast(token) => {
                let TokenPosition { epoch, at } = token.position()?;
                Some(Bound::Position { timeline: epoch, at })
            }
            // Strong, and what is new to the contract.
            _ => None,
        }
    }

    /// The next one in turn that is likely to have what is asked for.
    fn choose(&self) -> Option<&Replica> {
        let start = self.next.fetch_add(1, Ordering::Relaxed) % self.each.len();
        let (before, from) = self.each.split_at(start);
        from.iter().chain(before).find(|replica| replica.is_likely())
    }

    /// Ends the task and gives the connections back.
    pub(in crate::postgres) fn close(&self) {
        self.sampler.stop();
        self.each.iter().for_each(Replica::close);
    }
}
