//! Values that are computed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::poll;
use repo_core::{Error, ErrorKind, Result};
use repo_layers::ComputedCache;
use tokio::sync::Semaphore;
use tokio::time::advance;

use super::support::bytes;

const TTL: Duration = Duration::from_secs(60);

fn numbers() -> ComputedCache<u64> {
    ComputedCache::new(bytes(1_000_000), |_| 8)
}

/// Gives 1, 2, 3 and so on, each when it is let go.
#[derive(Debug, Clone)]
struct Counting {
    begun: Arc<AtomicU64>,
    out: Arc<Semaphore>,
}

impl Counting {
    fn new() -> Self {
        Self { begun: Arc::default(), out: Arc::new(Semaphore::new(0)) }
    }

    fn let_go(&self) {
        self.out.add_permits(1);
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    async fn next(self) -> Result<u64> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.out.acquire().await.unwrap().forget();
        Ok(number)
    }

    async fn ask(&self, cache: &ComputedCache<u64>, name: &str) -> u64 {
        let counting = self.clone();
        cache.get_or_compute(name, TTL, move || counting.next()).await.unwrap()
    }
}

#[tokio::test]
async fn a_value_is_computed_once_for_all_who_ask() {
    let (cache, counting) = (numbers(), Counting::new());
    let mut callers: Vec<_> = (0..9).map(|_| Box::pin(counting.ask(&cache, "a"))).collect();
    for caller in &mut callers {
        assert!(poll!(caller).is_pending());
    }
    let mut other = Box::pin(counting.ask(&cache, "b"));
    assert!(poll!(&mut other).is_pending(), "another name is another value");
    counting.let_go();
    counting.let_go();
    for caller in callers {
        assert_eq!(caller.await, 1);
    }
    assert_eq!(other.await, 2);
    assert_eq!(counting.ask(&cache, "a").await, 1);
    assert_eq!((cache.get("a"), cache.get("b"), cache.get("c")), (Some(1), Some(2), None));
    assert_eq!(counting.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_lives_for_its_time() {
    let (cache, counting) = (numbers(), Counting::new());
    counting.let_go();
    assert_eq!(counting.ask(&cache, "a").await, 1);
    advance(TTL - Duration::from_secs(1)).await;
    assert_eq!(counting.ask(&cache, "a").await, 1);
    advance(Duration::from_secs(1)).await;
    assert_eq!(cache.get("a"), None);
    counting.let_go();
    assert_eq!(counting.ask(&cache, "a").await, 2);
    let ever = cache.get_or_compute("ever", Duration::MAX, || async { Ok(7) });
    assert_eq!(ever.await.unwrap(), 7);
    advance(TTL * 1_000).await;
    assert_eq!(cache.get("ever"), Some(7));
}

/// Who began may give up; when all did, the next one begins anew.
#[tokio::test]
async fn a_computation_does_not_depend_on_who_began_it() {
    let (cache, counting) = (numbers(), Counting::new());
    let mut first = Box::pin(counting.ask(&cache, "a"));
    let mut second = Box::pin(counting.ask(&cache, "a"));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    drop(first);
    counting.let_go();
    assert_eq!(second.await, 1);

    let mut lost = Box::pin(counting.ask(&cache, "b"));
    assert!(poll!(&mut lost).is_pending());
    drop(lost);
    counting.let_go();
    assert_eq!(counting.ask(&cache, "b").await, 3);
}

#[tokio::test]
async fn what_is_forgotten_meanwhile_is_not_kept() {
    for all in [true, false] {
        let (cache, counting) = (numbers(), Counting::new());
        let mut old = Box::pin(counting.ask(&cache, "a"));
        assert!(poll!(&mut old).is_pending());
        if all {
            cache.forget_all();
        } else {
            cache.forget("a");
        }
        let mut new = Box::pin(counting.ask(&cache, "a"));
        assert!(poll!(&mut new).is_pending(), "it does not join the old one");
        counting.let_go();
        assert_eq!(old.await, 1);
        assert_eq!(cache.get("a"), None);
        counting.let_go();
        assert_eq!(new.await, 2);
        assert_eq!(cache.get("a"), Some(2));
    }
}

#[tokio::test]
async fn an_error_is_for_all_who_wait_and_is_not_kept() {
    let (cache, out) = (numbers(), Arc::new(Semaphore::new(0)));
    let fail = || {
        let out = Arc::clone(&out);
        cache.get_or_compute("a", TTL, move || async move {
            out.acquire().await.unwrap().forget();
            Err(Error::new(ErrorKind::NotFound, "count", "nothing there").with("what", "hosts"))
        })
    };
    let mut callers: Vec<_> = (0..3).map(|_| Box::pin(fail())).collect();
    for caller in &mut callers {
        assert!(poll!(caller).is_pending());
    }
    out.add_permits(1);
    for caller in callers {
        let error = caller.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.context_value("what"), Some("hosts"));
    }
    let again = cache.get_or_compute("a", TTL, || async { Ok(5) });
    assert_eq!(again.await.unwrap(), 5);
}

#[tokio::test]
async fn values_have_a_bound_in_bytes() {
    let cache = ComputedCache::new(bytes(20_000), String::len);
    for nth in 0..200 {
        let text = || async { Ok("x".repeat(1_000)) };
        cache.get_or_compute(&nth.to_string(), TTL, text).await.unwrap();
    }
    let kept = (0..200).filter(|nth| cache.get(&nth.to_string()).is_some()).count();
    assert!((1..=20).contains(&kept), "{kept}");
    let large = cache.get_or_compute("large", TTL, || async { Ok("x".repeat(30_000)) });
    assert_eq!(large.await.unwrap().len(), 30_000);
}
