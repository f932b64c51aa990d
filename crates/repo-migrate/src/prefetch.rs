//! Streams that are read ahead: the consumer works while the next item is made.
//! A stream that only its consumer polls stands still while the consumer
//! compresses, looks up references or waits for the target; checking 200,000
//! rows took 0.69 s so, and 0.43 s read ahead.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use repo_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

/// Items that wait to be taken, at most; one more is being made. Memory must not
/// grow with what is stored, and each may be a batch of large documents. Two were
/// no faster.
const MOST: usize = 1;

/// The same stream, driven by a task of its own, which ends with it.
pub(crate) fn prefetch<T: Send + 'static>(
    mut stream: BoxStream<'static, Result<T>>,
) -> BoxStream<'static, Result<T>> {
    let (sender, receiver) = channel(MOST);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Some(item) = stream.next().await {
            if sender.send(Some(item)).await.is_err() {
                return;
            }
        }
        // Nobody listens any more when this fails.
        let _ = sender.send(None).await;
    });
    futures::stream::unfold(Some((receiver, task)), |reading| async move {
        let (mut receiver, mut task) = reading?;
        match next(&mut receiver, &mut task).await {
            Ok(item) => Some((item?, Some((receiver, task)))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

/// The next item, `None` at the end. The end is a message of its own: a task
/// that was ended early must not pass for the end of the stream.
async fn next<T>(
    receiver: &mut Receiver<Option<Result<T>>>,
    task: &mut JoinSet<()>,
) -> Result<Option<Result<T>>> {
    if let Some(item) = receiver.recv().await {
        return Ok(item);
    }
    match task.join_next().await {
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => Err(Error::new(ErrorKind::Unavailable, "migrate", "reading stopped before the end")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::TryStreamExt as _;
    use futures::stream;

    use super::*;

    fn numbers(made: &Arc<AtomicUsize>) -> BoxStream<'static, Result<usize>> {
        let made = Arc::clone(made);
        stream::iter(0..1_000)
            .map(move |number| {
                made.fetch_add(1, Ordering::Relaxed);
                Ok(number)
            })
            .boxed()
    }

    #[tokio::test]
    async fn all_items_arrive_in_their_order_errors_too() {
        let made = Arc::default();
        let all: Vec<usize> = prefetch(numbers(&made)).try_collect().await.unwrap();
        assert_eq!(all, (0..1_000).collect::<Vec<_>>());
        let failing = || Err(Error::new(ErrorKind::Corrupt, "read", "it is damaged"));
        let items = stream::iter([Ok(1), failing(), Ok(2)]).boxed();
        let kinds: Vec<_> =
            prefetch(items).map(|item| item.map_err(|error| error.kind())).collect().await;
        assert_eq!(kinds, [Ok(1), Err(ErrorKind::Corrupt), Ok(2)]);
    }

    #[tokio::test]
    async fn no_more_is_made_than_may_wait() {
        let made = Arc::default();
        let mut reading = prefetch(numbers(&made));
        assert_eq!(reading.next().await.unwrap().unwrap(), 0);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let now = made.load(Ordering::Relaxed);
        assert!((MOST..=MOST + 2).contains(&now), "{now}");
        drop(reading);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(made.load(Ordering::Relaxed), now);
    }

    #[tokio::test]
    #[should_panic(expected = "in the source")]
    async fn a_panic_is_told() {
        let items = stream::iter([0]).map(|_| -> Result<usize> { panic!("in the source") }).boxed();
        let _ = prefetch(items).next().await;
    }
}
