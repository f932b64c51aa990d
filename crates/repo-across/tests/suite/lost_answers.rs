//! Commits of either store whose answers are lost, or that are refused for a moment.

use repo_across::Across;
use repo_core::ErrorKind;
use repo_testkit::Fate::{self, Done, Refused, Unheard, Vanished};
use repo_testkit::Fates;

use crate::common::scene::{End, Scene, markers, nothing_is_left};
use crate::common::{World, pair, refused};

/// A pair whose commits have fates: those of the first store, and those of the second one.
async fn fated(world: &World) -> (Fates, Fates, Across) {
    let (first, one) = Fates::over(&world.first);
    let (second, two) = Fates::over(&world.second);
    let across = pair(&one, &two).await;
    (first, second, across)
}

/// After everything that can happen to a commit, recovery leaves nothing.
async fn ends(world: &World, scene: &Scene, end: End) {
    let across = world.across().await;
    across.recover().await.unwrap();
    scene.ends_in(world, end).await;
    nothing_is_left(&across, &world.second).await;
}

/// The second store says nothing when it is asked to take part: nothing is written at all.
#[tokio::test]
async fn a_reservation_without_an_answer_begins_nothing() {
    for fate in [Unheard, Vanished, Refused] {
        let (world, scene) = (World::memory().await, Scene::possible("x"));
        let (_, second, across) = fated(&world).await;
        scene.set(&world.first, &world.second).await;
        second.plan([fate]);
        let error = refused(scene.commit(&across).await);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        ends(&world, &scene, End::Neither).await;
    }
}

#[tokio::test]
async fn the_first_stores_commit_is_found_out() {
    for (fate, kind, end) in [
        (Unheard, None, End::Both),
        (Vanished, Some(ErrorKind::OutcomeUnknown), End::Neither),
        (Refused, Some(ErrorKind::Unavailable), End::Neither),
    ] {
        let (world, scene) = (World::memory().await, Scene::possible("x"));
        let (first, _, across) = fated(&world).await;
        scene.set(&world.first, &world.second).await;
        first.plan([fate]);
        match (scene.commit(&across).await, kind) {
            (Ok(committed), None) => {
                assert!(committed.first.is_none() && committed.second.is_some());
            }
            (Err(error), Some(kind)) => assert_eq!(error.kind(), kind, "{error:?}"),
            other => panic!("{other:?}"),
        }
        ends(&world, &scene, end).await;
    }
}

/// The second store's commit: the marker tells, and it is done once.
#[tokio::test]
async fn the_second_stores_commit_is_found_out() {
    for (fates, heard) in [
        (vec![Done, Unheard], false),
        (vec![Done, Vanished], true),
        (vec![Done, Refused], true),
        (vec![Done, Refused, Vanished, Unheard], false),
    ] {
        let (world, scene) = (World::memory().await, Scene::possible("x"));
        let (_, second, across) = fated(&world).await;
        scene.set(&world.first, &world.second).await;
        second.plan(fates.clone());
        let committed = scene.commit(&across).await.unwrap();
        assert_eq!((committed.second.is_some(), second.left()), (heard, 0), "{fates:?}");
        scene.ends_in(&world, End::Both).await;
        assert_eq!(markers(&world.second).await, 0);
        ends(&world, &scene, End::Both).await;
    }
}

/// What comes after both are durable changes no answer.
#[tokio::test]
async fn what_is_cleared_away_decides_nothing() {
    for fate in [Unheard, Vanished, Refused] {
        for (in_first, in_second) in
            [(vec![Done, fate.clone()], vec![]), (vec![], vec![Done, Done, fate.clone()])]
        {
            let (world, scene) = (World::memory().await, Scene::possible("x"));
            let (first, second, across) = fated(&world).await;
            scene.set(&world.first, &world.second).await;
            first.plan(in_first);
            second.plan(in_second);
            scene.commit(&across).await.unwrap();
            ends(&world, &scene, End::Both).await;
        }
    }
}

/// The way back: the marker becomes void, and the first store's writes are taken back.
#[tokio::test]
async fn the_way_back_is_found_out() {
    for fate in [Unheard, Vanished, Refused] {
        // In the second store the refused commit takes one of the fates.
        for (in_first, in_second) in
            [(vec![], vec![Done, Done, fate.clone()]), (vec![Done, fate.clone()], vec![])]
        {
            let (world, scene) = (World::memory().await, Scene::refused("x"));
            let (first, second, across) = fated(&world).await;
            scene.set(&world.first, &world.second).await;
            first.plan(in_first);
            second.plan(in_second);
            let error = refused(scene.commit(&across).await);
            assert_eq!(error.kind(), ErrorKind::Conflict, "{fate:?}: {error:?}");
            scene.ends_in(&world, End::Neither).await;
            ends(&world, &scene, End::Neither).await;
        }
    }
}

/// A second store that stays away: the caller is told that it is not known, and recovery goes
/// on for as long as it has to.
#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_waited_for() {
    let (world, scene) = (World::memory().await, Scene::possible("x"));
    let (_, second, across) = fated(&world).await;
    scene.set(&world.first, &world.second).await;
    let away = || [Done].into_iter().chain(std::iter::repeat_n(Refused, 1_000));
    second.plan(away());
    let error = refused(scene.commit(&across).await);
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    assert!(error.context_value("intent").is_some());
    scene.ends_in(&world, End::Half).await;
    for _ in 0..3 {
        second.plan(std::iter::repeat_n::<Fate>(Refused, 1_000));
        let recovered = across.recover().await.unwrap();
        assert_eq!((recovered.pending, recovered.completed), (1, 0), "{recovered:?}");
        assert!(recovered.first_error.is_some());
        scene.ends_in(&world, End::Half).await;
    }
    second.plan([]);
    assert_eq!(across.recover().await.unwrap().completed, 1);
    ends(&world, &scene, End::Both).await;
}
