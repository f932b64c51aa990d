//! A holder that is stopped by the system for longer than its lease lasts.

use std::io::Write as _;

use repo_core::Error;
use repo_lease::Leases;

use crate::common::{Site, number, put, scope, stored};
use crate::{lines_of, said, say, start, told_store, ttl};

/// Acquires the lease, and uses it once it is told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the tests below"]
async fn holder() {
    let Some(store) = told_store().await else { return };
    let lease = Leases::new(store).acquire(&scope(), ttl()).await.unwrap();
    say(&lease.token().to_string());
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let committed = kind(&lease.commit(vec![put("a", 1), put("b", 1)]).await);
    let (checked, renewed) = (kind(&lease.check().await), kind(&lease.renew().await));
    let released = kind(&lease.release().await);
    say(&[committed, checked, renewed, released].join(" "));
}

fn kind<T>(result: &Result<T, Error>) -> &'static str {
    result.as_ref().map_or_else(|error| error.kind().as_str(), |_| "done")
}

async fn a_stopped_holder_is_refused(site: Site) {
    let store = site.prepared().await;
    let mut holder = start("stopped::holder", &site);
    let (mut lines, mut input) = (lines_of(&mut holder), holder.stdin());
    let token: u64 = said(&mut lines).parse().unwrap();
    // Nothing of it is under way in the store: it may be stopped without stopping others.
    store.commit(vec![put("a", 7)]).await.unwrap();
    holder.pause();
    let lease = Leases::new(store.clone()).acquire(&scope(), ttl()).await.unwrap();
    assert!(lease.token().get() > token, "{} after {token}", lease.token());
    lease.commit(vec![put("a", 8)]).await.unwrap();
    holder.go_on();
    input.write_all(b"go on\n").unwrap();
    assert_eq!(said(&mut lines), "Conflict Conflict Conflict Conflict");
    assert!(holder.wait().success());
    let kept = stored(&store, "a").await.unwrap();
    assert_eq!((number(&kept), kept.version.get()), (8, 2));
    assert_eq!(stored(&store, "b").await, None);
    lease.commit(vec![put("a", 9)]).await.unwrap();
    lease.release().await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_holder_is_refused_on_json_files() {
    a_stopped_holder_is_refused(Site::json_files()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_holder_is_refused_on_sqlite() {
    a_stopped_holder_is_refused(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_holder_is_refused_on_postgresql() {
    a_stopped_holder_is_refused(Site::postgresql()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_holder_is_refused_on_dynamodb() {
    a_stopped_holder_is_refused(Site::dynamodb()).await;
}
