//! What is refused before anything is written.

use std::sync::Arc;

use repo_across::{Across, INTENTS, MARKERS, schemas};
use repo_core::strategy::{Capabilities, OpenOptions, StorageStrategy as _};
use repo_core::{CollectionSchema, Document, ErrorKind, Key, MemoryStrategy, Precondition, Write};
use repo_layers::{Inner, Layer};

use crate::common::scene::{End, Scene, nothing_is_left};
use crate::common::{Site, Store, World, item, open, pair, put, refused};

async fn unpaired(first: &Store, second: &Store) -> ErrorKind {
    refused(Across::new(Arc::clone(first), Arc::clone(second)).await).kind()
}

#[tokio::test]
async fn one_store_is_no_pair_whatever_it_is_called() {
    let memory = MemoryStrategy::new(OpenOptions::default());
    memory.prepare(&schemas().unwrap()).await.unwrap();
    let same: Store = Arc::new(memory.share(OpenOptions::default()));
    assert_eq!(unpaired(&(Arc::new(memory) as Store), &same).await, ErrorKind::Invalid);
    for site in [Site::json_files(), Site::sqlite()] {
        let (store, again) = (site.prepared().await, open(&site.url, "").await);
        assert_eq!(unpaired(&store, &again).await, ErrorKind::Invalid, "{}", site.url);
    }
}

#[tokio::test]
async fn stores_that_cannot_keep_the_promise_are_no_pair() {
    let (site, other) = (Site::sqlite(), Site::json_files());
    let (durable, memory) = (site.prepared().await, Site::memory().prepared().await);
    assert_eq!(unpaired(&durable, &memory).await, ErrorKind::Unsupported);
    assert_eq!(unpaired(&memory, &durable).await, ErrorKind::Unsupported);
    let unprepared = open(&other.url, "").await;
    assert_eq!(unpaired(&durable, &unprepared).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn each_store_has_something_to_do_and_the_engines_collections_are_its_own() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    let across = world.across().await;
    scene.set(&world.first, &world.second).await;
    let mut wrong = vec![(Vec::new(), scene.second()), (scene.first(), Vec::new())];
    let twice = put(&scene.id("changed"), 3, Precondition::Any);
    wrong.push(([scene.first(), vec![twice.clone()]].concat(), scene.second()));
    wrong.push((scene.first(), [scene.second(), vec![twice]].concat()));
    for collection in [INTENTS, MARKERS] {
        let key = Key::new(collection.parse().unwrap(), "x".parse().unwrap());
        let ours = Write::delete(key, Precondition::Any);
        wrong.push((vec![ours.clone()], scene.second()));
        wrong.push((scene.first(), vec![ours]));
    }
    for (first, second) in wrong {
        let error = refused(across.commit(first, second).await);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
    scene.ends_in(&world, End::Neither).await;
    nothing_is_left(&across, &world.second).await;
}

/// A store that takes less than it could.
#[derive(Debug)]
struct Limited(Capabilities);

impl Layer for Limited {
    fn capabilities<'a>(&'a self, _inner: &'a Inner) -> &'a Capabilities {
        &self.0
    }
}

/// The scene has four writes for the first store and two for the second one; the protocol adds
/// one to each.
#[tokio::test]
async fn what_is_too_large_is_refused_before_anything_is_written() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    scene.set(&world.first, &world.second).await;
    let all = Capabilities::new(380 * 1024);
    for (first, second, fits) in [
        (all.with_max_commit_keys(Some(4)), all, false),
        (all.with_max_commit_bytes(Some(200)), all, false),
        (all.with_max_entity_bytes(200), all, false),
        (all, all.with_max_commit_keys(Some(2)), false),
        (all, all.with_max_commit_bytes(Some(100)), false),
        (all.with_max_commit_keys(Some(5)), all.with_max_commit_keys(Some(3)), true),
    ] {
        let one = Limited(first).around(world.first.clone());
        let two = Limited(second).around(world.second.clone());
        let answer = scene.commit(&pair(&one, &two).await).await;
        let end = if fits { End::Both } else { End::Neither };
        match answer {
            Ok(_) => assert!(fits, "{first:?} {second:?}"),
            Err(error) => {
                assert_eq!((error.kind(), fits), (ErrorKind::LimitExceeded, false), "{error:?}");
            }
        }
        scene.ends_in(&world, end).await;
        nothing_is_left(&world.across().await, &world.second).await;
    }
}

/// The intent is one record: an entity of the largest size does not fit in it.
#[tokio::test]
async fn an_intent_that_is_larger_than_a_record_is_refused() {
    let world = World::at(Site::json_files(), Site::sqlite()).await;
    let across = world.across().await;
    let text = "x".repeat(380 * 1024 - 64);
    let large = Document::parse(&format!(r#"{{"id":"large","text":"{text}"}}"#)).unwrap();
    let large = Write::put(item("large"), large, Precondition::Any);
    let small = put("small", 1, Precondition::Any);
    let error = refused(across.commit(vec![small.clone()], vec![large.clone()]).await);
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error:?}");
    // What it would replace is kept as well.
    across.commit(vec![large.clone()], vec![small.clone()]).await.unwrap();
    let error = refused(across.commit(vec![large], vec![small]).await);
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error:?}");
    nothing_is_left(&across, &world.second).await;
}

/// What the second store refuses for another reason than a precondition is taken back, too.
#[tokio::test]
async fn a_collection_that_is_missing_is_no_half_commit() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    scene.set(&world.first, &world.second).await;
    let across = world.across().await;
    let key = Key::new("nowhere".parse().unwrap(), "x".parse().unwrap());
    let second = vec![Write::delete(key, Precondition::Any)];
    let error = refused(across.commit(scene.first(), second.clone()).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    scene.ends_in(&world, End::Neither).await;
    let schema = CollectionSchema::undeclared("nowhere".parse().unwrap());
    world.second.prepare(&[schema]).await.unwrap();
    across.commit(scene.first(), second).await.unwrap();
    nothing_is_left(&across, &world.second).await;
}
