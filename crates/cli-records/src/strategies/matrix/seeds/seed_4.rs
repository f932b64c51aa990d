//! Features of the fourth document.

use crate::strategies::matrix::feature::{Feature, command, page, refused};

pub(in crate::strategies::matrix) const FEATURES: &[Feature] = &[
    page(
        "a pool of connections with a least and a most",
        "docs/reference/configuration.md",
        "`pool_size`, `max_overflow`",
    ),
    page("several writes in one transaction", "docs/guide/embedding.md", "## Transactions"),
    page("reads from replicas", "docs/guide/operating.md", "### Reads from replicas"),
    page(
        "lag and health of replicas decide who is asked",
        "docs/reference/configuration.md",
        "`max_staleness_ms`",
    ),
    refused(
        "MongoDB as the store",
        "no server of it is among those that the tests run on, and a strategy that the conformance suite has not run on is none",
        "PostgreSQL or DynamoDB as the store of documents, the same filters on each; `repoctl import C FILE --from mongoexport` brings records along",
    ),
    command("indexes for the queries that are asked", "repoctl advise --indexes --recorded FILE"),
    command("groups, sums and means", "repoctl aggregate C --group-by FIELD --sum FIELD"),
    command("many records in one go, new or there already", "repoctl import C FILE --batch-size N"),
    refused(
        "Redis as the store",
        "a failover loses acknowledged writes: its replicas copy asynchronously, and waiting for some of them narrows that without closing it",
        "SQLite or PostgreSQL as the store; for values that may be lost, `ComputedCache` and the layer `cache` in the process",
    ),
    page(
        "values that are computed once and kept for a time",
        "docs/guide/embedding.md",
        "get_or_compute(name, ttl, compute)",
    ),
    page(
        "records that are absent once their time has passed",
        "docs/guide/operating.md",
        "## Entities that expire",
    ),
    command("what has passed is deleted", "repoctl sweep C --at-most N"),
    page("what was read is kept in memory", "docs/guide/embedding.md", "### A cache"),
    page("a lock over all processes", "docs/guide/leases.md", "one at a time, over all processes"),
    page(
        "a lock that somebody else has by now is not given back",
        "docs/guide/leases.md",
        "**Giving back is safe.**",
    ),
    page(
        "reads for update, and a lock on one record",
        "docs/guide/leases.md",
        "`execute_with_lock` is a lease and a transaction in one call",
    ),
    page("records in object stores", "docs/guide/operating.md", "## Object stores"),
    page("connections through a pooler", "docs/reference/configuration.md", "`pooler`"),
    command("a store is chosen by what is required", "repoctl advise --requirements FILE"),
    refused(
        "own hash ring and sharding, with questions to all shards",
        "records would have to move between shards while they are written, and no commit, query or count over two of them is as exact as in one store",
        "DynamoDB, which divides its tables by itself and keeps the same contract",
    ),
    refused(
        "vertical partitions over connections of one's own",
        "a document that is put together from several databases is none that existed at any moment",
        "several collections in one store, committed together; for two stores the crate `repo-across`",
    ),
    refused(
        "several masters with quorums, and vector clocks that decide between them",
        "the last writer would win silently over an acknowledged write, and the contract promises that none is lost",
        "one authority, its replicas for reads, `repoctl live` to hand over, and `diverged` as an answer in place of a winner",
    ),
    page(
        "levels of consistency: eventual, bounded, strong",
        "docs/guide/embedding.md",
        "## Levels of consistency",
    ),
    page(
        "read what one wrote, in another process too",
        "docs/guide/embedding.md",
        "A token carries over to another process what one has written",
    ),
    refused(
        "own two-phase commit",
        "a coordinator that is gone leaves both stores locked, and neither DynamoDB nor JSON files can prepare a commit",
        "the crate `repo-across`: both stores have their writes in the end or neither, after a kill at any step",
    ),
    page("writes in two stores, both or neither", "docs/guide/across.md", "## What is promised"),
    command(
        "batches by count and by time",
        "repoctl changes follow NAME --batch N --wait DURATION",
    ),
    page(
        "what fails in a batch is tried again alone",
        "docs/guide/changes.md",
        "a batch is divided",
    ),
    command(
        "what failed for good is put aside, and can be tried again",
        "repoctl changes dead retry NAME",
    ),
    page(
        "a stream through filters, processors and aggregates",
        "docs/guide/changes.md",
        "`Chain` of filters, processors and aggregates",
    ),
    command("a store moves while it is used", "repoctl live start"),
    command("both stores are compared while it moves", "repoctl live verify"),
    command("programs are switched to the new store", "repoctl live switch"),
    command("a move is taken back", "repoctl live back"),
    command("how far a move is", "repoctl live status"),
    refused(
        "queries that are rewritten with hints for an index",
        "a hint is right for one size of the data and wrong for the next, and a store whose planner has figures knows better",
        "`repoctl query C --explain analyze` says what a query takes, `repoctl advise --indexes --recorded FILE` which index it lacks",
    ),
    command("the plan of a query, run and measured", "repoctl query C --explain analyze"),
    command("no answer without a bound", "repoctl query C --limit N"),
];
