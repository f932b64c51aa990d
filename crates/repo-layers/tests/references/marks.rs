//! The marks of deletions, and the collection that they are in.

use repo_core::strategy::{PrepareChange, StorageStrategyExt as _};
use repo_core::{CollectionSchema, ErrorKind, FieldKind, Schemas};
use repo_layers::{Layer as _, REFERENCE_MARKS, ReferenceLayer};

use crate::words::{World, delete, enforcing, live, machine, mark, put, refused, request, schemas};

on_every_store![a_mark_of_a_killed_process_stops_nobody, the_marks_are_made_where_they_are_needed,];

/// Who refers to the entity removes it, who deletes the entity uses it.
async fn a_mark_of_a_killed_process_stops_nobody(world: World) {
    let r = request("r");
    world.put(&r, "").await;
    for _ in 0..2 {
        world.raw.commit(vec![put(&mark(&r), "")]).await.unwrap();
        world.put(&machine("m"), r#""request_id":"r""#).await;
        assert_eq!(live(&world.raw, &mark(&r)).await, None);
        world.raw.commit(vec![put(&mark(&r), "")]).await.unwrap();
        assert_eq!(refused(world.store.delete(r.clone()).await).kind(), ErrorKind::Invalid);
        assert_eq!(live(&world.raw, &mark(&r)).await, None);
        world.raw.commit(vec![put(&mark(&r), "")]).await.unwrap();
        world.store.commit(vec![delete(&machine("m")), delete(&r)]).await.unwrap();
        assert_eq!(live(&world.raw, &mark(&r)).await, None);
        world.put(&r, "").await;
    }
}

/// Beside collections whose references are enforced, and no others; the answer is about those
/// that were asked for.
async fn the_marks_are_made_where_they_are_needed(world: World) {
    let marks = REFERENCE_MARKS.parse().unwrap();
    assert!(world.raw.collections().await.unwrap().contains(&marks));
    let again = world.store.prepare(&schemas()).await.unwrap();
    assert_eq!(again.len(), schemas().len());
    assert!(again.iter().all(|done| done.change == PrepareChange::Unchanged));
    world.store.check_prepare(&schemas()).await.unwrap();

    let fresh = crate::site::Site::memory().open().await;
    let layered = enforcing(fresh.clone());
    let notes = CollectionSchema::undeclared("notes".parse().unwrap());
    layered.prepare(std::slice::from_ref(&notes)).await.unwrap();
    assert_eq!(fresh.collections().await.unwrap(), std::slice::from_ref(&notes.collection));
    // Without them, what needs them is refused in the words of the store.
    fresh.prepare(&schemas()).await.unwrap();
    let error = refused(layered.commit(vec![delete(&request("r"))]).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    layered.prepare(&schemas()[..1]).await.unwrap();
    layered.commit(vec![delete(&request("r"))]).await.unwrap();
}

/// Where there is no such collection, nothing refers.
#[tokio::test]
async fn who_may_refer_need_not_be_prepared() {
    let layered = enforcing(crate::site::Site::memory().open().await);
    layered.prepare(&schemas()[..2]).await.unwrap();
    layered.commit(vec![put(&request("r"), "")]).await.unwrap();
    assert!(layered.delete(request("r")).await.unwrap().is_some());
}

#[tokio::test]
async fn schemas_that_enforce_nothing_cost_nothing() {
    let raw = crate::site::Site::memory().open().await;
    let reported: Schemas = schemas()
        .into_iter()
        .map(|schema| CollectionSchema { enforce_references: false, ..schema })
        .collect();
    assert!(!ReferenceLayer::is_needed(&reported));
    assert_eq!(ReferenceLayer::prepared_with(&reported).unwrap().len(), schemas().len());
    let store = ReferenceLayer::new(&reported).unwrap().around(raw.clone());
    store.prepare(&schemas()).await.unwrap();
    assert_eq!(raw.collections().await.unwrap().len(), schemas().len());
    store.commit(vec![put(&machine("m"), r#""request_id":"never""#)]).await.unwrap();

    let enforced: Schemas = schemas().into_iter().collect();
    assert!(ReferenceLayer::is_needed(&enforced));
    assert_eq!(ReferenceLayer::prepared_with(&enforced).unwrap().len(), schemas().len() + 1);
}

#[test]
fn the_name_of_the_marks_is_taken() {
    let named = CollectionSchema::undeclared(REFERENCE_MARKS.parse().unwrap());
    let to_it = CollectionSchema::builder("machines", "id")
        .reference("mark", REFERENCE_MARKS)
        .enforce_references()
        .build()
        .unwrap();
    for taking in
        [schemas().into_iter().chain([named]).collect::<Schemas>(), [to_it].into_iter().collect()]
    {
        let error = refused(ReferenceLayer::new(&taking));
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
        assert_eq!(error.context_value("collection"), Some(REFERENCE_MARKS));
    }
}

/// What expires is gone for everybody without a commit, so nothing could hold a reference to it.
#[test]
fn what_expires_is_not_referred_to() {
    let fleeting = CollectionSchema::builder("requests", "id")
        .field("until", FieldKind::Text, true)
        .ttl_field("until")
        .build()
        .unwrap();
    let others = schemas().into_iter().filter(|schema| schema.collection.as_str() != "requests");
    let error = refused(ReferenceLayer::new(&others.chain([fleeting]).collect::<Schemas>()));
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
    assert_eq!(error.context_value("collection"), Some("requests"));
}
