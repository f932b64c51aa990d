//! What the programs read of a configuration besides the store.

use cli_archives::{Configured, ServerBlobs};
use repo_core::Result;
use repo_engine::config::{Config, Section};
use repo_migrate::MigrationConfig;

const MIGRATION: &str = "migration";
/// The section of the server, of which the programs read where its blobs are.
const SERVER: &str = "server";

/// The sections beside `storage` that the programs know.
pub(crate) fn sections() -> [Section; 2] {
    [Section::of::<MigrationConfig>(MIGRATION), Section::part_of::<ServerBlobs>(SERVER)]
}

/// The blob store of the store that a configuration names.
pub(crate) fn blobs(config: &Config) -> Configured {
    config.section(SERVER).map(Some)
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
