//! Stores that were put back, moved or paired otherwise, and the age of markers.

use std::sync::Arc;
use std::time::Duration;

use repo_across::{INTENTS, MARKERS, Outcome, Step};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{Clock as _, Document, ErrorKind, Key, ManualClock, Precondition, SystemClock};

use crate::common::scene::{End, Scene, markers, nothing_is_left, stuck};
use crate::common::{Site, World, pair, refused};

/// The second store was put back to a state before the commit: the marker is missing there, and
/// nobody guesses.
#[tokio::test]
async fn a_marker_that_is_missing_is_an_operators() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    drop(scene.run(&world, &world.killed_at(Step::Recorded).await).await);
    let across = world.across().await;
    let id = across.list(None).await.unwrap().intents[0].id;
    let key = Key::new(MARKERS.parse().unwrap(), id.to_string().parse().unwrap());
    world.second.delete(key).await.unwrap();
    assert_eq!(across.recover().await.unwrap().needs_operator, 1);
    let (stuck, why) = stuck(&across).await;
    assert_eq!((stuck, why.contains("marker")), (id, true), "{why}");
    scene.ends_in(&world, End::Half).await;
    assert_eq!(across.retry(id).await.unwrap(), Outcome::Completed);
    scene.ends_in(&world, End::Both).await;
}

/// Another second store does not take what is not its own.
#[tokio::test]
async fn an_intent_for_another_store_is_left_alone() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    drop(scene.run(&world, &world.killed_at(Step::Recorded).await).await);
    let third = Site::memory().prepared().await;
    let other = pair(&world.first, &third).await;
    assert_eq!(other.recover().await.unwrap().elsewhere, 1);
    let id = other.list(None).await.unwrap().intents[0].id;
    assert_eq!(refused(other.retry(id).await).kind(), ErrorKind::Invalid);
    assert_eq!(markers(&third).await, 0);
    let across = world.across().await;
    assert_eq!(across.recover().await.unwrap().completed, 1);
    scene.ends_in(&world, End::Both).await;
    nothing_is_left(&across, &world.second).await;
}

/// A marker without an intent stays for as long as its committer may want it.
#[tokio::test]
async fn a_marker_stays_for_the_grace() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    drop(scene.run(&world, &world.killed_at(Step::Reserved).await).await);
    let now = SystemClock.now();
    for (later, removed) in [(0, 0), (59, 0), (3_600, 1), (3_600, 0)] {
        let clock = ManualClock::new(now.saturating_add(Duration::from_secs(later)));
        let across = pair(&world.first, &world.second).await;
        let across = across.with_grace(Duration::from_secs(60)).with_clock(Arc::new(clock));
        assert_eq!(across.recover().await.unwrap().markers_removed, removed, "{later} s");
    }
    scene.ends_in(&world, End::Neither).await;
}

/// A record that is none of ours keeps nobody else from being settled.
#[tokio::test]
async fn a_damaged_intent_keeps_no_other_one() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    drop(scene.run(&world, &world.killed_at(Step::Recorded).await).await);
    let key = Key::new(INTENTS.parse().unwrap(), "damaged".parse().unwrap());
    let document = Document::parse(r#"{"id":"damaged"}"#).unwrap();
    world.first.put(key.clone(), document, Precondition::Absent).await.unwrap();
    let across = world.across().await;
    let recovered = across.recover().await.unwrap();
    assert_eq!((recovered.completed, recovered.pending), (1, 1), "{recovered:?}");
    assert_eq!(recovered.first_error.unwrap().kind(), ErrorKind::Corrupt);
    assert_eq!(refused(across.list(None).await).kind(), ErrorKind::Corrupt);
    scene.ends_in(&world, End::Both).await;
    world.first.delete(key).await.unwrap();
    nothing_is_left(&across, &world.second).await;
}

/// More intents and markers than one page holds.
#[tokio::test]
async fn many_are_settled_page_by_page() {
    let world = World::memory().await;
    let mut scenes = Vec::new();
    for n in 0..101 {
        let scene = Scene::possible(format!("s{n}"));
        drop(scene.run(&world, &world.killed_at(Step::Recorded).await).await);
        scenes.push(scene);
    }
    let across = world.across().await;
    let (mut listed, mut after) = (0, None);
    loop {
        let page = across.list(after).await.unwrap();
        listed += page.intents.len();
        match page.next {
            Some(cursor) => after = Some(cursor),
            None => break,
        }
    }
    assert_eq!(listed, 101);
    let recovered = across.recover().await.unwrap();
    assert_eq!((recovered.completed, recovered.markers_removed), (101, 101), "{recovered:?}");
    for scene in scenes {
        scene.ends_in(&world, End::Both).await;
    }
    nothing_is_left(&across, &world.second).await;
}
