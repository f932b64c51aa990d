//! Why what has passed is deleted, as the history tells it.

use std::sync::Arc;

use repo_core::{Attribution, Entity, Precondition, Write};

/// The deletion of an entity whose time has passed, and of no later version of it.
pub(super) fn removal(entity: &Entity) -> Write {
    let why = Attribution::new(None, Some("its time to live has passed"));
    Write::delete(entity.key(), Precondition::Version(entity.version))
        .attributed_to(why.ok().map(Arc::new))
}
