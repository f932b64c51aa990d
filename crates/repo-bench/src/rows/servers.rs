//! The servers that rows talk to, by the variables of `scripts/services env`.

use repo_core::{Error, ErrorKind, Result};
use tokio::net::TcpStream;

use crate::raw::object::Server;

/// The URL of the PostgreSQL server.
pub(super) async fn postgres() -> Result<String> {
    let url = address("REPO_TEST_POSTGRES_URL", "postgresql")?;
    let host = url.rsplit('@').next().and_then(|rest| rest.split('/').next());
    reach("PostgreSQL", host.unwrap_or_default()).await?;
    Ok(url)
}

/// The URL of DynamoDB Local.
pub(super) async fn dynamo() -> Result<String> {
    let url = address("REPO_TEST_DYNAMODB_URL", "dynamodb")?;
    let host = url.split("://").nth(1).map(|rest| rest.trim_end_matches('/'));
    reach("DynamoDB Local", host.unwrap_or_default()).await?;
    Ok(url)
}

/// The URL of the same database on a server of another address.
pub(super) async fn elsewhere(url: &str, address: &str) -> Result<String> {
    let parts = || {
        let (before, after) = url.rsplit_once('@')?;
        let (_, database) = after.split_once('/')?;
        let host = address.strip_prefix("postgresql://")?.trim_end_matches('/');
        Some((host, format!("{before}@{host}/{database}")))
    };
    let (host, there) = parts().ok_or_else(|| {
        let why = "a replica is named as postgresql://HOST:PORT";
        Error::new(ErrorKind::ConfigInvalid, "find a server", why)
            .hint("take it from `scripts/services env`")
    })?;
    reach("the replica of PostgreSQL", host).await?;
    Ok(there)
}

/// The server that speaks S3.
pub(super) async fn s3() -> Result<Server> {
    let server = Server {
        url: address("REPO_TEST_S3_URL", "object")?,
        bucket: address("REPO_TEST_S3_BUCKET", "object")?,
        access_key: address("REPO_TEST_S3_ACCESS_KEY", "object")?,
        secret_key: address("REPO_TEST_S3_SECRET_KEY", "object")?,
    };
    let host = server.url.split("://").nth(1).map(|rest| rest.trim_end_matches('/'));
    reach("the S3 server", host.unwrap_or_default()).await?;
    Ok(server)
}

fn address(variable: &'static str, rows: &str) -> Result<String> {
    std::env::var(variable).map_err(|source| {
        Error::new(ErrorKind::ConfigInvalid, "find a server", format!("{variable} is not set"))
            .hint(format!(
                "start the servers with `scripts/services up` and take their addresses with \
                 `eval \"$(scripts/services env)\"`, or choose other rows than those of {rows} \
                 with --rows"
            ))
            .caused_by(source)
    })
}

async fn reach(server: &str, host: &str) -> Result<()> {
    TcpStream::connect(host).await.map(drop).map_err(|source| {
        Error::new(ErrorKind::Unavailable, "reach a server", format!("{server}: {source}"))
            .with("address", host)
            .hint("start it with `scripts/services up`")
            .caused_by(source)
    })
}

/// A name that no other run has.
pub(super) fn unique(word: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static MADE: AtomicU64 = AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    format!("bench_{:x}_{micros:x}_{made}_{word}", std::process::id())
}
