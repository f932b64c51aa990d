//! What a PostgreSQL server refuses, and in which words that is said.
#![cfg(all(feature = "sqlite", feature = "postgres"))]

use crate::common::{Store, collection, key, machine, machines, options};
use crate::postgres::role::{PASSWORD, Role};
use crate::postgres::{PostgresPlace, eventually, tool};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Error, ErrorKind, Precondition, Query, Write};
use repo_testkit::Place as _;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// The error of opening, which shows no password and says what to do.
async fn refused(place: &PostgresPlace, further: &Json) -> Error {
    let error = place.open_with(further, options(&[machines()])).await.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", error.hint_text());
    let mut passwords = vec![PASSWORD.to_owned()];
    let settings = place.settings(further);
    passwords.extend(settings["password"].as_str().map(str::to_owned));
    for password in passwords.iter().filter(|password| !password.is_empty()) {
        // The password of the test server is a word of its own paths.
        assert!(!shown.contains(&format!("{password}@")), "{shown}");
        assert!(!shown.contains(&format!(":{password}")), "{shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(error.hint_text().is_some(), "{error}");
    assert!(error.context_value("store").is_some(), "{error}");
    error
}

#[tokio::test]
async fn a_refused_login_says_what_to_check() {
    let place = PostgresPlace::new();
    let role = Role::new().await;
    for (further, kind, hint) in [
        (json!({ "password": "hunter2" }), ErrorKind::PermissionDenied, "`password`"),
        (json!({ "password": "" }), ErrorKind::PermissionDenied, "`password`"),
        (
            json!({ "username": "nobody-here", "password": "hunter2" }),
            ErrorKind::PermissionDenied,
            "`username`",
        ),
        (json!({ "name": "no-such-database" }), ErrorKind::NotFound, "`name`"),
        (json!({ "port": 1 }), ErrorKind::Unavailable, "`host` and `port`"),
        (json!({ "host": "no-such-host.invalid" }), ErrorKind::Unavailable, "`host` and `port`"),
        (json!({ "host": "/no/such/folder" }), ErrorKind::Unavailable, "`host` and `port`"),
        (role.with(&json!({ "password": "hunter2" })), ErrorKind::PermissionDenied, "`password`"),
    ] {
        let error = refused(&place, &further).await;
        assert_eq!(error.kind(), kind, "{further}: {error}");
        assert!(error.hint_text().unwrap().contains(hint), "{:?}", error.hint_text());
    }
}

#[tokio::test]
async fn a_server_without_room_is_unavailable() {
    let place = PostgresPlace::new();
    let role = Role::new().await;
    let limit = format!("ALTER ROLE {} CONNECTION LIMIT 0", role.name);
    tool().await.batch_execute(&limit).await.unwrap();
    let error = refused(&place, &role.with(&Json::Null)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.hint_text().unwrap().contains("pool_size"), "{error}");
}

/// A server that answers each start with one error.
async fn answering(code: &'static str, message: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut start = [0; 1_024];
            if client.read(&mut start).await.is_err() {
                continue;
            }
            let text = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            let length = u32::try_from(text.len() + 4).unwrap();
            let mut answer = vec![b'E'];
            answer.extend(length.to_be_bytes());
            answer.extend(text.into_bytes());
            drop(client.write_all(&answer).await);
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_starts_or_stops_is_unavailable() {
    let place = PostgresPlace::new();
    for (code, message) in [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is shutting down"),
        ("57P03", "Das Datenbanksystem fährt herunter"),
        ("53300", "sorry, too many clients already"),
        ("XX000", "something else"),
    ] {
        let port = answering(code, message).await;
        let error =
            refused(&place, &json!({ "host": "127.0.0.1", "port": port, "sslmode": "disable" }))
                .await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
}

async fn prepared(place: &PostgresPlace) -> Store {
    let store = place.open(options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    store
}

fn assert_denied(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.hint_text().is_some(), "{error}");
}

#[tokio::test]
async fn a_user_without_rights_is_told_so() {
    let place = PostgresPlace::new();
    prepared(&place).await;
    let role = Role::new().await;
    // Not even on the schema.
    assert_denied(&refused(&place, &role.with(&Json::Null)).await);
    let grant = async |what: &str| {
        let sql = format!("GRANT {what} TO {}", role.name);
        place.tool().await.batch_execute(&sql).await.unwrap();
    };
    grant(&format!("USAGE ON SCHEMA {}", place.schema)).await;
    assert_denied(&refused(&place, &role.with(&Json::Null)).await);

    grant(&format!("SELECT ON ALL TABLES IN SCHEMA {}", place.schema)).await;
    let store = place.open_with(&role.with(&Json::Null), options(&[machines()])).await.unwrap();
    let name = collection("machines");
    assert!(store.get(&name, &key("a").id).await.unwrap().is_some());
    assert_eq!(store.query(&name, &Query::all()).await.unwrap().entities.len(), 1);
    assert_denied(&store.save(key("a"), machine("a", "")).await.unwrap_err());
    assert_denied(&store.delete(key("a")).await.unwrap_err());
    let put = |id: &str| Write::put(key(id), machine(id, ""), Precondition::Any);
    assert_denied(&store.commit(vec![put("a"), put("b")]).await.unwrap_err());
    assert_denied(
        &store.purge(&name, repo_core::Timestamp::from_micros(0).unwrap()).await.unwrap_err(),
    );
    let new = repo_core::CollectionSchema::undeclared(collection("others"));
    assert_denied(&store.prepare(&[new]).await.unwrap_err());
    let read_only = options(&[machines()]).with_read_only(true);
    let reader = place.open_with(&role.with(&Json::Null), read_only).await.unwrap();
    assert!(reader.health(&repo_core::HealthDepth::Quick).await.unwrap().is_ok());

    // Rights on the rows suffice to write.
    grant(&format!("INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {}", place.schema)).await;
    store.save(key("a"), machine("a", "")).await.unwrap();
    store.commit(vec![put("a"), put("b")]).await.unwrap();
}

#[tokio::test]
async fn a_user_that_may_not_make_tables_is_told_so() {
    let role = Role::new().await;
    // Neither the schema nor, once it is there, tables in it.
    let place = PostgresPlace::new();
    let store = place.open_with(&role.with(&Json::Null), options(&[])).await.unwrap();
    assert_denied(&store.prepare(&[machines()]).await.unwrap_err());
    let sql =
        format!("CREATE SCHEMA {0}; GRANT USAGE ON SCHEMA {0} TO {1}", place.schema, role.name);
    tool().await.batch_execute(&sql).await.unwrap();
    let store = place.open_with(&role.with(&Json::Null), options(&[])).await.unwrap();
    assert_denied(&store.prepare(&[machines()]).await.unwrap_err());
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_told_apart() {
    let place = PostgresPlace::new();
    let role = Role::owner_of(&place).await;
    let all = role.with(&Json::Null);
    let store = place.open_with(&all, options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    store.save(key("a"), machine("a", "")).await.unwrap();
    // As a standby answers.
    role.set("default_transaction_read_only = on").await;
    let store = place.open_with(&all, options(&[machines()])).await.unwrap();
    assert!(store.get(&collection("machines"), &key("a").id).await.unwrap().is_some());
    let put = |id: &str| Write::put(key(id), machine(id, ""), Precondition::Any);
    assert_denied(&store.save(key("a"), machine("a", "")).await.unwrap_err());
    assert_denied(&store.commit(vec![put("a"), put("b")]).await.unwrap_err());
    assert_denied(
        &store
            .prepare(&[repo_core::CollectionSchema::undeclared(collection("x"))])
            .await
            .unwrap_err(),
    );
    let health = store.health(&repo_core::HealthDepth::Quick).await.unwrap();
    let writable = health.checks.iter().find(|check| check.name == "writable").unwrap();
    assert!(!writable.ok, "{health:?}");
}

/// Holds the row of machine `a` until it is dropped.
async fn lock_a(place: &PostgresPlace) -> tokio_postgres::Client {
    let other = place.tool().await;
    let sql = "BEGIN; SELECT 1 FROM machines_records WHERE machine_id = 'a' FOR UPDATE";
    other.batch_execute(sql).await.unwrap();
    other
}

#[tokio::test]
async fn a_statement_that_the_server_breaks_off_is_unavailable() {
    for setting in ["statement_timeout = '50ms'", "lock_timeout = '50ms'"] {
        let place = PostgresPlace::new();
        let role = Role::owner_of(&place).await;
        let all = role.with(&Json::Null);
        let store = place.open_with(&all, options(&[machines()])).await.unwrap();
        store.prepare(&[machines()]).await.unwrap();
        store.save(key("a"), machine("a", "")).await.unwrap();
        role.set(setting).await;
        let store = place.open_with(&all, options(&[machines()])).await.unwrap();
        let other = lock_a(&place).await;
        let put = |id: &str| Write::put(key(id), machine(id, ""), Precondition::Any);
        for error in [
            store.save(key("a"), machine("a", "")).await.unwrap_err(),
            store.commit(vec![put("a"), put("b")]).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{setting}: {error}");
        }
        other.batch_execute("ROLLBACK").await.unwrap();
        let entity = store.get(&collection("machines"), &key("a").id).await.unwrap().unwrap();
        assert_eq!(entity.version.get(), 1, "{setting}");
        store.commit(vec![put("a"), put("b")]).await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_serialization_is_unavailable() {
    let place = PostgresPlace::new();
    let store = prepared(&place).await;
    // As databases that run every transaction serializable answer.
    place
        .tool()
        .await
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'restart transaction' USING ERRCODE = '40001'; END $$; \
             CREATE TRIGGER refuse BEFORE UPDATE ON machines_records \
             FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await
        .unwrap();
    let put = |id: &str| Write::put(key(id), machine(id, ""), Precondition::Any);
    for error in [
        store.save(key("a"), machine("a", "")).await.unwrap_err(),
        store.commit(vec![put("a"), put("b")]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    assert!(store.get(&collection("machines"), &key("b").id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_deadlock_is_unavailable() {
    let place = PostgresPlace::new();
    let role = Role::owner_of(&place).await;
    // Who waits for so long looks whether there is a deadlock, and gives up.
    role.set("deadlock_timeout = '500ms'").await;
    let all = role.with(&Json::Null);
    let store = place.open_with(&all, options(&[machines()])).await.unwrap();
    store.prepare(&[machines()]).await.unwrap();
    let put = |id: &str| Write::put(key(id), machine(id, ""), Precondition::Any);
    store.commit(vec![put("a"), put("b")]).await.unwrap();

    let other = place.tool().await;
    let lock =
        |id: &str| format!("SELECT 1 FROM machines_records WHERE machine_id = '{id}' FOR UPDATE");
    let begin = format!("SET deadlock_timeout = '60s'; BEGIN; {}", lock("b"));
    other.batch_execute(&begin).await.unwrap();
    let second = lock("a");
    let met = async {
        // Ours holds `a` and waits for `b`; now the other one waits for `a`.
        let waits = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE {} AND wait_event_type = 'Lock')",
            role.sessions()
        );
        eventually(&tool().await, &waits).await;
        other.batch_execute(&second).await.unwrap();
    };
    let (error, ()) = tokio::join!(store.commit(vec![put("a"), put("b")]), met);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    other.batch_execute("ROLLBACK").await.unwrap();
    store.commit(vec![put("a"), put("b")]).await.unwrap();
}
