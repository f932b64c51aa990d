//! Commits that were sent and arrive late: each in the order that could go wrong.

use std::sync::Arc;
use std::time::Duration;

use repo_across::{Across, Outcome, Step};
use repo_core::{ErrorKind, Precondition, Write};
use repo_testkit::Fates;

use crate::common::scene::{End, Scene, nothing_is_left, stuck};
use crate::common::{World, item, number, over, pair, put, refused};

/// A process whose commits in the first store can be held, and in the second one.
async fn slow(world: &World) -> (Fates, Fates, Across) {
    let (first, one) = Fates::over(&world.first);
    let (second, two) = Fates::over(&world.second);
    let across = pair(&one, &two).await.with_grace(Duration::ZERO);
    (first, second, across)
}

/// The second store's writes were done by somebody else, others have written since, and all
/// traces are removed: what arrives then is not done a second time.
#[tokio::test]
async fn what_was_done_is_not_done_again() {
    for (grace, known) in [(Duration::ZERO, false), (Duration::from_secs(900), true)] {
        let world = World::memory().await;
        let scene = Scene::possible("x").when(Precondition::Any);
        scene.set(&world.first, &world.second).await;
        let (_, second, across) = slow(&world).await;
        let gate = second.hold(1);
        let commits = {
            let scene = scene.clone();
            tokio::spawn(async move { scene.commit(&across).await })
        };
        gate.reached().await;
        let other = pair(&world.first, &world.second).await.with_grace(grace);
        assert_eq!(other.recover().await.unwrap().completed, 1);
        let later = put(&scene.id("changed"), 3, Precondition::Any);
        world.second.commit(vec![later]).await.unwrap();
        gate.open();
        let answer = commits.await.unwrap();
        assert_eq!(number(&world.second, &scene.id("changed")).await, Some(3));
        // The marker tells how it ended, as long as it is there.
        match known {
            true => assert!(answer.unwrap().second.is_none()),
            false => assert_eq!(refused(answer).kind(), ErrorKind::OutcomeUnknown),
        }
        nothing_is_left(&world.across().await, &world.second).await;
    }
}

/// The first store's writes were taken back, and then the second store would take its own.
#[tokio::test]
async fn what_was_taken_back_is_not_done_later() {
    for grace in [Duration::ZERO, Duration::from_secs(900)] {
        let world = World::memory().await;
        let scene = Scene::possible("x").when(Precondition::Absent);
        scene.set(&world.first, &world.second).await;
        let (_, second, across) = slow(&world).await;
        let gate = second.hold(1);
        let commits = {
            let scene = scene.clone();
            tokio::spawn(async move { scene.commit(&across).await })
        };
        gate.reached().await;
        let other = pair(&world.first, &world.second).await.with_grace(grace);
        assert_eq!(other.recover().await.unwrap().compensated, 1);
        let changed = scene.id("changed");
        world.second.commit(vec![Write::delete(item(&changed), over(1))]).await.unwrap();
        gate.open();
        refused(commits.await.unwrap());
        assert_eq!(number(&world.second, &changed).await, None);
        assert_eq!(number(&world.second, &scene.id("made")).await, None);
        assert_eq!(number(&world.first, &changed).await, Some(1));
        nothing_is_left(&world.across().await, &world.second).await;
    }
}

/// Two take the first store's writes back; an operator has it tried again in between.
#[tokio::test]
async fn a_late_compensation_takes_nothing_back_that_was_completed() {
    let (world, scene) = (World::memory().await, Scene::refused("x"));
    drop(scene.run(&world, &world.killed_at(Step::Voided).await).await);
    let (first, _, late) = slow(&world).await;
    let gate = first.hold(0);
    let recovers = tokio::spawn(async move { late.recover().await });
    gate.reached().await;
    // Somebody has changed what the first store has written, and puts it back; the intent
    // becomes an operator's meanwhile.
    let made = put(&scene.id("made"), 3, over(1));
    world.first.commit(vec![made]).await.unwrap();
    let across = world.across().await;
    assert_eq!(across.recover().await.unwrap().needs_operator, 1);
    let (id, _) = stuck(&across).await;
    world.first.commit(vec![put(&scene.id("made"), 2, over(2))]).await.unwrap();
    // The second store is given the version that the commit expects.
    for version in 1..9 {
        let again = put(&scene.id("changed"), 1, over(version));
        world.second.commit(vec![again]).await.unwrap();
    }
    assert_eq!(across.retry(id).await.unwrap(), Outcome::Completed);
    gate.open();
    let recovered = recovers.await.unwrap().unwrap();
    assert_eq!((recovered.compensated, recovered.needs_operator), (0, 0), "{recovered:?}");
    scene.ends_in(&world, End::Both).await;
    across.recover().await.unwrap();
    nothing_is_left(&across, &world.second).await;
}

/// A committer that is slower than the grace, before its intent is recorded: its reservation is
/// gone when it goes on. Nothing is guessed, and an operator completes it.
#[tokio::test]
async fn a_reservation_that_was_removed_is_missed() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    scene.set(&world.first, &world.second).await;
    let (first, _, across) = slow(&world).await;
    let gate = first.hold(0);
    let commits = {
        let scene = scene.clone();
        tokio::spawn(async move { scene.commit(&across).await })
    };
    gate.reached().await;
    let other = world.across().await;
    assert_eq!(other.recover().await.unwrap().markers_removed, 1);
    gate.open();
    let error = refused(commits.await.unwrap());
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    scene.ends_in(&world, End::Half).await;
    let (id, why) = stuck(&other).await;
    assert!(why.contains("marker"), "{why}");
    assert_eq!(other.retry(id).await.unwrap(), Outcome::Completed);
    scene.ends_in(&world, End::Both).await;
    other.recover().await.unwrap();
    nothing_is_left(&other, &world.second).await;
}

/// Others write the first store's entities between reading and committing: with `any` it is
/// tried again, over what is there then.
#[tokio::test]
async fn a_commit_goes_on_over_what_others_wrote_meanwhile() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    scene.set(&world.first, &world.second).await;
    let (first, _, across) = slow(&world).await;
    let gate = first.hold(0);
    let commits = {
        let scene = scene.clone();
        tokio::spawn(async move { scene.commit(&across).await })
    };
    gate.reached().await;
    let between = put(&scene.id("changed"), 7, Precondition::Any);
    world.first.commit(vec![between]).await.unwrap();
    gate.open();
    let committed = commits.await.unwrap().unwrap();
    let version = committed.first.unwrap()[0].version().unwrap();
    assert_eq!(version.get(), 3);
    scene.ends_in(&world, End::Both).await;
    nothing_is_left(&world.across().await, &world.second).await;
}

/// What a commit that was dropped half-way leaves is what a crash leaves.
#[tokio::test]
async fn a_commit_that_is_dropped_is_settled() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    scene.set(&world.first, &world.second).await;
    let (_, second, across) = slow(&world).await;
    let gate = second.hold(1);
    let across = Arc::new(across);
    let commits = {
        let (scene, across) = (scene.clone(), Arc::clone(&across));
        tokio::spawn(async move { scene.commit(&across).await })
    };
    gate.reached().await;
    commits.abort();
    assert!(commits.await.unwrap_err().is_cancelled());
    scene.ends_in(&world, End::Half).await;
    world.across().await.recover().await.unwrap();
    scene.ends_in(&world, End::Both).await;
    nothing_is_left(&across, &world.second).await;
}
