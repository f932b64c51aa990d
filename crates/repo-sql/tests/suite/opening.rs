//! Opening by settings that a program made.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use repo_core::ErrorKind;
use repo_core::strategy::OpenOptions;
use repo_sql::{PostgresStrategy, SqlSettings, SqlType, SqliteStrategy};

#[tokio::test]
async fn settings_that_a_program_made_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("a.db").display().to_string();
    let file = SqlSettings { name, ..SqlSettings::default() };
    let server = SqlSettings {
        database: SqlType::Postgresql,
        name: "broker".to_owned(),
        username: "broker".to_owned(),
        password: "hunter2".into(),
        ..SqlSettings::default()
    };
    for settings in [
        SqlSettings { pool_size: 0, ..file.clone() },
        SqlSettings { name: ":memory:".to_owned(), ..file.clone() },
        server.clone(),
    ] {
        let error = SqliteStrategy::open(settings, OpenOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    }
    for settings in [
        file.clone(),
        SqlSettings { schema: "pg_catalog".to_owned(), ..server.clone() },
        SqlSettings { username: String::new(), ..server.clone() },
    ] {
        let error = PostgresStrategy::open(settings, OpenOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    SqliteStrategy::open(file, OpenOptions::default()).await.unwrap();
}
