//! Commits of which nothing is in the way, and those that one of the stores refuses.

use repo_core::{Consistency, ErrorKind, Filter, Precondition, Write, Written};

use crate::common::scene::{End, Scene, nothing_is_left};
use crate::common::{World, item, number, over, put, refused};

on_every_pair![
    both_stores_have_their_writes,
    what_the_first_store_refuses_is_written_nowhere,
    what_the_second_store_refuses_is_taken_back,
    commits_side_by_side_lose_nothing,
    the_pair_works_in_both_directions,
];

async fn both_stores_have_their_writes(world: World) {
    let (across, scene) = (world.across().await, Scene::possible("x"));
    let committed = scene.run(&world, &across).await.unwrap();
    scene.ends_in(&world, End::Both).await;
    nothing_is_left(&across, &world.second).await;
    // The answers are those of the caller's own writes, in their order.
    let versions = |written: Option<Vec<Written>>| -> Vec<Option<u64>> {
        let of = |written: Written| written.version().map(|version| version.get());
        written.unwrap().into_iter().map(of).collect()
    };
    assert_eq!(versions(committed.first), [Some(2), Some(2), Some(1), None]);
    assert_eq!(versions(committed.second), [Some(2), Some(1)]);
}

async fn what_the_first_store_refuses_is_written_nowhere(world: World) {
    let (across, scene) = (world.across().await, Scene::possible("x"));
    scene.set(&world.first, &world.second).await;
    for (when, kind) in
        [(Precondition::Absent, ErrorKind::AlreadyExists), (over(3), ErrorKind::Conflict)]
    {
        let mut first = scene.first();
        first[0] = put(&scene.id("changed"), 2, when);
        let error = refused(across.commit(first, scene.second()).await);
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!(error.failed_preconditions()[0].key, item(&scene.id("changed")));
    }
    let mut first = scene.first();
    first.push(Write::check(item("nowhere"), Precondition::Exists));
    let error = refused(across.commit(first, scene.second()).await);
    assert_eq!(error.failed_preconditions()[0].key, item("nowhere"));
    scene.ends_in(&world, End::Neither).await;
    nothing_is_left(&across, &world.second).await;
}

async fn what_the_second_store_refuses_is_taken_back(world: World) {
    let across = world.across().await;
    for (name, when, kind) in
        [("a", over(9), ErrorKind::Conflict), ("b", Precondition::Absent, ErrorKind::AlreadyExists)]
    {
        let scene = Scene::possible(name).when(when);
        let error = refused(scene.run(&world, &across).await);
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!(error.failed_preconditions()[0].key, item(&scene.id("changed")));
        assert!(error.context_value("intent").is_some());
        scene.ends_in(&world, End::Neither).await;
        nothing_is_left(&across, &world.second).await;
    }
    // The same after a commit was taken back: nothing of it is in the way.
    let scene = Scene::possible("a");
    scene.commit(&across).await.unwrap();
    scene.ends_in(&world, End::Both).await;
}

/// Each adds one to a counter of the second store, by version, with an entry for it in the first
/// one: there are as many entries as the counter says.
async fn commits_side_by_side_lose_nothing(world: World) {
    let across = world.across().await;
    world.second.commit(vec![put("counter", 0, Precondition::Absent)]).await.unwrap();
    let adds = (0..3).map(|who| {
        let (across, second) = (across.clone(), world.second.clone());
        tokio::spawn(async move {
            let (mut done, mut tried) = (0, 0);
            while done < 3 {
                tried += 1;
                let n = number(&second, "counter").await.unwrap();
                let entry = put(&format!("entry-{who}-{tried}"), n, Precondition::Absent);
                let add = put("counter", n + 1, over(n + 1));
                match across.commit(vec![entry], vec![add]).await {
                    Ok(_) => done += 1,
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    Err(error) if error.kind() == ErrorKind::Unavailable => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
    });
    for add in futures::future::join_all(adds).await {
        add.unwrap();
    }
    assert_eq!(number(&world.second, "counter").await, Some(9));
    let entries = item("entry").collection;
    let all = Filter::default();
    assert_eq!(world.first.count(&entries, &all, Consistency::Strong).await.unwrap(), 9);
    nothing_is_left(&across, &world.second).await;
}

async fn the_pair_works_in_both_directions(world: World) {
    let there = world.across().await;
    let back = crate::common::pair(&world.second, &world.first).await;
    Scene::possible("x").run(&world, &there).await.unwrap();
    let scene = Scene::possible("y");
    scene.set(&world.second, &world.first).await;
    scene.commit(&back).await.unwrap();
    scene.ends(&world.second, &world.first, End::Both).await;
    nothing_is_left(&there, &world.second).await;
    nothing_is_left(&back, &world.first).await;
}
