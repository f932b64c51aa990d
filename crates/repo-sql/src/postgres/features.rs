//! What a store needs of its server, tried out: a server that speaks PostgreSQL's protocol
//! may lack some of it, or take a statement and do something else.

use repo_core::{Error, ErrorKind, Result};

use super::connection::Connection;
use crate::errors;

/// Something that a store needs, and statements of which one fails where it is missing.
/// They begin where there is nothing of theirs.
struct Feature {
    name: &'static str,
    tried_by: &'static str,
}

/// Within a savepoint each. Where only what a statement does tells, a division by the
/// number of rows that it left fails when there are none.
static FEATURES: [Feature; 19] = [
    Feature {
        name: "the isolation level read committed",
        tried_by: "SELECT 1 / count(*) FROM (SELECT 1 \
            WHERE current_setting('transaction_isolation') = 'read committed') AS found",
    },
    Feature {
        name: "text ordered by its bytes (COLLATE \"C\")",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text COLLATE \"C\" PRIMARY KEY NOT NULL); \
            INSERT INTO \"_repo_trial\" VALUES ('Z'), ('a'); \
            SELECT 1 / count(*) FROM (SELECT max(\"id\") AS \"id\" FROM \"_repo_trial\") AS found \
            WHERE \"id\" = 'a'",
    },
    Feature {
        name: "jsonb with exact numbers",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"document\" jsonb \
            CHECK (jsonb_typeof(\"document\") = 'object')); \
            INSERT INTO \"_repo_trial\" \
            VALUES ('{\"n\": 12345678901234567890123456789012345678}'); \
            SELECT 1 / count(*) FROM \"_repo_trial\" WHERE \"document\" ->> 'n' \
            = '12345678901234567890123456789012345678' AND \"document\" -> 'n' = to_jsonb( \
            12345678901234567890123456789012345678)",
    },
    Feature {
        name: "stored generated columns",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"document\" jsonb, \"field\" numeric \
            GENERATED ALWAYS AS (CASE WHEN jsonb_typeof(\"document\" -> 'n') = 'number' \
            THEN (\"document\" ->> 'n')::numeric END) STORED); \
            CREATE INDEX ON \"_repo_trial\" (\"field\"); \
            INSERT INTO \"_repo_trial\" (\"document\") VALUES ('{\"n\": 1.5}'); \
            SELECT 1 / count(*) FROM \"_repo_trial\" WHERE \"field\" = 1.50",
    },
    Feature {
        name: "identity columns",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"place\" bigint GENERATED ALWAYS AS IDENTITY, \
            \"id\" text); INSERT INTO \"_repo_trial\" (\"id\") VALUES ('a'); \
            SELECT 1 / count(*) FROM \"_repo_trial\" WHERE \"place\" > 0",
    },
    Feature {
        name: "INSERT … ON CONFLICT DO UPDATE … WHERE … RETURNING",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text PRIMARY KEY, \"n\" bigint); \
            INSERT INTO \"_repo_trial\" VALUES ('a', 1); \
            INSERT INTO \"_repo_trial\" AS r (\"id\", \"n\") SELECT 'a', 2 \
            ON CONFLICT (\"id\") DO UPDATE SET \"n\" = excluded.\"n\" \
            WHERE excluded.\"n\" > r.\"n\" RETURNING \"id\"; \
            INSERT INTO \"_repo_trial\" VALUES ('a', 3) ON CONFLICT DO NOTHING; \
            SELECT 1 / count(*) FROM \"_repo_trial\" WHERE \"n\" = 2",
    },
    Feature {
        name: "arrays as rows (unnest … WITH ORDINALITY, LATERAL)",
        tried_by: "SELECT 1 / count(*) FROM unnest(ARRAY['a', 'b'], ARRAY[1, 2]::bigint[]) \
            WITH ORDINALITY AS u(\"id\", \"n\", \"place\") \
            CROSS JOIN LATERAL (SELECT u.\"n\" * 2 AS \"double\") AS d \
            WHERE u.\"place\" = 2 AND d.\"double\" = 4",
    },
    Feature {
        name: "locks of rows that leave readers and keys alone",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text PRIMARY KEY); \
            SELECT 1 FROM \"_repo_trial\" FOR UPDATE; SELECT 1 FROM \"_repo_trial\" FOR SHARE; \
            SELECT 1 FROM \"_repo_trial\" FOR NO KEY UPDATE; \
            SELECT 1 FROM \"_repo_trial\" FOR KEY SHARE",
    },
    Feature {
        name: "FOR UPDATE SKIP LOCKED",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text); DELETE FROM \"_repo_trial\" \
            WHERE \"id\" IN (SELECT \"id\" FROM \"_repo_trial\" LIMIT 1 FOR UPDATE SKIP LOCKED)",
    },
    Feature {
        name: "LOCK TABLE … IN SHARE ROW EXCLUSIVE MODE",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text); \
            LOCK TABLE \"_repo_trial\" IN SHARE ROW EXCLUSIVE MODE",
    },
    Feature {
        name: "PL/pgSQL functions with the rights of their owner (SECURITY DEFINER)",
        tried_by: "CREATE FUNCTION \"_repo_trial\"() RETURNS trigger LANGUAGE plpgsql \
            SECURITY DEFINER AS 'BEGIN RETURN NULL; END'; \
            REVOKE ALL ON FUNCTION \"_repo_trial\"() FROM PUBLIC; \
            SELECT 1 / count(*) FROM pg_catalog.pg_proc \
            WHERE \"proname\" = '_repo_trial' AND \"prosecdef\" AND \"prosrc\" <> ''",
    },
    Feature {
        name: "triggers for each row, with a condition",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text, \"n\" bigint); \
            CREATE TABLE \"_repo_trial_kept\" (\"n\" bigint); \
            CREATE FUNCTION \"_repo_trial\"() RETURNS trigger LANGUAGE plpgsql \
            AS 'BEGIN INSERT INTO \"_repo_trial_kept\" VALUES (OLD.\"n\"); RETURN NULL; END'; \
            CREATE TRIGGER \"_repo_trial\" AFTER UPDATE OF \"n\" ON \"_repo_trial\" FOR EACH ROW \
            WHEN (OLD.\"n\" <> NEW.\"n\") EXECUTE FUNCTION \"_repo_trial\"(); \
            INSERT INTO \"_repo_trial\" VALUES ('a', 7); UPDATE \"_repo_trial\" SET \"n\" = 8; \
            SELECT 1 / count(*) FROM \"_repo_trial_kept\" WHERE \"n\" = 7",
    },
    Feature {
        name: "triggers for each statement, with arguments",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text); \
            CREATE TABLE \"_repo_trial_kept\" (\"id\" text); \
            CREATE FUNCTION \"_repo_trial\"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \
            INSERT INTO \"_repo_trial_kept\" VALUES (TG_ARGV[0]); RETURN NULL; END'; \
            CREATE TRIGGER \"_repo_trial\" BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE \
            ON \"_repo_trial\" FOR EACH STATEMENT EXECUTE FUNCTION \"_repo_trial\"('seen'); \
            UPDATE \"_repo_trial\" SET \"id\" = 'a' WHERE false; \
            SELECT 1 / count(*) FROM \"_repo_trial_kept\" WHERE \"id\" = 'seen'",
    },
    Feature {
        name: "the transaction that wrote a row (xmin)",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text); \
            INSERT INTO \"_repo_trial\" VALUES ('a'); \
            SELECT 1 / count(*) FROM \"_repo_trial\" \
            WHERE xmin::text::bigint >= txid_current() & 4294967295",
    },
    Feature {
        name: "WITH … AS (DELETE … RETURNING)",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text); \
            CREATE TABLE \"_repo_trial_kept\" (\"id\" text); \
            INSERT INTO \"_repo_trial\" VALUES ('a'); \
            WITH moved AS (DELETE FROM \"_repo_trial\" RETURNING *) \
            INSERT INTO \"_repo_trial_kept\" SELECT \"id\" FROM moved; \
            SELECT 1 / count(*) FROM \"_repo_trial_kept\" WHERE \"id\" = 'a'",
    },
    Feature {
        name: "comments, which say what is whose",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text); \
            COMMENT ON TABLE \"_repo_trial\" IS 'ours'; \
            SELECT 1 / count(*) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n \
            ON n.oid = c.relnamespace WHERE n.nspname = current_schema() \
            AND c.relname = '_repo_trial' AND c.relkind = 'r' \
            AND obj_description(c.oid, 'pg_class') = 'ours'",
    },
    Feature {
        name: "views",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"_updated_at\" bigint); \
            CREATE VIEW \"_repo_trial_view\" AS SELECT (timestamp '1970-01-01' \
            + (\"_updated_at\" / 86400000000) * interval '1 day') AT TIME ZONE 'UTC' AS \"time\" \
            FROM \"_repo_trial\"; SELECT count(*) FROM \"_repo_trial_view\"",
    },
    Feature {
        name: "functions that are called",
        tried_by: "SELECT gen_random_uuid()::text, starts_with('ab', 'a'), \
            set_config('repository.trial', 'x', true), current_setting('repository.none', true), \
            octet_length('ä'), pg_catalog.mod(5, 3)",
    },
    Feature {
        name: "TRUNCATE within a transaction",
        tried_by: "CREATE TABLE \"_repo_trial\" (\"id\" text); TRUNCATE \"_repo_trial\"",
    },
];

/// After all the others: none of their tables is there.
static TAKEN_BACK: Feature = Feature {
    name: "tables that a transaction takes back",
    tried_by: "SELECT 1 / (CASE WHEN to_regclass('\"_repo_trial\"') IS NULL THEN 1 ELSE 0 END)",
};

const BEGIN: &str = "SAVEPOINT repo_trial";
const BACK: &str = "ROLLBACK TO SAVEPOINT repo_trial";
const END: &str = "RELEASE SAVEPOINT repo_trial";

/// Tries out everything in one round trip, within the transaction of the connection, of
/// which nothing is left. If something fails, one after the other, to name all.
///
/// # Errors
/// `Unsupported`, naming what the server lacks; other errors when it refuses this user, or
/// cannot be asked.
pub(super) async fn check(
    connection: &Connection,
    operation: &'static str,
    place: &str,
) -> Result<()> {
    let failed = |source| errors::postgres(operation, place, source);
    let all: Vec<String> = tried().map(in_savepoint).collect();
    let all = format!("{}; {BACK}; {END}", all.join("; "));
    // The savepoint first, and apart: a server that cannot read all runs none of it.
    let (begun, done) = futures::future::join(connection.run(BEGIN), connection.run(&all)).await;
    begun.map_err(failed)?;
    if done.is_ok() {
        return Ok(());
    }
    let (mut lacks, mut reasons) = (Vec::new(), Vec::new());
    for feature in tried() {
        connection.run(BACK).await.map_err(failed)?;
        let Err(source) = connection.run(&in_savepoint(feature)).await else { continue };
        let error = failed(source);
        if !matches!(error.kind(), ErrorKind::Unexpected | ErrorKind::Foreign) {
            return Err(error);
        }
        lacks.push(feature.name);
        reasons.extend(error.context_value("reason").map(str::to_owned));
    }
    connection.run(&format!("{BACK}; {END}")).await.map_err(failed)?;
    if lacks.is_empty() {
        // The second time it could.
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, operation, "the server lacks what a store needs")
        .with("store", place)
        .with("lacks", lacks.join("; "))
        .with("reason", reasons.join("; "))
        .hint("use PostgreSQL 15 or newer, or a server that does all of this as it does"))
}

fn tried() -> impl Iterator<Item = &'static Feature> {
    FEATURES.iter().chain(std::iter::once(&TAKEN_BACK))
}

/// Statements that leave nothing behind.
fn in_savepoint(feature: &Feature) -> String {
    format!("{BEGIN}_part; {}; {BACK}_part", feature.tried_by)
}
