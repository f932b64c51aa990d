//! Writes to ids whose time to live has passed.

use repo_core::strategy::{Applied, Record, StorageStrategyExt as _};
use repo_core::{
    Change, Clock as _, ErrorKind, Key, Precondition, RetryPolicy, Transaction, Version, Write,
    Written, transaction,
};

use super::expiry_support::{EXPIRING, Expiring, HOUR, expiring, until};
use super::support::{
    assert_kind, document, entity, key, live, put, put_if, record, refused, save, version,
};
use crate::Fixture;

/// A store with `over` in each collection, at version 1, whose time has passed.
async fn with_passed(f: &Fixture) -> Expiring {
    let e = expiring(f).await;
    for name in EXPIRING {
        assert_eq!(save(&e.store, &key(name, "over"), &until(name, "09:00:00")).await, 1);
    }
    f.clock.advance(HOUR);
    e
}

/// The version of what is stored, and whether it is an entity.
async fn stored(e: &Expiring, key: &Key) -> Option<(u64, bool)> {
    record(&e.raw, key).await.map(|record| (record.version().get(), record.is_live()))
}

/// An insert is refused until the time has passed, and then makes a new entity, with a higher
/// version and times of its own.
pub async fn an_insert_finds_the_id_free(f: Fixture) {
    let e = expiring(&f).await;
    for name in EXPIRING {
        let key = key(name, "over");
        let text = document(&key, &until(name, "09:00:00"));
        e.store.create(key.clone(), text.clone()).await.unwrap();
        assert_kind(e.store.create(key, text).await, ErrorKind::AlreadyExists);
    }
    f.clock.advance(HOUR);
    for name in EXPIRING {
        let key = key(name, "over");
        let text = document(&key, &until(name, "23:00:00"));
        let created = e.store.create(key.clone(), text.clone()).await.unwrap();
        assert_eq!((created.version.get(), created.created_at), (3, f.clock.now()));
        assert_eq!(entity(&e.store, &key).await.created_at, f.clock.now());
        assert_kind(e.store.create(key, text).await, ErrorKind::AlreadyExists);
    }
}

/// So does a put that asks for nothing.
pub async fn a_put_makes_a_new_entity(f: Fixture) {
    let e = with_passed(&f).await;
    for name in EXPIRING {
        let key = key(name, "over");
        let written = e.store.commit(vec![put(&key, "")]).await.unwrap();
        let (now, three) = (f.clock.now(), version(3));
        assert_eq!(written, [Written::Put { version: three, created_at: now, updated_at: now }]);
    }
}

/// Updates, deletes and checks by the version that was read before find nothing.
pub async fn what_was_read_before_is_gone(f: Fixture) {
    let e = with_passed(&f).await;
    for name in EXPIRING {
        let key = key(name, "over");
        let by_version = Precondition::Version(Version::FIRST);
        let refusals = [
            (put_if(&key, "", by_version), ErrorKind::NotFound),
            (put_if(&key, "", Precondition::Exists), ErrorKind::NotFound),
            (Write::delete(key.clone(), by_version), ErrorKind::NotFound),
            (Write::delete(key.clone(), Precondition::Exists), ErrorKind::NotFound),
            (Write::check(key.clone(), by_version), ErrorKind::Conflict),
            (Write::check(key.clone(), Precondition::Exists), ErrorKind::Conflict),
        ];
        for (write, kind) in refusals {
            let error = refused(e.store.commit(vec![write.clone()]).await);
            assert_eq!(error.kind(), kind, "{write:?}: {error}");
            assert_eq!(error.failed_preconditions().len(), 1, "{write:?}");
            assert_eq!(error.failed_preconditions()[0].actual, None, "{write:?}");
        }
        assert_eq!(e.store.delete(key.clone()).await.unwrap(), None);
        // What a write met was deleted for it.
        assert_eq!(stored(&e, &key).await, Some((2, false)));
    }
}

/// A check of absence holds, and removes nothing that the commit does not name.
pub async fn a_check_of_absence_holds(f: Fixture) {
    let e = with_passed(&f).await;
    let (session, ticket) = (key("sessions", "over"), key("tickets", "over"));
    let other = key("sessions", "other");
    let absent = Write::check(session.clone(), Precondition::Absent);
    assert_eq!(absent.change, Change::Check);
    e.store.commit(vec![absent, put(&other, "")]).await.unwrap();
    assert_eq!(stored(&e, &other).await, Some((1, true)));
    assert_eq!(stored(&e, &session).await, Some((2, false)));
    assert_eq!(stored(&e, &ticket).await, Some((1, true)));
}

/// A commit that meets what has passed and what has not names the latter, and writes nothing.
pub async fn a_refused_commit_writes_nothing(f: Fixture) {
    let e = with_passed(&f).await;
    let (over, there, new) = (key("sessions", "over"), key("sessions", "t"), key("tickets", "n"));
    save(&e.store, &there, "").await;
    let writes = vec![
        put_if(&over, "", Precondition::Absent),
        put_if(&there, "", Precondition::Absent),
        put(&new, ""),
    ];
    let error = refused(e.store.commit(writes).await);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let failed: Vec<&Key> = error.failed_preconditions().iter().map(|one| &one.key).collect();
    assert_eq!(failed, [&there]);
    assert_eq!(stored(&e, &new).await, None);
    assert_eq!(stored(&e, &over).await, Some((2, false)));
    assert_eq!(stored(&e, &there).await, Some((1, true)));
}

/// A transaction sees it absent; one that read it while it lived is in conflict once it has
/// passed.
pub async fn transactions_see_it_absent(f: Fixture) {
    let e = with_passed(&f).await;
    let over = key("sessions", "over");
    transaction(&e.store, RetryPolicy::default(), async |tx| {
        assert!(tx.get(&over).await?.is_none());
        tx.create(over.clone(), document(&over, &until("sessions", "10:00:00"))).await
    })
    .await
    .unwrap();
    assert_eq!(stored(&e, &over).await, Some((3, true)));

    let (read, written) = (key("sessions", "over"), key("tickets", "new"));
    let mut tx = Transaction::begin(std::sync::Arc::clone(&e.store));
    assert!(tx.get(&read).await.unwrap().is_some());
    tx.save(written.clone(), document(&written, ""));
    f.clock.advance(HOUR);
    assert_kind(tx.commit().await, ErrorKind::Conflict);
    assert_eq!(stored(&e, &written).await, None);
}

/// What is written into the field is a time or null.
pub async fn what_is_no_time_is_refused(f: Fixture) {
    let e = expiring(&f).await;
    for (name, values) in [
        ("sessions", [r#""soon""#, r#""2026-03-01T08:00:00+01:00""#, "1772352000"]),
        ("tickets", [r#""2026-03-01T08:00:00Z""#, "1772352000000", "-1"]),
    ] {
        let key = key(name, "a");
        for value in values {
            let fields = format!(r#""until": {value}"#);
            let error = refused(e.store.commit(vec![put(&key, &fields)]).await);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{value}: {error}");
            assert_eq!(error.context_value("pointer"), Some("/until"), "{value}");
            assert_eq!(error.context_value("collection"), Some(name));
            assert!(error.hint_text().is_some(), "{value}");
        }
        assert_eq!(stored(&e, &key).await, None);
    }
}

/// Copies are taken as they are, with their versions, and are absent from the first moment.
pub async fn copies_are_taken_as_they_are(f: Fixture) {
    let e = expiring(&f).await;
    f.clock.advance(HOUR);
    for name in EXPIRING {
        let key = key(name, "over");
        let copy = live(&key, 7, &until(name, "09:00:00"), 1_000);
        assert_eq!(e.store.apply(vec![copy.clone()]).await.unwrap(), [Applied::Applied]);
        assert_eq!(e.store.apply(vec![copy.clone()]).await.unwrap(), [Applied::Equal]);
        assert_eq!(record(&e.raw, &key).await.as_ref().map(Record::version), Some(version(7)));
        let seen = record(&e.store, &key).await.unwrap();
        assert_eq!((seen.version().get(), seen.is_live()), (8, false));
        assert_eq!(save(&e.store, &key, "").await, 9);
    }
}
