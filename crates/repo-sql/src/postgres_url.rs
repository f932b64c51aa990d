//! `postgresql://…` as settings. What the URL leaves out comes from the
//! environment variables that PostgreSQL's own tools read.

use std::borrow::Cow;
use std::str::FromStr as _;

use percent_encoding::percent_decode_str;
use repo_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json, json};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];
/// What may stand after the question mark, beside `connect_timeout`.
const PARAMETERS: [&str; 5] = ["schema", "sslmode", "sslrootcert", "host", "pooler"];

/// The variables of libpq that stand for a setting.
const VARIABLES: [(&str, &str); 7] = [
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGUSER", "username"),
    ("PGPASSWORD", "password"),
    ("PGDATABASE", "name"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
];

/// The settings of the store that `url` names; `None` for another kind of URL.
///
/// # Errors
/// `ConfigInvalid` for a malformed one. The URL is not repeated: it may hold a
/// password.
pub(crate) fn settings(url: &str) -> Result<Option<Json>> {
    settings_with(url, |variable| std::env::var(variable).ok())
}

fn settings_with(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Json>> {
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(None);
    }
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let config = Config::from_str(place).map_err(|_| malformed("it cannot be read"))?;
    let mut settings = Map::new();
    settings.insert("type".to_owned(), "postgresql".into());
    match (config.get_hosts(), config.get_ports()) {
        ([], []) => {}
        ([host], ports) => {
            settings.insert("host".to_owned(), host_text(host)?.into());
            let port = ports.first().filter(|_| names_port(place));
            settings.extend(port.map(|port| ("port".to_owned(), json!(port))));
        }
        _ => return Err(malformed("it names more than one host")),
    }
    settings.extend(config.get_user().map(|user| ("username".to_owned(), user.into())));
    let name = config.get_dbname().filter(|name| !name.is_empty());
    settings.extend(name.map(|name| ("name".to_owned(), name.into())));
    if let Some(password) = config.get_password() {
        let password = std::str::from_utf8(password)
            .map_err(|_| malformed("the password is not UTF-8 text"))?;
        settings.insert("password".to_owned(), password.into());
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = parameter(pair)?;
        settings.insert(key, value);
    }
    for (name, setting) in VARIABLES {
        let value = variable(name).filter(|value| !value.is_empty());
        if let (false, Some(value)) = (settings.contains_key(setting), value) {
            settings.insert(setting.to_owned(), from_environment(name, value)?);
        }
    }
    if settings.get("name").is_none() {
        return Err(malformed("it names no database"));
    }
    Ok(Some(Json::Object(settings)))
}

fn from_environment(name: &str, value: String) -> Result<Json> {
    match name {
        "PGPORT" => value.parse::<u16>().map(Json::from).map_err(|_| {
            Error::new(ErrorKind::ConfigInvalid, "choose a strategy", "PGPORT is no port")
                .with("value", value)
        }),
        _ => Ok(value.into()),
    }
}

/// Whether there is a port in the URL; the reader puts in the usual one.
fn names_port(place: &str) -> bool {
    let authority = place.split("//").nth(1).and_then(|rest| rest.split('/').next());
    let server = authority.and_then(|authority| authority.rsplit('@').next()).unwrap_or_default();
    // Colons within brackets belong to an address.
    server.rsplit(']').next().is_some_and(|rest| rest.contains(':'))
}

fn parameter(pair: &str) -> Result<(String, Json)> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let value: Cow<'_, str> = percent_decode_str(value)
        .decode_utf8()
        .map_err(|_| malformed("a parameter is not UTF-8 text"))?;
    match key {
        "connect_timeout" => {
            let seconds: u32 =
                value.parse().map_err(|_| malformed("connect_timeout is no number of seconds"))?;
            Ok(("timeout".to_owned(), seconds.into()))
        }
        key if PARAMETERS.contains(&key) => Ok((key.to_owned(), value.into())),
        key => Err(malformed("it has a parameter that is not known")
            .with("parameter", key)
            .hint("known are schema, sslmode, sslrootcert, host, pooler and connect_timeout")),
    }
}

fn host_text(host: &Host) -> Result<String> {
    match host {
        Host::Tcp(name) => Ok(name.clone()),
        Host::Unix(folder) => folder
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| malformed("the folder of the socket is not UTF-8 text")),
    }
}

fn malformed(why: &str) -> Error {
    Error::new(
        ErrorKind::ConfigInvalid,
        "choose a strategy",
        format!("the URL of the PostgreSQL store is malformed: {why}"),
    )
    .hint("write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_settings() {
        let url = "postgresql://me:p%40ss@db.example:6432/store?schema=broker&sslmode=verify-full\
                   &sslrootcert=%2Fetc%2Fca.pem&connect_timeout=5&pooler=transaction";
        let expected = json!({
            "type": "postgresql", "host": "db.example", "port": 6432, "name": "store",
            "username": "me", "password": "p@ss", "schema": "broker", "sslmode": "verify-full",
            "sslrootcert": "/etc/ca.pem", "timeout": 5, "pooler": "transaction",
        });
        assert_eq!(settings_with(url, |_| None).unwrap(), Some(expected));
        let socket = "postgres://me@/store?host=/run/postgresql";
        let expected = json!({
            "type": "postgresql", "host": "/run/postgresql", "name": "store", "username": "me",
        });
        assert_eq!(settings_with(socket, |_| None).unwrap(), Some(expected));
        assert_eq!(settings_with("sqlite:file", |_| None).unwrap(), None);
    }

    #[test]
    fn what_a_url_leaves_out_comes_from_the_environment() {
        let variable = |name: &str| {
            let value = match name {
                "PGHOST" => "db.example",
                "PGPORT" => "6432",
                "PGUSER" => "me",
                "PGPASSWORD" => "hunter2",
                "PGDATABASE" => "store",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let expected = json!({
            "type": "postgresql", "host": "db.example", "port": 6432, "name": "store",
            "username": "you", "password": "hunter2", "schema": "broker",
        });
        let found = settings_with("postgresql://you@/?schema=broker", variable).unwrap();
        assert_eq!(found, Some(expected));
        let port = |name: &str| (name == "PGPORT").then(|| "many".to_owned());
        assert!(settings_with("postgresql://h/d", port).is_err());
    }

    #[test]
    fn a_malformed_url_is_refused_without_its_password() {
        for url in [
            "postgresql://me:hunter2@host:port/db",
            "postgresql://me:hunter2@host",
            "postgresql://me:hunter2@one:1,two:2/db",
            "postgresql://me:hunter2@host/db?optoins=-c%20x",
            "postgresql://me:hunter2@host/db?connect_timeout=soon",
            "postgresql://me:hunter2@host/db?schema=%ff",
        ] {
            let error = settings_with(url, |_| None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
