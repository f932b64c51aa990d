//! Features of the first document.

use crate::strategies::matrix::feature::{Feature, command, page, refused};

pub(in crate::strategies::matrix) const FEATURES: &[Feature] = &[
    page(
        "one interface to data in several places, chosen by name",
        "docs/decisions/0206-pipeline-and-storage-manager.md",
        "`StorageManager` has places with names",
    ),
    command("bytes are stored under a key, with metadata", "repoctl data put FILE --metadata JSON"),
    command("the type of the content is kept with it", "repoctl data put FILE --content-type TYPE"),
    command("bytes are read by their key", "repoctl data get ID --output FILE"),
    command("bytes are deleted by their key", "repoctl data rm ID"),
    page(
        "files of the local disk as a place",
        "docs/reference/configuration.md",
        "a folder, or `s3://BUCKET/PREFIX`",
    ),
    page("S3 as a place", "docs/reference/configuration.md", "`s3://BUCKET/PREFIX`"),
    command("PostgreSQL as a place", "repoctl init --store postgresql://USER@HOST/NAME"),
    refused(
        "Redis as a place",
        "a failover loses acknowledged writes: its replicas copy asynchronously, and waiting for some of them narrows that without closing it",
        "SQLite or PostgreSQL as the store; for values that may be lost, `ComputedCache` and the layer `cache` in the process",
    ),
    command("a kind of store that is not known is refused", "repoctl strategies"),
    page(
        "validators and processors before what is stored",
        "docs/decisions/0206-pipeline-and-storage-manager.md",
        "*Pipeline.*",
    ),
    page(
        "JSON that does not fit its schema is refused",
        "docs/reference/configuration.md",
        "`validate_documents`",
    ),
    command("each write makes a version, and the older ones stay", "repoctl history on C"),
    command("all versions of a record, newest first", "repoctl versions C ID"),
    command("a version by its number", "repoctl get C ID --at-version N"),
    command("a version by a name", "repoctl tag add C ID NAME"),
    command(
        "metadata of a version: who wrote it, and why",
        "repoctl put C FILE --author NAME --reason TEXT",
    ),
    command(
        "documents move from one schema version to another, step by step",
        "repoctl upgrade C --to V",
    ),
    page("migrators are registered for each step", "docs/reference/formats.md", "### Upgrades"),
    command(
        "a migration that would not find its way is refused before it begins",
        "repoctl upgrade C --to V --dry-run",
    ),
];
