//! `commit`: each change, each precondition, each state of a key.

use repo_core::strategy::Record;
use repo_core::{Change, ErrorKind, Key, Precondition, Write, Written};

use super::support::{
    assert_kind, document, everything, failures, key, live, record, tombstone, version,
};
use crate::{Fixture, Store};

/// What one write has to do: the version it leaves (`None`: nothing changes),
/// or the kind of its error.
fn expected(
    state: &str,
    change: &str,
    precondition: Precondition,
) -> Result<Option<u64>, ErrorKind> {
    let live = state == "live";
    if !precondition.holds(live.then(|| version(2))) {
        return Err(match (change, precondition) {
            ("check", _) => ErrorKind::Conflict,
            (_, Precondition::Absent) => ErrorKind::AlreadyExists,
            _ if !live => ErrorKind::NotFound,
            _ => ErrorKind::Conflict,
        });
    }
    Ok(match (change, state) {
        ("check", _) | ("delete", "absent" | "tombstone") => None,
        ("put", "absent") => Some(1),
        _ => Some(3),
    })
}

/// Brings a fresh key into a state; what has a record has version 2.
async fn bring_into(state: &str, store: &Store, key: &Key) {
    let record = match state {
        "live" => live(key, 2, "\"n\":2", 7),
        "tombstone" => tombstone(key, 2, 7),
        _ => return,
    };
    store.apply(vec![record]).await.unwrap();
}

/// Each change with each precondition on each state of a key: what happens,
/// or which error names the key with its expected and actual version.
pub async fn each_change_with_each_precondition(f: Fixture) {
    let preconditions = [
        Precondition::Any,
        Precondition::Absent,
        Precondition::Exists,
        Precondition::Version(version(2)),
        Precondition::Version(version(1)),
        Precondition::Version(version(3)),
    ];
    let store = f.prepared().await;
    for state in ["live", "absent", "tombstone"] {
        for name in ["put", "delete", "check"] {
            for precondition in preconditions {
                let case = format!("{name} if {precondition} on {state}");
                let key = key("items", &case);
                bring_into(state, &store, &key).await;
                let change = match name {
                    "put" => Change::Put(document(&key, "\"n\":9")),
                    "delete" => Change::Delete,
                    _ => Change::Check,
                };
                let write = Write { key: key.clone(), precondition, change, attribution: None };
                match expected(state, name, precondition) {
                    Ok(left) => assert_written(&store, write, left, &case).await,
                    Err(kind) => {
                        let actual = (state == "live").then_some(2);
                        assert_refused(&store, write, kind, actual).await;
                    }
                }
            }
        }
    }
}

async fn assert_refused(store: &Store, write: Write, kind: ErrorKind, actual: Option<u64>) {
    let before = everything(store).await;
    let named = (write.key.to_string(), write.precondition, actual);
    let error = assert_kind(store.commit(vec![write]).await, kind);
    assert_eq!(failures(&error), [named]);
    assert_eq!(everything(store).await, before, "{error}");
}

async fn assert_written(store: &Store, write: Write, left: Option<u64>, case: &str) {
    let key = write.key.clone();
    let put = matches!(write.change, Change::Put(_));
    let before = record(store, &key).await;
    let answers = store.commit(vec![write]).await.unwrap_or_else(|e| panic!("{case}: {e}"));
    let after = record(store, &key).await;
    match (&answers[..], left) {
        ([Written::Unchanged], None) => assert_eq!(after, before, "{case}"),
        ([Written::Put { version, .. }], Some(number)) if put => {
            assert_eq!(version.get(), number, "{case}");
            let kept = after.and_then(Record::into_live).expect(case);
            assert_eq!(kept.version, *version, "{case}");
            assert!(kept.document.equals(&document(&key, "\"n\":9")), "{case}");
        }
        ([Written::Deleted { version, .. }], Some(number)) if !put => {
            assert_eq!(version.get(), number, "{case}");
            let kept = after.expect(case);
            assert_eq!((kept.version(), kept.is_live()), (*version, false), "{case}");
        }
        _ => panic!("{case}: answered {answers:?}"),
    }
}
