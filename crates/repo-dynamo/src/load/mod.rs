//! Loads: the filling of new collections by `BatchWriteItem`, which is three
//! times as fast as conditional writes and replaces whatever it meets.
//!
//! It may never replace an acknowledged write. So a collection that
//! is being loaded is in the store's record under `loads`, with the token of
//! the handle that loads it, and not under `collections`: no other handle of
//! any process can read or write it. It becomes an ordinary collection by one
//! compare-and-set, and before that no request of the load may be under way any
//! more, also none that was lost or that a stopped process sends when it is
//! woken:
//! - each request is signed with the time of the last renewal of the load in
//!   the store's record, so the server refuses it once that is too long ago
//!   (`fence`);
//! - a handle that ends a load with a lost request, or takes over the load of
//!   another, first asks the server whether it still takes such a signature;
//! - an id that comes twice in one load is written by a conditional request
//!   the second time, after everything unconditional was answered (`send`).

mod begin;
mod end;
mod fence;
mod lock;
#[cfg(test)]
mod model;
mod send;
mod session;
mod signing;
mod take_over;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use repo_core::strategy::StoreId;
use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::cache::Table;
use crate::definition::{CollectionDefinition, Definition};
use crate::load::fence::{CHECKED_LAG, UNCHECKED_WINDOW};
use crate::load::lock::locked;
use crate::load::session::Open;
pub(crate) use crate::load::session::Session;
pub(crate) use crate::load::signing::Ages;
use crate::load::signing::{SigningClock, now, signing_with};
use crate::shared::Shared;

/// How often a change of the store's record is made again whose answer was
/// lost.
const LOST_ANSWERS: usize = 5;

impl Shared {
    /// The loads of this handle, made with the first one.
    async fn loading_session(&self) -> Result<&Arc<Session>> {
        self.session
            .get_or_try_init(|| async {
                let lag = match self.signature_ages("prepare").await? {
                    Ages::Checked => CHECKED_LAG,
                    Ages::Ignored => UNCHECKED_WINDOW / 4,
                };
                let clock = SigningClock::default();
                Ok(Arc::new(Session {
                    token: StoreId::random()?,
                    client: signing_with(&self.client, clock.clone()),
                    clock,
                    lag,
                    open: Arc::default(),
                    names: Mutex::default(),
                    renewed: Mutex::default(),
                    renewing: tokio::sync::Mutex::default(),
                    unanswered: Mutex::default(),
                }))
            })
            .await
    }

    /// The table of a collection that this handle loads.
    pub(crate) async fn loaded_table(&self, collection: &CollectionName) -> Option<Arc<Table>> {
        let session = self.session.get()?;
        if !locked(&session.names).contains(collection) {
            return None;
        }
        session.open.read().await.table(collection)
    }

    /// What the store's record shows to this handle.
    pub(crate) fn shown(&self, definition: &Definition) -> repo_core::strategy::StoreRecord {
        let session = self.session.get();
        definition.to_record(|name| session.is_some_and(|session| session.owns(definition, name)))
    }

    /// The state of a collection in the store's record, one that this handle
    /// loads included.
    pub(crate) fn own_collection<'a>(
        &self,
        definition: &'a mut Definition,
        name: &CollectionName,
    ) -> Option<&'a mut CollectionDefinition> {
        let owned = self.session.get().is_some_and(|session| session.owns(definition, name));
        match definition.loads.get_mut(name).filter(|_| owned) {
            Some(load) => Some(&mut load.definition),
            None => definition.collections.get_mut(name),
        }
    }

    /// Changes the store's record, again when an answer was lost: the change
    /// must know its own work.
    async fn change_again<F>(&self, operation: &'static str, mut change: F) -> Result<Definition>
    where
        F: FnMut(&mut Definition) -> Result<()>,
    {
        for _ in 0..LOST_ANSWERS {
            match self.change_definition(operation, &mut change).await {
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {}
                done => return done,
            }
        }
        let scene = self.repeatable(operation, &self.store_table);
        Err(scene.later("the answers about the store's record keep getting lost").error)
    }

    /// Sees to it that the loads of this handle were confirmed in the store's
    /// record a short time ago.
    ///
    /// # Errors
    /// `Locked` when another run has taken one over.
    async fn renew(&self, session: &Session, open: &Open) -> Result<()> {
        if session.is_renewed() {
            return Ok(());
        }
        let _renewing = session.renewing.lock().await;
        if session.is_renewed() {
            return Ok(());
        }
        let (begun, at) = (Instant::now(), now());
        self.change_again("apply", |definition| {
            if let Some(name) = open.layouts.keys().find(|name| !session.owns(definition, name)) {
                return Err(self.taken_over("apply", name));
            }
            for load in definition.loads.values_mut().filter(|load| load.token == session.token) {
                load.renew(at);
            }
            Ok(())
        })
        .await?;
        session.clock.set(at);
        *locked(&session.renewed) = Some(begun);
        Ok(())
    }

    fn taken_over(&self, operation: &'static str, collection: &CollectionName) -> Error {
        Error::new(ErrorKind::Locked, operation, "another run took over the load of a collection")
            .with("store", &self.location)
            .with("collection", collection)
            .hint(
                "every write that was acknowledged to this handle is there; let the other run \
                 end, or begin again",
            )
    }
}
