//! Opening a store.

use repo_core::Result;

use crate::env::Env;
use crate::errors;
use crate::load;
use crate::store::Store;

const OPEN: &str = "open the store";

/// Reads the newest checkpoint and the log behind it.
///
/// # Errors
/// `NotFound` for a handle that only reads, where there is no store; `Corrupt` where a frame of
/// the log is missing, or something of it is damaged.
pub(crate) async fn open(env: Env) -> Result<Store> {
    let state = load::open(&env).await?;
    let store = Store::new(env, state);
    store.catch_up_whole(OPEN).await?;
    if store.env.options.read_only && !store.state().exists() {
        return Err(errors::no_store(OPEN, &store.env.location));
    }
    Ok(store)
}
