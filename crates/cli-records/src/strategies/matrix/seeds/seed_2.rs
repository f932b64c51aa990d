//! Features of the second document.

use crate::strategies::matrix::feature::{Feature, command, page};

pub(in crate::strategies::matrix) const FEATURES: &[Feature] = &[
    page(
        "texts are stored as they are, and come back as text",
        "crates/repo-server/README.md",
        "texts, files, directories and what they are in",
    ),
    command("files of any kind and size", "repoctl data put FILE --name NAME --description TEXT"),
    page(
        "small content stays in the record, large content goes to the store of bytes",
        "docs/decisions/0201-blobs-and-records.md",
        "Above 64 KiB a text or value is in a blob",
    ),
    page(
        "large files go up and down by signed URLs",
        "crates/repo-server/README.md",
        "uploads and downloads by URLs that carry a permission",
    ),
    command(
        "an entry is pending until its bytes are there, and active then",
        "repoctl data list --status STATUS",
    ),
    page(
        "a directory as one zip",
        "docs/decisions/0207-directories.md",
        "*A zip is made by polling.*",
    ),
    page(
        "a directory as an entry for each file, with its tree",
        "docs/decisions/0207-directories.md",
        "A directory is uploaded entry by entry or as one zip",
    ),
    page(
        "ignore rules, by patterns and by a file",
        "docs/decisions/0207-directories.md",
        "*Rules* are those of git",
    ),
    page(
        "manifests in JSON and YAML describe what is in a directory",
        "docs/decisions/0207-directories.md",
        "*Manifests* in JSON and YAML",
    ),
    command("entries within entries", "repoctl data list --parent ID"),
    page(
        "a bucket with a prefix is registered where it is",
        "docs/decisions/0208-outside-sources.md",
        "a bucket with a prefix",
    ),
    page(
        "what is below a registered prefix becomes a collection",
        "crates/repo-server/README.md",
        "is listed at registration",
    ),
    page(
        "a row of a PostgreSQL table is registered where it is",
        "docs/decisions/0208-outside-sources.md",
        "a row of a table",
    ),
    page(
        "tables of BigQuery are registered, and answer with what is known of them",
        "docs/decisions/0208-outside-sources.md",
        "BigQuery tables and links are kept and given back",
    ),
    page(
        "what is registered is checked before it is kept",
        "docs/decisions/0208-outside-sources.md",
        "Without a rule nothing is allowed",
    ),
    command("content comes back by its kind, a directory as one file", "repoctl data get ID"),
    command("datasets group entries", "repoctl data put FILE --dataset ID"),
    command("the datasets there are", "repoctl data list --datasets"),
    command("a dataset and what is in it", "repoctl data list --dataset ID"),
    command("a dataset is deleted with what is in it", "repoctl data rm ID --datasets"),
    command("an entry is deleted", "repoctl data rm ID"),
    command("projects", "repoctl data put FILE --project ID"),
    command("tags", "repoctl data put FILE --tag TAG"),
    page(
        "uploads in pieces that go on after a cut",
        "docs/guide/data.md",
        "## What was cut goes on",
    ),
    page(
        "progress is shown while files move",
        "docs/reference/command-line.md",
        "a bar on a terminal",
    ),
    command(
        "what fails in passing is tried again, with pauses that grow",
        "repoctl data put FILE --retries N",
    ),
    page(
        "a refusal says of which kind it is, also as a status of HTTP",
        "docs/reference/exit-codes.md",
        "## From kind of error to code",
    ),
    page("each call also without waiting for it", "docs/guide/python.md", "## asyncio"),
    page(
        "the clients of the platform run unchanged",
        "crates/repo-server/README.md",
        "## The foreign clients",
    ),
];
