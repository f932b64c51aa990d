//! What the programs read of a configuration besides the store.

use repo_core::Result;
use repo_engine::config::{Config, Section};
use repo_migrate::MigrationConfig;

const MIGRATION: &str = "migration";

/// The sections beside `storage` that the programs know.
pub(crate) fn sections() -> [Section; 1] {
    [Section::of::<MigrationConfig>(MIGRATION)]
}

/// The section `migration`.
pub(crate) fn migration(config: &Config) -> Result<MigrationConfig> {
    config.section(MIGRATION)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_names_every_strategy_of_this_build() {
        let page = include_str!("../../../../docs/reference/command-line.md");
        for factory in repo_engine::registry().iter() {
            assert!(page.contains(&format!("`{}`", factory.name())), "{}", factory.name());
        }
        assert!(!page.contains("not yet supported"));
    }
}
