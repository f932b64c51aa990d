//! The rows: what each compares, and how its two sides are set up.

mod cache;
mod dynamo;
mod json;
mod kept;
mod migration;
mod object;
mod postgres;
mod replica;
mod servers;
mod sqlite;

use repo_core::Result;

use kept::Kind;
pub(crate) use postgres::Server;

use crate::bench::Bench;
use crate::row::Row;

/// All rows, by group.
pub fn all() -> impl Iterator<Item = &'static Row> {
    let json = json::ROWS.into_iter().chain(kept::JSON.all());
    let sqlite = sqlite::ROWS.into_iter().chain(kept::SQLITE.all());
    let postgres = postgres::ROWS.into_iter().chain(kept::POSTGRES.all());
    let objects = object::ON_S3.into_iter().chain(object::IN_FOLDER);
    let stores = json.chain(sqlite).chain(postgres).chain(replica::ROWS);
    let stores = stores.chain(dynamo::ROWS).chain(objects);
    stores.chain(migration::ROWS).chain(cache::ROWS)
}

/// Measures the rows that are asked for.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    // A server that is missing is reported now, not in half an hour.
    let replica = replica::find(bench);
    let postgres = bench.wants_any(&postgres::ROWS)
        || bench.wants_any(&kept::POSTGRES.all())
        || bench.wants(&migration::TO_POSTGRES)
        || replica.is_some();
    let postgres = if postgres { Some(servers::postgres().await?) } else { None };
    let dynamo = if bench.wants_any(&dynamo::ROWS) { Some(servers::dynamo().await?) } else { None };
    let objects = if bench.wants_any(&object::ON_S3) { Some(servers::s3().await?) } else { None };

    // Boxed: together their states would not fit on the stack of a thread.
    Box::pin(json::run(bench)).await?;
    Box::pin(kept::run(bench, &Kind::Json)).await?;
    Box::pin(sqlite::run(bench)).await?;
    Box::pin(kept::run(bench, &Kind::Sqlite)).await?;
    if let Some(url) = &postgres {
        Box::pin(postgres::run(bench, url)).await?;
        Box::pin(kept::run(bench, &Kind::Postgres(url.clone()))).await?;
        if let Some(address) = &replica {
            Box::pin(replica::run(bench, url, address)).await?;
        }
    }
    if let Some(url) = &dynamo {
        Box::pin(dynamo::run(bench, url)).await?;
    }
    if let Some(server) = &objects {
        Box::pin(object::run(bench, server)).await?;
    }
    Box::pin(object::run_in_folder(bench)).await?;
    Box::pin(migration::run(bench, postgres.as_deref())).await?;
    Box::pin(cache::run(bench)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut names: Vec<&str> = all().map(|row| row.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
