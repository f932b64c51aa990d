//! A process that is killed after each step, and one that is killed while it recovers.

use repo_across::Step;

use crate::common::World;
use crate::common::scene::{End, Scene, markers, nothing_is_left};

on_every_pair![
    a_commit_that_was_killed_is_completed_or_taken_back,
    a_recovery_that_was_killed_is_done_again,
    two_recover_at_once,
];

/// Where a commit is killed that the second store takes, what is there then, and how it ends.
const POSSIBLE: [(Step, End, End); 4] = [
    (Step::Reserved, End::Neither, End::Neither),
    (Step::Recorded, End::Half, End::Both),
    (Step::Applied, End::Both, End::Both),
    (Step::IntentRemoved, End::Both, End::Both),
];

/// The same for one that the second store refuses.
const REFUSED: [(Step, End, End); 4] = [
    (Step::Reserved, End::Neither, End::Neither),
    (Step::Recorded, End::Half, End::Neither),
    (Step::Voided, End::Half, End::Neither),
    (Step::Compensated, End::Neither, End::Neither),
];

fn every_kill() -> Vec<(Scene, Step, End, End)> {
    let possible =
        POSSIBLE.map(|(step, at, end)| (Scene::possible(format!("{step:?}")), step, at, end));
    let refused =
        REFUSED.map(|(step, at, end)| (Scene::refused(format!("refused {step:?}")), step, at, end));
    possible.into_iter().chain(refused).collect()
}

async fn a_commit_that_was_killed_is_completed_or_taken_back(world: World) {
    for (scene, step, at, end) in every_kill() {
        let killed = world.killed_at(step).await;
        // What a killed process was told is of no interest; but never a success for half.
        let answer = scene.run(&world, &killed).await;
        assert!(answer.is_err() || at == End::Both, "{step:?}: {answer:?}");
        assert!(killed.recover().await.is_err(), "it is dead");
        scene.ends_in(&world, at).await;
        assert_eq!(markers(&world.second).await, 1);
        let across = world.across().await;
        let recovered = across.recover().await.unwrap();
        assert_eq!((recovered.pending, recovered.needs_operator), (0, 0), "{recovered:?}");
        assert_eq!(recovered.markers_removed, 1, "{step:?}");
        scene.ends_in(&world, end).await;
        nothing_is_left(&across, &world.second).await;
        let again = across.recover().await.unwrap();
        assert_eq!((again.completed, again.compensated, again.markers_removed), (0, 0, 0));
        scene.ends_in(&world, end).await;
    }
}

async fn a_recovery_that_was_killed_is_done_again(world: World) {
    for (scene, then) in [
        (Scene::possible("a"), Step::Applied),
        (Scene::possible("b"), Step::IntentRemoved),
        (Scene::refused("c"), Step::Voided),
        (Scene::refused("d"), Step::Compensated),
    ] {
        let killed = world.killed_at(Step::Recorded).await;
        drop(scene.run(&world, &killed).await);
        assert!(world.killed_at(then).await.recover().await.is_err());
        let across = world.across().await;
        across.recover().await.unwrap();
        let end = match then {
            Step::Applied | Step::IntentRemoved => End::Both,
            _ => End::Neither,
        };
        scene.ends_in(&world, end).await;
        nothing_is_left(&across, &world.second).await;
    }
}

async fn two_recover_at_once(world: World) {
    let mut scenes = Vec::new();
    for n in 0..6 {
        let (scene, end) = match n % 2 {
            0 => (Scene::possible(format!("p{n}")), End::Both),
            _ => (Scene::refused(format!("r{n}")), End::Neither),
        };
        drop(scene.run(&world, &world.killed_at(Step::Recorded).await).await);
        scenes.push((scene, end));
    }
    let (one, other) = (world.across().await, world.across().await);
    let (first, second) = futures::future::join(one.recover(), other.recover()).await;
    for recovered in [first.unwrap(), second.unwrap()] {
        assert_eq!((recovered.pending, recovered.needs_operator), (0, 0), "{recovered:?}");
    }
    one.recover().await.unwrap();
    for (scene, end) in scenes {
        scene.ends_in(&world, end).await;
    }
    nothing_is_left(&one, &world.second).await;
}
