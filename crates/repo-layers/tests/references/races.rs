//! Who refers and who deletes at the same moment, in several processes.

use repo_core::{Error, ErrorKind, Write, Written};
use repo_layers::Inner;

use crate::words::{World, delete, machine, put, refused, request};

on_every_store![one_of_two_goes_through];

/// `Unavailable` says that nothing was written and that the same may be tried again.
async fn commit(store: Inner, writes: Vec<Write>) -> Result<Vec<Written>, Error> {
    loop {
        match store.commit(writes.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
}

/// Either the document refers to what stays, or what it would refer to is gone.
async fn one_of_two_goes_through(world: World) {
    let (here, there) = (world.store.clone(), world.another().await);
    for round in 0..12 {
        let (r, m) = (request(&format!("r{round}")), machine(&format!("m{round}")));
        world.put(&r, "").await;
        let referring = vec![put(&m, &format!(r#""request_id":"r{round}""#))];
        let refers = tokio::spawn(commit(here.clone(), referring));
        let deletes = tokio::spawn(commit(there.clone(), vec![delete(&r)]));
        let (refers, deletes) = (refers.await.unwrap(), deletes.await.unwrap());
        let (is_there, refers_to_it) =
            (world.entity(&r).await.is_some(), world.entity(&m).await.is_some());
        assert_eq!(is_there, refers_to_it, "round {round}: {refers:?}, {deletes:?}");
        assert_eq!((refers.is_ok(), deletes.is_ok()), (is_there, !is_there), "round {round}");
        let error = if is_there { refused(deletes) } else { refused(refers) };
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    }
}
