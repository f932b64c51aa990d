//! The end of a load: its collection becomes an ordinary one.

use std::time::Instant;

use repo_core::{CollectionName, CollectionSchema, Result};

use crate::load::lock::locked;
use crate::load::session::{Open, Session};
use crate::shared::Shared;

/// What an end does when another run has taken the load over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It is an error.
    Refused,
    /// The collection is an ordinary one, which is what was wanted.
    Accepted,
}

impl Shared {
    /// Ends the loads of this handle among the collections.
    ///
    /// # Errors
    /// `Locked` when another run has taken one over.
    pub(crate) async fn end_own_loads(&self, schemas: &[CollectionSchema]) -> Result<()> {
        let wanted = |name: &CollectionName| schemas.iter().any(|s| s.collection == *name);
        self.end_loads("prepare", wanted, Lost::Refused).await
    }

    /// Ends every load of this handle.
    pub(crate) async fn end_all_own_loads(&self, operation: &'static str) -> Result<()> {
        self.end_loads(operation, |_| true, Lost::Accepted).await
    }

    /// Makes ordinary collections of those that this handle began to load and
    /// whose table it then could not make: nothing was written to them.
    pub(crate) async fn end_unbegun_loads(&self, schemas: &[CollectionSchema]) -> Result<()> {
        let Some(session) = self.session.get() else { return Ok(()) };
        let Some(found) = self.read_definition("prepare").await? else { return Ok(()) };
        let mut names: Vec<CollectionName> =
            schemas.iter().map(|schema| schema.collection.clone()).collect();
        names.retain(|name| session.owns(&found.definition, name));
        let open = locked(&session.names).clone();
        names.retain(|name| !open.contains(name));
        if names.is_empty() {
            return Ok(());
        }
        self.promote("prepare", session, &names).await.map(drop)
    }

    /// Ends the load of one collection, if this handle loads it.
    pub(crate) async fn end_own_load(
        &self,
        operation: &'static str,
        collection: &CollectionName,
    ) -> Result<()> {
        if self.loaded_table(collection).await.is_none() {
            return Ok(());
        }
        self.end_loads(operation, |name| name == collection, Lost::Accepted).await
    }

    /// Ends every load of this handle, if that needs no wait. What stays is
    /// taken over by the next `prepare`.
    pub(crate) async fn end_loads_on_closing(&self) {
        let Some(session) = self.session.get() else { return };
        if locked(&session.names).is_empty() {
            return;
        }
        // Waits for the requests that are under way.
        drop(session.open.write().await);
        let lost = *locked(&session.unanswered);
        let ended = match lost {
            Some(lost) => match self.is_past("close", lost.signed, lost.given_up).await {
                Ok(true) => self.end_loads("close", |_| true, Lost::Accepted).await,
                Ok(false) => {
                    tracing::info!(
                        store = %self.location,
                        "a load stays open, since a request of it had no answer; the next \
                         `prepare` ends it"
                    );
                    Ok(())
                }
                Err(error) => Err(error),
            },
            None => self.end_loads("close", |_| true, Lost::Accepted).await,
        };
        if let Err(error) = ended {
            tracing::warn!(store = %self.location, %error, "a load could not be ended");
        }
    }

    /// After another run took over a load: ends what is left.
    pub(super) async fn let_go(&self) {
        if let Err(error) = self.end_loads("apply", |_| true, Lost::Accepted).await {
            tracing::warn!(store = %self.location, %error, "a load could not be ended");
        }
    }

    async fn end_loads(
        &self,
        operation: &'static str,
        wanted: impl Fn(&CollectionName) -> bool,
        lost: Lost,
    ) -> Result<()> {
        let Some(session) = self.session.get() else { return Ok(()) };
        let mut open = session.open.write().await;
        let names: Vec<CollectionName> =
            open.layouts.keys().filter(|name| wanted(name)).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        self.wait_for_the_lost(operation, session, &open).await?;
        let taken = self.promote(operation, session, &names).await?;
        session.remove(&mut open, &names);
        match taken.first() {
            Some(name) if lost == Lost::Refused => Err(self.taken_over(operation, name)),
            _ => Ok(()),
        }
    }

    /// Waits until no request without an answer can be accepted any more. The
    /// caller has `open` alone, so none is under way.
    pub(super) async fn wait_for_the_lost(
        &self,
        operation: &'static str,
        session: &Session,
        _open: &Open,
    ) -> Result<()> {
        let Some(lost) = *locked(&session.unanswered) else { return Ok(()) };
        let since = Instant::now();
        tracing::warn!(
            store = %self.location,
            "a request of a load had no answer; waiting until the server would refuse it, up to \
             fifteen minutes"
        );
        while !self.is_past(operation, lost.signed, lost.given_up).await? {
            self.wait_longer(operation, since).await?;
        }
        *locked(&session.unanswered) = None;
        Ok(())
    }

    /// Makes loads of this handle ordinary collections; gives those that
    /// another run has taken over.
    pub(super) async fn promote(
        &self,
        operation: &'static str,
        session: &Session,
        names: &[CollectionName],
    ) -> Result<Vec<CollectionName>> {
        let mut taken = Vec::new();
        let mut tries = 0;
        self.change_again(operation, |definition| {
            taken.clear();
            for name in names {
                if session.owns(definition, name) {
                    if let Some(load) = definition.loads.remove(name) {
                        definition.collections.insert(name.clone(), load.definition);
                    }
                } else if tries == 0 || !definition.collections.contains_key(name) {
                    // Otherwise it may be our own change, whose answer was lost.
                    taken.push(name.clone());
                }
            }
            tries += 1;
            Ok(())
        })
        .await?;
        Ok(taken)
    }
}
