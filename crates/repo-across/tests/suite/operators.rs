//! What only an operator can decide, and what the operator's calls do when they are killed.

use repo_across::{Outcome, Step, WaitsFor};
use repo_core::{ErrorKind, Precondition};

use crate::common::scene::{End, Scene, markers, nothing_is_left, stuck};
use crate::common::{World, item, number, over, put, refused};

on_every_pair![
    what_has_changed_is_not_taken_back,
    what_was_deleted_and_used_again_is_not_revived,
    giving_up_leaves_both_as_they_are,
];

/// A commit that the second store refuses, killed before it is taken back, while somebody
/// changes what it wrote.
async fn half_done(world: &World) -> Scene {
    let scene = Scene::refused("x");
    drop(scene.run(world, &world.killed_at(Step::Recorded).await).await);
    let made = put(&scene.id("made"), 5, Precondition::Any);
    world.first.commit(vec![made]).await.unwrap();
    scene
}

/// The second store comes to what the commit expects.
async fn put_right(world: &World, scene: &Scene) {
    for version in 1..9 {
        let again = put(&scene.id("changed"), 1, over(version));
        world.second.commit(vec![again]).await.unwrap();
    }
}

async fn what_has_changed_is_not_taken_back(world: World) {
    let scene = half_done(&world).await;
    let across = world.across().await;
    for _ in 0..2 {
        let recovered = across.recover().await.unwrap();
        assert_eq!((recovered.needs_operator, recovered.pending), (1, 0), "{recovered:?}");
    }
    let (id, why) = stuck(&across).await;
    assert!(why.contains(&scene.id("made")) && why.contains(&scene.id("changed")), "{why}");
    // Nothing of it was taken back, and what somebody wrote is there.
    assert_eq!(number(&world.first, &scene.id("changed")).await, Some(2));
    assert_eq!(number(&world.first, &scene.id("deleted")).await, None);
    assert_eq!(number(&world.first, &scene.id("made")).await, Some(5));
    // It still refuses.
    assert_eq!(across.retry(id).await.unwrap(), Outcome::NeedsOperator);
    assert_eq!(across.list(None).await.unwrap().intents[0].attempt, 2);
    put_right(&world, &scene).await;
    assert_eq!(across.retry(id).await.unwrap(), Outcome::Completed);
    assert_eq!(number(&world.second, &scene.id("changed")).await, Some(2));
    across.recover().await.unwrap();
    nothing_is_left(&across, &world.second).await;
    assert_eq!(refused(across.retry(id).await).kind(), ErrorKind::NotFound);
}

/// An id that was deleted, used and deleted by others looks deleted; it is not brought back.
async fn what_was_deleted_and_used_again_is_not_revived(world: World) {
    let scene = Scene::refused("x");
    drop(scene.run(&world, &world.killed_at(Step::Recorded).await).await);
    let deleted = scene.id("deleted");
    world.first.commit(vec![put(&deleted, 8, Precondition::Absent)]).await.unwrap();
    let delete = repo_core::Write::delete(item(&deleted), Precondition::Exists);
    world.first.commit(vec![delete]).await.unwrap();
    let across = world.across().await;
    assert_eq!(across.recover().await.unwrap().needs_operator, 1);
    let (id, why) = stuck(&across).await;
    assert!(why.contains(&deleted), "{why}");
    scene.ends_in(&world, End::Half).await;
    across.give_up(id).await.unwrap();
    nothing_is_left(&across, &world.second).await;
}

async fn giving_up_leaves_both_as_they_are(world: World) {
    let scene = half_done(&world).await;
    let across = world.across().await;
    across.recover().await.unwrap();
    let (id, _) = stuck(&across).await;
    across.give_up(id).await.unwrap();
    assert_eq!(number(&world.first, &scene.id("made")).await, Some(5));
    assert_eq!(number(&world.second, &scene.id("changed")).await, Some(1));
    nothing_is_left(&across, &world.second).await;
    assert_eq!(refused(across.give_up(id).await).kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_retry_that_was_killed_is_retried() {
    let world = World::memory().await;
    let scene = half_done(&world).await;
    let across = world.across().await;
    across.recover().await.unwrap();
    let (id, _) = stuck(&across).await;
    put_right(&world, &scene).await;
    refused(world.killed_at(Step::Reopened).await.retry(id).await);
    // Nobody acts on what was begun: it is still the operator's.
    assert_eq!(across.recover().await.unwrap().needs_operator, 1);
    assert_eq!(number(&world.second, &scene.id("changed")).await, Some(1));
    refused(world.killed_at(Step::Applied).await.retry(id).await);
    assert_eq!(across.recover().await.unwrap().completed, 1);
    assert_eq!(number(&world.second, &scene.id("changed")).await, Some(2));
    nothing_is_left(&across, &world.second).await;
}

#[tokio::test]
async fn giving_up_that_was_killed_is_done_again() {
    let world = World::memory().await;
    half_done(&world).await;
    let across = world.across().await;
    across.recover().await.unwrap();
    let (id, _) = stuck(&across).await;
    refused(world.killed_at(Step::Unmarked).await.give_up(id).await);
    assert_eq!(markers(&world.second).await, 0);
    assert_eq!(across.recover().await.unwrap().needs_operator, 1);
    across.give_up(id).await.unwrap();
    nothing_is_left(&across, &world.second).await;
}

/// The committer itself finds that its writes cannot be taken back.
#[tokio::test]
async fn a_hand_over_that_was_killed_is_made_by_the_next_one() {
    let world = World::memory().await;
    half_done(&world).await;
    assert!(world.killed_at(Step::HandedOver).await.recover().await.is_err());
    let across = world.across().await;
    assert_eq!(across.recover().await.unwrap().needs_operator, 1);
    stuck(&across).await;
}

/// What only waits for recovery is listed, is no operator's, and may be settled alone.
#[tokio::test]
async fn what_is_pending_is_settled_by_a_retry() {
    let world = World::memory().await;
    let scene = Scene::possible("x");
    drop(scene.run(&world, &world.killed_at(Step::Recorded).await).await);
    let across = world.across().await;
    let listed = across.list(None).await.unwrap();
    assert!(listed.next.is_none());
    let [status] = &listed.intents[..] else { panic!("{listed:?}") };
    assert_eq!((&status.waits_for, status.attempt), (&WaitsFor::Recovery, 1));
    let items =
        |parts: &[&str]| -> Vec<_> { parts.iter().map(|part| item(&scene.id(part))).collect() };
    assert_eq!(status.written, items(&["changed", "deleted", "made"]));
    assert_eq!(status.unwritten, items(&["changed", "made"]));
    assert_eq!(refused(across.give_up(status.id).await).kind(), ErrorKind::Invalid);
    assert_eq!(across.retry(status.id).await.unwrap(), Outcome::Completed);
    scene.ends_in(&world, End::Both).await;
}
