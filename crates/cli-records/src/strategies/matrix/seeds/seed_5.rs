//! Features of the fifth document.

use crate::strategies::matrix::feature::{Feature, command, page, refused};

pub(in crate::strategies::matrix) const FEATURES: &[Feature] = &[
    page(
        "datapoints: values and files with what is known of them",
        "crates/repo-server/README.md",
        "what MADSci's client says",
    ),
    page(
        "the client of the laboratory runs unchanged",
        "crates/repo-server/README.md",
        "MADSci: a datapoint that is sent again",
    ),
    page(
        "files in a folder or in object storage",
        "crates/repo-server/README.md",
        "a folder, or `s3://BUCKET/PREFIX`",
    ),
    page(
        "any object storage that speaks S3",
        "crates/repo-server/README.md",
        "`endpoint`, `region`, `virtual_hosted`, `allow_http`",
    ),
    page(
        "datapoints whose bytes lie in object storage already",
        "crates/repo-server/README.md",
        "A datapoint of `object_storage` is read from a bucket",
    ),
    page(
        "datapoints are found by value and by metadata",
        "crates/repo-server/README.md",
        "A query is decided with Mongo's meaning",
    ),
    page(
        "who may see what, by owner",
        "crates/repo-server/README.md",
        "belongs to the owner of the key",
    ),
    command("a file comes back under a name of one's own", "repoctl data get ID --output FILE"),
    refused(
        "MongoDB below it",
        "no server of it is among those that the tests run on, and a strategy that the conformance suite has not run on is none",
        "PostgreSQL or DynamoDB as the store of documents, the same filters on each; `repoctl import C FILE --from mongoexport` brings records along",
    ),
    page(
        "the server does not start on a store of another version",
        "crates/repo-server/README.md",
        "compares the stored versions with those that the program declares",
    ),
    page(
        "versions are raised after a backup",
        "crates/repo-server/README.md",
        "raises them, after a backup",
    ),
    page("a backup alone", "crates/repo-server/README.md", "`--backup-only`"),
    page("a backup is brought back", "crates/repo-server/README.md", "`--restore-from`"),
    page(
        "the declared schemas may be those of a folder",
        "crates/repo-server/README.md",
        "`--schema-file` is `storage.schemas`",
    ),
    command("collections and indexes are made from schemas", "repoctl init"),
    command(
        "a migration that fails leaves the source as it was",
        "repoctl migrate --source URL --target URL --dry-run",
    ),
    page("everything in containers", "README.md", "docker compose --profile server up"),
];
