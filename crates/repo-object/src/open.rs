//! Opening a store.

use repo_core::Result;

use crate::env::Env;
use crate::errors;
use crate::load;
use crate::names;
use crate::store::Store;

const OPEN: &str = "open the store";
/// How often the end of the log is looked for while others write and make checkpoints.
const TRIES: usize = 5;

/// Reads the newest checkpoint and the log behind it.
///
/// # Errors
/// `NotFound` for a handle that only reads, where there is no store; `Corrupt` where the log has
/// a gap, or something of it is damaged.
pub(crate) async fn open(env: Env) -> Result<Store> {
    let state = load::open(&env).await?;
    let store = Store::new(env, state);
    for _ in 0..TRIES {
        store.catch_up(OPEN).await?;
        let Some(next) = behind(&store).await? else {
            if store.env.options.read_only && !store.state().exists() {
                return Err(errors::no_store(OPEN, &store.env.location));
            }
            return Ok(store);
        };
        let end = store.state().position;
        if next > end + 1 {
            // A list of the checkpoints was not up to date, or a frame is missing.
            let state = load::open(&store.env).await?;
            *store.state_mut() = state;
        }
    }
    let end = store.state().position;
    match behind(&store).await? {
        Some(next) if next > end + 1 => {
            Err(errors::missing(&store.env.location, &names::log(end + 1)))
        }
        _ => Ok(store),
    }
}

/// The first frame in a list of those behind the state. One at most stands there that was
/// added since the end was seen; a later one shows that it was not the end.
async fn behind(store: &Store) -> Result<Option<u64>> {
    let end = store.state().position;
    let after = (end > 0).then(|| names::numbered(end));
    let listed = store.env.objects.list(names::LOG, after.as_deref(), 1).await?;
    Ok(listed.first().and_then(|object| names::number_of(&object.name)))
}
