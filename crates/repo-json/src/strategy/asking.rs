//! How the calls of a handle reach a thread that may block, or the writer.

use std::sync::Arc;

use repo_core::strategy::SystemItemMap;
use repo_core::{CollectionName, EntityId, Result};
use tokio::sync::oneshot;

use super::JsonStrategy;
use crate::errors;
use crate::names::{READ_FEED, READ_ITEMS};
use crate::store::{Store, collection};
use crate::writer::{Reply, Request};

impl JsonStrategy {
    /// Runs work that may block on a thread for such work.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.store.check_open(operation)?;
        let store = Arc::clone(&self.store);
        let location = store.env.location.clone();
        let done = tokio::task::spawn_blocking(move || work(&store))
            .await
            .map_err(|_| errors::interrupted(operation, &location))?;
        if done.is_err() {
            // What fails on a handle that was closed meanwhile fails for that.
            self.store.check_open(operation)?;
        }
        done
    }

    /// Looks at the change feed, once what another process broke off is finished.
    pub(super) async fn of_feed<T: Send + 'static>(
        &self,
        look: impl Fn(&Store) -> Result<Option<T>> + Clone + Send + 'static,
    ) -> Result<T> {
        self.store.check_writable(READ_FEED)?;
        loop {
            if let Some(found) = self.blocking(READ_FEED, look.clone()).await? {
                return Ok(found);
            }
            self.ask(READ_FEED, Request::Settle).await?;
        }
    }

    /// Looks at the engine's own items.
    pub(super) async fn of_items<T: Send + 'static>(
        &self,
        look: impl FnOnce(&SystemItemMap) -> T + Send + 'static,
    ) -> Result<T> {
        self.blocking(READ_ITEMS, |store| {
            store.catch_up(READ_ITEMS)?;
            let state = store.state();
            state.feed(&store.env, READ_ITEMS)?;
            Ok(look(&state.items))
        })
        .await
    }

    /// Asks the writer and waits for its answer.
    pub(super) async fn ask<T>(
        &self,
        operation: &'static str,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T> {
        self.store.check_writable(operation)?;
        let (reply, answer) = oneshot::channel();
        self.writer.send(&self.store, request(reply))?;
        answer.await.map_err(|_| self.store.unanswered(operation))?
    }

    /// Refuses a collection that was never prepared, and a document that
    /// breaks a rule, before the writer is asked.
    pub(super) async fn check<'d>(
        &self,
        operation: &'static str,
        documents: impl Iterator<
            Item = (&'d CollectionName, &'d EntityId, Option<&'d repo_core::Document>),
        >,
    ) -> Result<()> {
        self.store.check_writable(operation)?;
        for (name, id, document) in documents {
            if !self.store.surely_has(name) {
                let name = name.clone();
                self.blocking(operation, move |store| {
                    store.catch_up(operation)?;
                    collection(&store.env, &store.state(), operation, &name).map(|_| ())
                })
                .await?;
            }
            let Some(document) = document else { continue };
            let schema = self.store.env.schema(name);
            schema.check_document(id, document, self.capabilities.max_entity_bytes)?;
        }
        Ok(())
    }
}
