//! Tokens: where the server is behind every commit that it acknowledged.

use repo_core::strategy::{StoreId, TokenPosition};
use repo_core::{ErrorKind, Result, Token};

use super::replicas::primary_position;
use super::shared::Shared;

pub(super) const OPERATION: &str = "take a token";

/// A token of what was acknowledged before the call.
///
/// # Errors
/// `Unavailable` where the server cannot be asked.
pub(super) async fn take(shared: &Shared, store: StoreId) -> Result<Token> {
    let position = match &shared.replicas {
        Some(replicas) => replicas.position(&shared.pool).await,
        None => primary_position(&shared.pool).await,
    };
    match position {
        Ok(found) => {
            let position = TokenPosition { epoch: found.timeline, at: found.at };
            Ok(Token::at(store, position))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Closed) => {
            Err(error)
        }
        // Not every server that speaks the protocol has positions: reads are strong then.
        Err(error) => {
            tracing::debug!(%error, "the server has no position");
            Ok(Token::new(store))
        }
    }
}
