//! What a migration reports while it runs: sent to the thread that called, which alone
//! calls Python.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use repo_core::CollectionName;
use repo_migrate::{Phase, Progress};
use tokio::sync::watch;

/// How often records are reported, at most.
const BETWEEN: Duration = Duration::from_millis(100);

/// Something to tell.
#[derive(Debug)]
pub(crate) enum Event {
    Phase { phase: Phase, total: Option<u64> },
    Records { phase: Option<Phase>, collection: CollectionName, done: u64, total: Option<u64> },
    Warning(String),
}

/// How a run is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// To its end.
    No,
    /// It finishes the batches in hand.
    Soon,
    /// At once.
    Now,
}

/// Sends what a run reports.
pub(crate) struct Told {
    events: Sender<Event>,
    ending: watch::Receiver<Ending>,
    phase: Mutex<Current>,
}

/// The phase that a run is in.
struct Current {
    phase: Option<Phase>,
    total: Option<u64>,
    done: u64,
    /// Of what was not sent yet.
    unsent: Option<CollectionName>,
    sent_at: Instant,
}

impl Told {
    pub(crate) fn new(events: Sender<Event>, ending: watch::Receiver<Ending>) -> Self {
        let sent_at = Instant::now();
        let current = Current { phase: None, total: None, done: 0, unsent: None, sent_at };
        Self { events, ending, phase: Mutex::new(current) }
    }

    /// Nobody may listen any more: then nobody wants to know.
    fn send(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Is ready when the run is to end in this way.
    pub(crate) async fn asked(&self, ending: Ending) {
        let mut asked = self.ending.clone();
        if asked.wait_for(|asked| *asked >= ending).await.is_err() {
            // Nobody is there who could ask.
            std::future::pending::<()>().await;
        }
    }

    /// Sends what was held back.
    pub(crate) fn flush(&self) {
        let mut current = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        self.send_records(&mut current);
    }

    fn send_records(&self, current: &mut Current) {
        if let Some(collection) = current.unsent.take() {
            let Current { phase, total, done, .. } = *current;
            self.send(Event::Records { phase, collection, done, total });
            current.sent_at = Instant::now();
        }
    }
}

impl Progress for Told {
    fn phase(&self, phase: Phase, total: Option<u64>) {
        let mut current = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        self.send_records(&mut current);
        (current.phase, current.total, current.done) = (Some(phase), total, 0);
        self.send(Event::Phase { phase, total });
    }

    fn advance(&self, collection: &CollectionName, records: u64) {
        let mut current = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        current.done += records;
        current.unsent = Some(collection.clone());
        if current.sent_at.elapsed() >= BETWEEN {
            self.send_records(&mut current);
        }
    }

    fn warning(&self, text: &str) {
        self.send(Event::Warning(text.to_owned()));
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.asked(Ending::Soon))
    }
}
