//! The strategies that this build knows, usable or not.

use repo_core::Result;
use repo_core::strategy::{MemoryFactory, Registry, StrategyFactory};

use super::disabled_strategy::DisabledStrategyFactory;

/// Every strategy by name. What this build cannot open is there as well, so
/// that its settings are still read and the refusal says why.
pub(crate) fn registry() -> Registry {
    let left_out = DisabledStrategyFactory::all().into_iter();
    let registry = left_out.fold(Registry::new(), |registry, factory| registry.with(factory));
    with_built_in(registry.with(MemoryFactory))
}

/// Checks that this build can open a strategy of the registry.
///
/// # Errors
/// `Unsupported` otherwise.
pub(crate) fn check_usable(factory: &dyn StrategyFactory) -> Result<()> {
    let left_out = DisabledStrategyFactory::all();
    let same = |other: &&DisabledStrategyFactory| {
        other.name() == factory.name() && other.summary() == factory.summary()
    };
    left_out.iter().find(same).map_or(Ok(()), |left_out| Err(left_out.refuse()))
}

fn with_built_in(registry: Registry) -> Registry {
    #[cfg(feature = "json")]
    let registry = registry.with(repo_json::JsonFactory);
    #[cfg(feature = "sql")]
    let registry = registry
        .with(repo_sql::SqlFactory)
        .with(repo_sql::SqliteFactory)
        .with(repo_sql::PostgresFactory);
    #[cfg(feature = "dynamodb")]
    let registry = registry.with(repo_dynamo::DynamoFactory);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_strategy_of_this_build() {
        let page = include_str!("../../../../docs/reference/command-line.md");
        for factory in registry().iter() {
            assert!(page.contains(&format!("`{}`", factory.name())), "{}", factory.name());
        }
        assert!(!page.contains("not yet supported"));
    }
}
