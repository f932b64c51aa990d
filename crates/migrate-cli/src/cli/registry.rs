//! The strategies that this build knows, usable or not.

use repo_core::{MemoryFactory, Registry, StrategyFactory};

use super::planned::PlannedFactory;

/// Every strategy by name. What this build cannot open is there as well, so
/// that its settings are still read and the refusal says why.
pub(crate) fn registry() -> Registry {
    let planned = PlannedFactory::all().into_iter();
    let registry = planned.fold(Registry::new(), |registry, factory| registry.with(factory));
    with_built_in(registry.with(MemoryFactory))
}

/// Whether a strategy of the registry can be opened.
pub(crate) fn is_usable(factory: &dyn StrategyFactory) -> bool {
    !PlannedFactory::all().iter().any(|planned| planned.summary() == factory.summary())
}

fn with_built_in(registry: Registry) -> Registry {
    #[cfg(feature = "json")]
    let registry = registry.with(repo_json::JsonFactory);
    #[cfg(feature = "sql")]
    let registry = registry.with(repo_sql::SqlFactory).with(repo_sql::SqliteFactory);
    registry
}
