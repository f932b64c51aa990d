//! The strategies that this build knows, usable or not.

use repo_core::{MemoryFactory, Registry, Result, StrategyFactory};

use super::planned::PlannedFactory;

/// Every strategy by name. What this build cannot open is there as well, so
/// that its settings are still read and the refusal says why.
pub(crate) fn registry() -> Registry {
    let planned = PlannedFactory::all().into_iter();
    let registry = planned.fold(Registry::new(), |registry, factory| registry.with(factory));
    with_built_in(registry.with(MemoryFactory))
}

/// Checks that this build can open a strategy of the registry.
///
/// # Errors
/// `Unsupported` otherwise.
pub(crate) fn check_usable(factory: &dyn StrategyFactory) -> Result<()> {
    let planned = PlannedFactory::all();
    let same = |planned: &&PlannedFactory| {
        planned.name() == factory.name() && planned.summary() == factory.summary()
    };
    planned.iter().find(same).map_or(Ok(()), |planned| Err(planned.refuse()))
}

fn with_built_in(registry: Registry) -> Registry {
    #[cfg(feature = "json")]
    let registry = registry.with(repo_json::JsonFactory);
    #[cfg(feature = "sql")]
    let registry = registry
        .with(repo_sql::SqlFactory)
        .with(repo_sql::SqliteFactory)
        .with(repo_sql::PostgresFactory);
    registry
}
