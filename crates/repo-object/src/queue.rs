//! Requests that wait for the writer. What waits together becomes one object.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::request::Request;

/// Most requests in a group.
const MOST_REQUESTS: usize = 4_096;
/// A group is closed when its documents exceed this, in bytes.
const MOST_BYTES: usize = 8 * 1_024 * 1_024;

/// The requests of one handle.
#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// Whether somebody serves them.
    served: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request; whether somebody is needed who serves.
    pub(crate) fn push(&self, request: Request) -> bool {
        let mut waiting = self.waiting();
        waiting.requests.push_back(request);
        !std::mem::replace(&mut waiting.served, true)
    }

    /// The next group. `None` where nothing waits: who serves is not needed any more.
    pub(crate) fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.waiting();
        let Some(first) = waiting.requests.pop_front() else {
            waiting.served = false;
            return None;
        };
        let (mut bytes, mut shares) = (first.asked.bytes(), first.asked.shares());
        let mut group = vec![first];
        while shares && group.len() < MOST_REQUESTS && bytes < MOST_BYTES {
            shares = waiting.requests.front().is_some_and(|next| next.asked.shares());
            if !shares {
                break;
            }
            let Some(next) = waiting.requests.pop_front() else { break };
            bytes += next.asked.bytes();
            group.push(next);
        }
        Some(group)
    }

    /// Everything that waits; who served has ended.
    pub(crate) fn abandon(&self) -> VecDeque<Request> {
        let mut waiting = self.waiting();
        waiting.served = false;
        std::mem::take(&mut waiting.requests)
    }
}

#[cfg(test)]
mod tests {
    use repo_core::strategy::StoreId;
    use tokio::sync::oneshot;

    use super::*;
    use crate::request::Asked;

    fn request(asked: Asked) -> Request {
        Request { asked, reply: oneshot::channel().0 }
    }

    #[test]
    fn what_waits_is_one_group_unless_it_has_to_be_alone() {
        let queue = Queue::default();
        assert!(queue.push(request(Asked::Commit(Vec::new()))));
        let prepare = Asked::Prepare(Vec::new(), StoreId::from_bytes([1; 16]));
        for asked in [Asked::Apply(Vec::new()), prepare, Asked::Items(Vec::new())] {
            assert!(!queue.push(request(asked)));
        }
        let sizes: Vec<usize> =
            std::iter::from_fn(|| queue.take()).map(|group| group.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
        assert!(queue.push(request(Asked::Frame)), "who served has ended");
        assert_eq!(queue.abandon().len(), 1);
    }
}
