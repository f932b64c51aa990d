//! Documents that refer to something.

use std::sync::Arc;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{
    ErrorKind, Precondition, RetryPolicy, Transaction, Version, Write, Written, transaction,
};

use crate::words::{
    World, delete, document, host, machine, of_reference, person, put, put_if, refused, request,
};

on_every_store![
    a_reference_to_what_is_not_there_is_refused,
    what_is_no_reference_is_none,
    one_commit_may_bring_both,
    a_commit_that_takes_away_what_it_refers_to_is_refused,
    what_a_commit_checks_itself_stays_its_own,
    the_conditions_of_the_caller_come_first,
    transactions_are_held_to_it,
    copies_are_not_held_to_it,
    a_commit_within_the_limit_fits,
];

/// Never there, or deleted: the document is refused whoever writes it how, and the error says
/// where it refers to what.
async fn a_reference_to_what_is_not_there_is_refused(world: World) {
    for known in ["there", "gone"] {
        world.put(&request(known), "").await;
        world.put(&host(known), "").await;
    }
    world.store.commit(vec![delete(&request("gone")), delete(&host("gone"))]).await.unwrap();
    let key = machine("m");
    for (fields, pointer, to) in [
        (r#""request_id":"never""#, "/request_id", "requests/never"),
        (r#""request_id":"gone""#, "/request_id", "requests/gone"),
        (r#""at":{"hosts":"gone"}"#, "/at/hosts", "hosts/gone"),
        (r#""at":{"hosts":["there","there","gone"]}"#, "/at/hosts", "hosts/gone"),
        (r#""request_id":"there","at":{"hosts":["x"]}"#, "/at/hosts", "hosts/x"),
        (r#""request_id":"""#, "/request_id", "requests/"),
        (r#""request_id":"a\u0007""#, "/request_id", "requests/a\\u{7}"),
    ] {
        for precondition in [Precondition::Any, Precondition::Absent] {
            let error = refused(world.store.commit(vec![put_if(&key, fields, precondition)]).await);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{fields}: {error:?}");
            assert_eq!(of_reference(&error), ["machines/m", pointer, to], "{fields}");
            assert!(error.hint_text().is_some());
            assert_eq!(world.entity(&key).await, None);
        }
    }
    world.put(&key, r#""request_id":"there","at":{"hosts":["there","there"]}"#).await;
    // An update is held to it like a create, and leaves what was there.
    let update =
        world.store.update(key.clone(), document(&key, r#""request_id":"gone""#), Version::FIRST);
    assert_eq!(refused(update.await).kind(), ErrorKind::Invalid);
    assert_eq!(world.entity(&key).await.unwrap().version, Version::FIRST);
    // Of other collections nothing is asked.
    world.put(&request("r"), r#""request_id":"never","boss":"nobody""#).await;
}

/// Null, what is missing, what is neither string nor array, and an array where the schema says
/// that there is one string.
async fn what_is_no_reference_is_none(world: World) {
    for (at, fields) in [
        "",
        r#""request_id":null"#,
        r#""request_id":7"#,
        r#""request_id":["never"]"#,
        r#""at":"never""#,
        r#""at":{"hosts":{"id":"never"}}"#,
        r#""at":{"hosts":[1,null,["never"]]}"#,
        r#""at":{"hosts":[]}"#,
    ]
    .into_iter()
    .enumerate()
    {
        world.put(&machine(&format!("m{at}")), fields).await;
    }
}

/// In whatever order they stand, also in a circle and to themselves.
async fn one_commit_may_bring_both(world: World) {
    let referring = || put(&machine("m"), r#""request_id":"r""#);
    let answers = world.store.commit(vec![referring(), put(&request("r"), "")]).await.unwrap();
    assert_eq!(answers.iter().map(|w| w.version()).collect::<Vec<_>>(), [Some(Version::FIRST); 2]);
    world.store.commit(vec![put(&request("r"), ""), referring()]).await.unwrap();
    let circle = vec![put(&person("a"), r#""boss":"b""#), put(&person("b"), r#""boss":"a""#)];
    world.store.commit(circle).await.unwrap();
    world.put(&person("own"), r#""boss":"own""#).await;
    // What is refused of one is refused of both.
    let half = vec![put(&request("s"), ""), put(&machine("n"), r#""request_id":"x""#)];
    assert_eq!(refused(world.store.commit(half).await).kind(), ErrorKind::Invalid);
    assert_eq!(world.entity(&request("s")).await, None);
}

async fn a_commit_that_takes_away_what_it_refers_to_is_refused(world: World) {
    world.put(&request("r"), "").await;
    let referring = || put(&machine("m"), r#""request_id":"r""#);
    let absent = Write::check(request("r"), Precondition::Absent);
    for taking in [delete(&request("r")), absent] {
        for writes in [vec![referring(), taking.clone()], vec![taking.clone(), referring()]] {
            let error = refused(world.store.commit(writes).await);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
            assert_eq!(of_reference(&error), ["machines/m", "/request_id", "requests/r"]);
        }
    }
    assert!(world.entity(&request("r")).await.is_some());
    assert_eq!(world.entity(&machine("m")).await, None);
}

/// A check of what a document refers to is answered as ever; one that holds of anything is no
/// leave to refer to what is not there.
async fn what_a_commit_checks_itself_stays_its_own(world: World) {
    world.put(&request("r"), "").await;
    let key = machine("m");
    let referring = |to: &str| put(&key, &format!(r#""request_id":"{to}""#));
    for holds in [Precondition::Any, Precondition::Exists, Precondition::Version(Version::FIRST)] {
        let writes = vec![Write::check(request("r"), holds), referring("r")];
        let answers = world.store.commit(writes).await.unwrap();
        assert_eq!(answers.len(), 2, "{holds}");
        assert_eq!(answers[0], Written::Unchanged);
    }
    let anything = vec![Write::check(request("x"), Precondition::Any), referring("x")];
    assert_eq!(refused(world.store.commit(anything).await).kind(), ErrorKind::Invalid);
    let exists = vec![Write::check(request("x"), Precondition::Exists), referring("x")];
    let error = refused(world.store.commit(exists).await);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    // A key that is named twice is refused as ever.
    let twice = vec![referring("r"), referring("r")];
    assert_eq!(refused(world.store.commit(twice).await).kind(), ErrorKind::Invalid);
}

/// What the caller asked for itself is answered first, and names nothing of the layer's.
async fn the_conditions_of_the_caller_come_first(world: World) {
    world.put(&request("r"), "").await;
    let key = machine("m");
    world.put(&key, r#""request_id":"r""#).await;
    let other = Precondition::Version(Version::new(9).unwrap());
    for (precondition, kind) in
        [(Precondition::Absent, ErrorKind::AlreadyExists), (other, ErrorKind::Conflict)]
    {
        for to in ["r", "never"] {
            let write = put_if(&key, &format!(r#""request_id":"{to}""#), precondition);
            let error = refused(world.store.commit(vec![write]).await);
            assert_eq!(error.kind(), kind, "{to}: {error:?}");
            let failed: Vec<_> = error.failed_preconditions().iter().map(|f| &f.key).collect();
            assert_eq!(failed, [&key], "{to}");
        }
    }
    let missing = put_if(&machine("n"), r#""request_id":"never""#, Precondition::Exists);
    assert_eq!(refused(world.store.commit(vec![missing]).await).kind(), ErrorKind::NotFound);
}

/// A transaction is one commit. That a document refers to nothing is not tried again.
async fn transactions_are_held_to_it(world: World) {
    let (r, m) = (request("r"), machine("m"));
    let mut tx = Transaction::begin(Arc::clone(&world.store));
    tx.create(m.clone(), document(&m, r#""request_id":"r""#)).await.unwrap();
    tx.create(r.clone(), document(&r, "")).await.unwrap();
    assert_eq!(tx.commit().await.unwrap().len(), 2);
    let mut runs = 0;
    let answer = transaction(&world.store, RetryPolicy::default(), async |tx| {
        runs += 1;
        tx.get(&r).await?;
        tx.save(m.clone(), document(&m, r#""request_id":"never""#));
        Ok(())
    })
    .await;
    assert_eq!((refused(answer).kind(), runs), (ErrorKind::Invalid, 1));
    // What it read is checked at its version, which is enough.
    let mut tx = Transaction::begin(Arc::clone(&world.store));
    tx.get(&r).await.unwrap();
    tx.save(machine("n"), document(&machine("n"), r#""request_id":"r""#));
    tx.commit().await.unwrap();
}

/// A copy brings what another store accepted, in any order.
async fn copies_are_not_held_to_it(world: World) {
    world.put(&request("r"), "").await;
    world.put(&machine("m"), r#""request_id":"r""#).await;
    let key = machine("m");
    let ids = std::slice::from_ref(&key.id);
    let records = world.raw.get_many(&key.collection, ids).await.unwrap();
    let copy = World::at(crate::site::Site::memory()).await;
    copy.store.apply(records.into_iter().flatten().collect()).await.unwrap();
    assert!(copy.entity(&key).await.is_some());
    assert_eq!(copy.entity(&request("r")).await, None);
}

/// As many documents as the capabilities say fit into a commit, whatever they refer to.
async fn a_commit_within_the_limit_fits(world: World) {
    let Some(most) = world.store.capabilities().max_commit_keys else {
        assert_eq!(world.raw.capabilities().max_commit_keys, None);
        return;
    };
    // A machine, and two keys for each of its two references.
    assert_eq!(most, world.raw.capabilities().max_commit_keys.unwrap() / 5);
    let targets = (0..most).flat_map(|at| {
        let id = format!("x{at}");
        [put(&request(&id), ""), put(&host(&id), "")]
    });
    for writes in targets.collect::<Vec<_>>().chunks(most) {
        world.store.commit(writes.to_vec()).await.unwrap();
    }
    let referring = |at: usize| {
        put(
            &machine(&format!("m{at}")),
            &format!(r#""request_id":"x{at}","at":{{"hosts":["x{at}"]}}"#),
        )
    };
    let written = world.store.commit((0..most).map(referring).collect()).await.unwrap();
    assert_eq!(written.len(), most);
    let machines: Vec<Write> = (0..most).map(|at| delete(&machine(&format!("m{at}")))).collect();
    world.store.commit(machines).await.unwrap();
    let requests: Vec<Write> = (0..most).map(|at| delete(&request(&format!("x{at}")))).collect();
    assert_eq!(world.store.commit(requests).await.unwrap().len(), most);
}
