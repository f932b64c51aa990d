//! Deleting what may be referred to.

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{ErrorKind, Precondition, Version, Write, Written};

use crate::words::{
    World, delete, host, live, machine, mark, of_deletion, person, put, refused, request,
};

on_every_store![
    what_is_referred_to_is_not_deleted,
    any_of_several_references_keeps_it,
    what_goes_along_does_not_keep_it,
    many_are_deleted_at_once,
    who_refers_to_itself_can_go,
    what_nothing_refers_to_is_deleted_as_ever,
];

/// The error names who refers to it. Nothing is changed, and no mark stays. When the last one
/// who refers to it is gone, or refers to something else, it can be deleted.
async fn what_is_referred_to_is_not_deleted(world: World) {
    let r = request("r");
    world.put(&r, "").await;
    world.put(&request("other"), "").await;
    for id in ["m", "n"] {
        world.put(&machine(id), r#""request_id":"r""#).await;
    }
    for precondition in
        [Precondition::Any, Precondition::Exists, Precondition::Version(Version::FIRST)]
    {
        let writes = vec![put(&machine("new"), ""), Write::delete(r.clone(), precondition)];
        let error = refused(world.store.commit(writes).await);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        let [key, collection, field, id] = of_deletion(&error);
        assert_eq!([key, collection, field], ["requests/r", "machines", "request_id"]);
        assert!(["m", "n"].contains(&id), "{error:?}");
        assert!(error.hint_text().is_some());
        assert_eq!(world.entity(&machine("new")).await, None);
        assert_eq!(live(&world.raw, &mark(&r)).await, None, "the mark was taken back");
    }
    assert_eq!(world.entity(&r).await.unwrap().version, Version::FIRST);
    world.store.delete(machine("m")).await.unwrap();
    assert_eq!(of_deletion(&refused(world.store.delete(r.clone()).await))[3], "n");
    world.put(&machine("n"), r#""request_id":"other""#).await;
    let version = world.store.delete_version(r.clone(), Version::FIRST).await.unwrap();
    assert_eq!(version.get(), 2);
    assert_eq!(live(&world.raw, &mark(&r)).await, None);
    let late = world.store.commit(vec![put(&machine("m"), r#""request_id":"r""#)]).await;
    assert_eq!(refused(late).kind(), ErrorKind::Invalid);
    // It may come back, and be referred to again.
    world.put(&r, "").await;
    world.put(&machine("m"), r#""request_id":"r""#).await;
}

/// Strings and arrays; not a part of a string, nor what the schema says is none.
async fn any_of_several_references_keeps_it(world: World) {
    for id in ["a", "b", "ab"] {
        world.put(&host(id), "").await;
        world.put(&request(id), "").await;
        world.put(&person(id), "").await;
    }
    world.put(&machine("one"), r#""request_id":"ab","at":{"hosts":"ab"}"#).await;
    world.put(&machine("list"), r#""request_id":["a"],"at":{"hosts":[7,"b","b"]}"#).await;
    world.put(&person("p"), r#""boss":["b"]"#).await;
    for (key, keeper) in [
        (host("b"), ["hosts/b", "machines", "at.hosts", "list"]),
        (host("ab"), ["hosts/ab", "machines", "at.hosts", "one"]),
        (request("ab"), ["requests/ab", "machines", "request_id", "one"]),
        (person("b"), ["people/b", "people", "boss", "p"]),
    ] {
        let error = refused(world.store.delete(key.clone()).await);
        assert_eq!(of_deletion(&error), keeper);
        assert!(world.entity(&key).await.is_some());
    }
    for key in [host("a"), request("a"), request("b"), person("a"), person("ab")] {
        assert!(world.store.delete(key).await.unwrap().is_some());
    }
}

/// What the same commit deletes, or lets refer to something else, counts no more; what it only
/// checks still does.
async fn what_goes_along_does_not_keep_it(world: World) {
    let r = request("r");
    for _ in 0..2 {
        world.put(&r, "").await;
        world.put(&request("other"), "").await;
        // More than a page of those who refer to it.
        let all: Vec<_> = (0..19).map(|at| machine(&format!("m{at}"))).collect();
        for key in &all {
            world.put(key, r#""request_id":"r""#).await;
        }
        let mut writes: Vec<Write> = all[1..].iter().map(delete).collect();
        writes.push(delete(&r));
        let check = Write::check(all[0].clone(), Precondition::Exists);
        let kept = writes.iter().cloned().chain([check]).collect();
        assert_eq!(of_deletion(&refused(world.store.commit(kept).await))[3], "m0");
        assert_eq!(of_deletion(&refused(world.store.commit(writes.clone()).await))[3], "m0");
        let moved = put(&all[0], r#""request_id":"other""#);
        let answers = world.store.commit(writes.into_iter().chain([moved]).collect()).await;
        assert_eq!(answers.unwrap().len(), 20);
        assert_eq!(world.entity(&r).await, None);
        world.store.delete(all[0].clone()).await.unwrap();
    }
}

/// One query answers for all; the one that is referred to is named.
async fn many_are_deleted_at_once(world: World) {
    let most = world.store.capabilities().max_commit_keys.unwrap_or(150);
    let all: Vec<_> = (0..most).map(|at| request(&format!("r{at:03}"))).collect();
    world.store.commit(all.iter().map(|key| put(key, "")).collect()).await.unwrap();
    let last = &all[most - 1];
    world.put(&machine("m"), &format!(r#""request_id":"{}""#, last.id)).await;
    let deletions = || all.iter().map(delete).collect::<Vec<_>>();
    let error = refused(world.store.commit(deletions()).await);
    assert_eq!(of_deletion(&error), [last.to_string().as_str(), "machines", "request_id", "m"]);
    assert!(world.entity(&all[0]).await.is_some());
    world.store.delete(machine("m")).await.unwrap();
    let answers = world.store.commit(deletions()).await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Written::Deleted { .. })));
    assert_eq!(answers.len(), most);
}

async fn who_refers_to_itself_can_go(world: World) {
    world.put(&person("own"), r#""boss":"own""#).await;
    world.store.delete(person("own")).await.unwrap();
    let circle = vec![put(&person("a"), r#""boss":"b""#), put(&person("b"), r#""boss":"a""#)];
    world.store.commit(circle).await.unwrap();
    assert_eq!(of_deletion(&refused(world.store.delete(person("a")).await))[3], "b");
    world.store.commit(vec![delete(&person("a")), delete(&person("b"))]).await.unwrap();
}

/// Absent or of another version: the answers are those of the store.
async fn what_nothing_refers_to_is_deleted_as_ever(world: World) {
    let r = request("r");
    assert_eq!(world.store.delete(r.clone()).await.unwrap(), None);
    let missing = world.store.delete_version(r.clone(), Version::FIRST).await;
    assert_eq!(refused(missing).kind(), ErrorKind::NotFound);
    world.put(&r, "").await;
    world.put(&r, "").await;
    let error = refused(world.store.delete_version(r.clone(), Version::FIRST).await);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(error.failed_preconditions().len(), 1);
    assert_eq!(live(&world.raw, &mark(&r)).await, None, "the mark was taken back");
    assert_eq!(world.store.delete(r.clone()).await.unwrap().map(Version::get), Some(3));
    world.store.delete(machine("m")).await.unwrap();
}
