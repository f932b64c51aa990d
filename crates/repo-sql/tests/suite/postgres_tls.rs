//! Encrypted connections to PostgreSQL, and servers that cannot be trusted.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::options;
use crate::postgres::proxy::{Proxy, address};
use crate::postgres::role::Role;
use crate::postgres::{PostgresPlace, tool};
use repo_core::ErrorKind;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The certificate of the authority that signed the server's.
fn authority() -> String {
    repo_testkit::servers::address("REPO_TEST_POSTGRES_CA")
}

/// Opens, and says whether the server saw the connection encrypted.
async fn encrypted(further: &Json) -> repo_core::Result<bool> {
    let place = PostgresPlace::new();
    let role = Role::owner_of(&place).await;
    let store = place.open_with(&role.with(further), options(&[])).await?;
    let sql = "SELECT bool_and(s.ssl), count(*) FROM pg_stat_ssl AS s \
               JOIN pg_stat_activity AS a USING (pid) WHERE a.usename = $1";
    let row = tool().await.query_one(sql, &[&role.name]).await.unwrap();
    assert!(row.get::<_, i64>(1) > 0);
    drop(store);
    Ok(row.get(0))
}

#[tokio::test]
async fn each_mode_encrypts_as_it_promises() {
    let authority = authority();
    for (further, expected) in [
        (json!({ "sslmode": "disable" }), false),
        (json!({ "sslmode": "prefer" }), true),
        (json!({}), true),
        (json!({ "sslmode": "require" }), true),
        (json!({ "sslmode": "verify-full", "sslrootcert": authority }), true),
        (json!({ "sslmode": "verify-full", "sslrootcert": authority, "host": "localhost" }), true),
    ] {
        assert_eq!(encrypted(&further).await.unwrap(), expected, "{further}");
    }
}

/// A certificate of an authority that signed nothing here.
const OTHER_AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBnzCCAUWgAwIBAgIUX0a8JZU0bsC1lpm2bkkY/KO8VwIwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTI1MTcwMjMzWhgP
MjEyNjExMDExNzAyMzNaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENPoSUlNbJ5NHEEt0RoxT6NzAB0iDbCmG
awflHXug1qCGCtnmU3AKP5kRpWQmWItSwjJr6GMblnIYd3MvyftRX6NjMGEwHQYD
VR0OBBYEFNiVY4WL/mJX7ewH/kgeinoaWhpIMB8GA1UdIwQYMBaAFNiVY4WL/mJX
7ewH/kgeinoaWhpIMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAoG
CCqGSM49BAMCA0gAMEUCIQC0qS+Q/hmkSSgcG07mxrYhLFN97BXlCXD7wDYLMCeE
YgIgJsh7AOlscAC8HLnyV0nKT3PqF411cObcHysqddyrQp4=
-----END CERTIFICATE-----
";

/// Passes bytes between 127.0.0.2, which the certificate does not name, and
/// the server. `None` where there is no such address.
async fn under_another_address() -> Option<u16> {
    let listener = TcpListener::bind("127.0.0.2:0").await.ok()?;
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(address()).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    Some(port)
}

#[tokio::test]
async fn a_server_that_cannot_be_trusted_is_refused() {
    let folder = TempDir::new().unwrap();
    let other = folder.path().join("other.crt");
    std::fs::write(&other, OTHER_AUTHORITY).unwrap();
    let other = other.to_str().unwrap();
    let port = under_another_address().await.expect("127.0.0.2 is an address of this machine");
    let elsewhere = json!({ "host": "127.0.0.2", "port": port, "sslmode": "require" });
    assert!(encrypted(&elsewhere).await.unwrap(), "the way there works");
    for further in [
        json!({ "sslmode": "verify-full", "sslrootcert": other }),
        // The authorities of the system.
        json!({ "sslmode": "verify-full" }),
        json!({
            "sslmode": "verify-full", "sslrootcert": authority(), "host": "127.0.0.2",
            "port": port,
        }),
    ] {
        let error = encrypted(&further).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{further}: {error}");
        assert!(error.hint_text().unwrap().contains("sslrootcert"), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_file_without_certificates_is_a_wrong_setting() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, contents: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let broken = OTHER_AUTHORITY.replace("MII", "!!!");
    for path in [
        folder.path().join("missing").to_str().unwrap().to_owned(),
        folder.path().to_str().unwrap().to_owned(),
        file("empty", b""),
        file("garbage", &[0, 159, 146, 150]),
        file("broken", broken.as_bytes()),
        file(
            "key",
            b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n",
        ),
        file(
            "no-certificate",
            b"-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n",
        ),
    ] {
        let further = json!({ "sslmode": "verify-full", "sslrootcert": path });
        let error = PostgresPlace::new().open_with(&further, options(&[])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{path}: {error}");
        assert_eq!(error.context_value("file"), Some(path.as_str()), "{error}");
        assert!(error.hint_text().is_some(), "{error}");
    }
    // It would not be looked at, so it is refused as well.
    for mode in ["disable", "prefer", "require"] {
        let further = json!({ "sslmode": mode, "sslrootcert": authority() });
        let error = PostgresPlace::new().open_with(&further, options(&[])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{mode}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_required() {
    // The proxy says that it cannot encrypt.
    let proxy = Proxy::start().await;
    let with = |more: &Json| {
        let mut further = proxy.settings();
        further.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        further
    };
    for further in [
        with(&json!({ "sslmode": "require" })),
        with(&json!({ "sslmode": "verify-full", "sslrootcert": authority() })),
    ] {
        let error = encrypted(&further).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{further}: {error}");
        assert!(error.hint_text().unwrap().contains("sslmode"), "{error}");
    }
    assert!(!encrypted(&with(&json!({ "sslmode": "prefer" }))).await.unwrap());
    assert!(!encrypted(&with(&json!({ "sslmode": "disable" }))).await.unwrap());
}

/// A server that takes the request for encryption and is gone: a restart, a network that
/// ended. No setting is wrong, so it is worth another try.
#[tokio::test]
async fn a_server_that_goes_away_while_it_encrypts_is_only_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 8];
            client.read_exact(&mut request).await.unwrap();
            client.write_all(b"S").await.unwrap();
            // The greeting of TLS, and no answer to it.
            client.read_exact(&mut request).await.unwrap();
        }
    });
    let further = json!({ "host": "127.0.0.1", "port": port, "sslmode": "require" });
    let error = PostgresPlace::new().open_with(&further, options(&[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}
