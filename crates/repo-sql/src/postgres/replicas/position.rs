//! Asking the primary server where it is.

use repo_core::{Error, ErrorKind, Result};

use super::samples::{Position, Samples};
use crate::errors;
use crate::postgres::pool::Pool;
use crate::postgres::rows::{number_at, text_at};
use crate::postgres::statement::Statement;

const OPERATION: &str = "ask the server for its position";

/// Behind what is inserted into the log, not only what is flushed: a server that does not
/// wait for its disk acknowledges before. The first eight digits of a file of the log are its
/// timeline.
const POSITION: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, \
     substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), \
     (SELECT system_identifier::text FROM pg_control_system())";

/// Where the primary server is now: behind every commit that it acknowledged before. Within
/// a transaction it would not be behind that one's own commit.
///
/// # Errors
/// Those of a statement. A standby has no such position.
pub(in crate::postgres) async fn ask(pool: &Pool) -> Result<Position> {
    let statement = Statement::made(POSITION.to_owned(), []);
    let mut connection = pool.get().await?;
    let rows = connection
        .alone(statement)
        .await
        .map_err(|source| errors::postgres(OPERATION, pool.place(), source))?;
    let row = rows.first().ok_or_else(unknown)?;
    Ok(Position {
        cluster: text_at(row, 2)?.into(),
        timeline: u64::from_str_radix(&text_at(row, 1)?, 16).map_err(|_| unknown())?,
        at: u64::try_from(number_at(row, 0)?).map_err(|_| unknown())?,
    })
}

/// The same, noted as a sample.
///
/// # Errors
/// As [`ask`].
pub(super) async fn sample(pool: &Pool, samples: &Samples) -> Result<Position> {
    let begun = samples.begin();
    let position = ask(pool).await?;
    samples.note(begun, &position);
    Ok(position)
}

fn unknown() -> Error {
    let why = "the server answered with a position in an unknown form";
    Error::new(ErrorKind::Unexpected, OPERATION, why)
}
