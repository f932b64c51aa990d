//! Opening by settings that a program made.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use repo_core::ErrorKind;
use repo_core::strategy::{OpenOptions, StrategyFactory as _};
use repo_sql::{
    PostgresFactory, PostgresStrategy, SqlFactory, SqlSettings, SqlType, SqliteFactory,
    SqliteStrategy,
};
use repo_testkit::check_scratch_places;
use serde_json::{Value as Json, json};

use crate::postgres::{PostgresPlace, tool};

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

#[tokio::test]
async fn scratch_places_of_sqlite_stand_beside_the_file_and_leave_nothing() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.db");
    let settings = json!({ "name": file.to_str().unwrap() });
    check_scratch_places(&SqliteFactory, &settings).await;
    check_scratch_places(&SqlFactory, &settings).await;
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn scratch_places_of_postgresql_are_schemas_that_are_dropped() {
    let settings = PostgresPlace::new().settings(&Json::Null);
    let place = PostgresFactory.scratch(&settings).unwrap();
    let name = place.name_on_server().unwrap().to_owned();
    assert_eq!(place.settings()["schema"], name.as_str());
    let store = PostgresFactory.open(place.settings(), OpenOptions::default()).await.unwrap();
    let tool = tool().await;
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let count = async || tool.query_one(schemas, &[&name]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count().await, 0, "opening makes nothing");
    store.prepare(&[]).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(count().await, 1);
    PostgresFactory.remove_scratch(&place).await.unwrap();
    assert_eq!(count().await, 0);
    check_scratch_places(&PostgresFactory, &settings).await;
    check_scratch_places(&SqlFactory, &settings).await;
}
