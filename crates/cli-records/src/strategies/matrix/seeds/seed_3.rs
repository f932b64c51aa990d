//! Features of the third document.

use crate::strategies::matrix::feature::{Feature, command, page, refused};

pub(in crate::strategies::matrix) const FEATURES: &[Feature] = &[
    command("JSON files, SQL and DynamoDB, one of them by configuration", "repoctl strategies"),
    page(
        "one repository interface for every strategy",
        "docs/guide/embedding.md",
        "`Repository<Machine>` is a trait",
    ),
    page("all collections in one JSON file", "docs/reference/configuration.md", "`storage_type`"),
    page(
        "a JSON file for each collection, with names of one's own",
        "docs/reference/configuration.md",
        "`filenames.split_files`",
    ),
    page(
        "a write of files is whole or not there",
        "README.md",
        "`kill -9` at any moment: every acknowledged write is there",
    ),
    page(
        "files are copied before they are replaced",
        "docs/reference/configuration.md",
        "`backup_enabled`",
    ),
    page(
        "readers and writers of one folder wait for each other",
        "README.md",
        "two processes on one store: nothing is lost",
    ),
    page("compressed data files", "docs/reference/configuration.md", "`enable_compression`"),
    page("documents that are kept in memory", "docs/reference/configuration.md", "`cache_size`"),
    page(
        "buffers of writing, and commits that need not be synced",
        "docs/reference/configuration.md",
        "`write_buffer_size`",
    ),
    command("SQLite", "repoctl init --store sqlite:FILE"),
    command("PostgreSQL", "repoctl init --store postgresql://USER@HOST/NAME"),
    page(
        "a pool of connections, with more under load",
        "docs/reference/configuration.md",
        "`pool_size`, `max_overflow`",
    ),
    page(
        "connections are renewed, and waited for within limits",
        "docs/reference/configuration.md",
        "`pool_recycle`",
    ),
    page(
        "passwords come from the environment",
        "docs/reference/configuration.md",
        "${DB_PASSWORD}",
    ),
    page("prepared statements are kept", "docs/reference/configuration.md", "`enable_query_cache`"),
    command("tables are made from the collections", "repoctl schema ddl --strategy sqlite"),
    command("references between collections are checked", "repoctl schema validate"),
    page(
        "references between collections are enforced, on every strategy",
        "docs/reference/formats.md",
        "`\"enforceReferences\": true`",
    ),
    command(
        "queries by filters, ordered and limited",
        "repoctl query C --filter JSON --order-by FIELD --limit N",
    ),
    command("queries use indexes, and say which", "repoctl query C --explain"),
    page(
        "transactions with rollback, on every strategy",
        "docs/guide/embedding.md",
        "## Transactions",
    ),
    command(
        "DynamoDB, by region, profile and prefix of the tables",
        "repoctl init --store dynamodb:PREFIX",
    ),
    page(
        "capacity of DynamoDB: by request or provisioned",
        "docs/reference/configuration.md",
        "`billing_mode`",
    ),
    command("secondary indexes of DynamoDB", "repoctl schema ddl --strategy dynamodb"),
    page("consistent reads of DynamoDB", "docs/reference/configuration.md", "`consistent_reads`"),
    refused(
        "DynamoDB Accelerator (DAX)",
        "it answers writes and strong reads no faster, serves no transactions from its cache, and AWS offers no client of it for Rust",
        "the layer `cache`, which never shows a handle less than what it wrote, with a bound for what others wrote",
    ),
    page(
        "commits of DynamoDB within its limits",
        "docs/guide/operating.md",
        "One commit holds at most 100 keys and 4 MB",
    ),
    command("an update only of the version that was read", "repoctl put C FILE --expect-version N"),
    command("a delete only of the version that was read", "repoctl delete C ID --expect-version N"),
    command(
        "a migration between any two strategies, in batches",
        "migrateRepository --source-type TYPE --target-type TYPE --batch-size N",
    ),
    command("source and target are checked before", "migrateRepository --dry-run"),
    command("a backup is made before the first write", "migrateRepository --backup-location PLACE"),
    command(
        "both sides are compared after the last write",
        "repoctl verify --source URL --target URL",
    ),
    command("several batches at a time", "migrateRepository --parallel-workers N"),
    command("the source is emptied of what was verified", "migrateRepository --cleanup-source"),
    page(
        "the settings of a migration stand in the configuration",
        "docs/reference/configuration.md",
        "## `migration`",
    ),
    command(
        "which strategy fits how many records, hosts and queries",
        "repoctl advise --requirements FILE",
    ),
    command("from JSON files to a server, store by store, and back", "repoctl live start"),
    command("backups of any store", "repoctl backup --backup-location PLACE"),
    command("a backup is brought back, into any strategy", "repoctl restore ARCHIVE"),
    command(
        "files, tables and connections are looked at when something is wrong",
        "repoctl health --deep",
    ),
    command("a configuration is checked", "repoctl config validate"),
];
