//! The load that is asked for, on one store: reads, commits and queries together, each at its
//! rate, whether the store keeps up or not.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use repo_core::strategy::StorageStrategy;
use repo_core::{Error, ErrorKind, Precondition, Result, Version, Write};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::pace::{Kind, Pace};
use super::requirements::Requirements;
use super::sample::Sample;
use super::times::{Figures, Times};

/// How long operations may still be under way once no further one is begun.
const LONGEST_END: Duration = Duration::from_secs(60);

/// What the load took.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) reads: Option<Figures>,
    pub(super) writes: Option<Figures>,
    pub(super) queries: Option<Figures>,
}

/// What every worker shares.
struct Shared {
    store: Arc<dyn StorageStrategy>,
    sample: Sample,
    pace: Pace,
    keys_per_commit: usize,
}

/// Entities that one worker alone writes, so that no commit meets another one.
struct Own {
    first: usize,
    /// The version of each; `None` after a write of unknown outcome.
    versions: Vec<Option<Version>>,
    next: usize,
}

/// What the operations of each kind took.
#[derive(Default)]
struct Taken {
    reads: Times,
    writes: Times,
    queries: Times,
}

/// Loads a store that holds the sample, for so long. `versions` are those of its entities.
///
/// # Errors
/// `Unavailable` when operations do not end. One that fails is counted.
pub(super) async fn carry(
    store: &Arc<dyn StorageStrategy>,
    wanted: &Requirements,
    sample: &Sample,
    versions: Vec<Version>,
    length: Duration,
) -> Result<Carried> {
    let shared = Arc::new(Shared {
        store: Arc::clone(store),
        sample: sample.clone(),
        pace: Pace::new(&wanted.load, length),
        keys_per_commit: wanted.load.keys_per_commit.size(),
    });
    let mut workers = JoinSet::new();
    for (number, own) in shares(&versions, wanted.load.concurrency.size()).into_iter().enumerate() {
        workers.spawn(work(Arc::clone(&shared), own, Rng::with_seed(number as u64)));
    }
    let all = async {
        let mut all = Taken::default();
        while let Some(taken) = workers.join_next().await {
            all.join(taken.map_err(ended_early)?);
        }
        Ok::<_, Error>(all)
    };
    let all = match timeout(length * 2 + LONGEST_END, all).await {
        Ok(all) => all?,
        Err(_) => return Err(never_ended(store.location())),
    };
    let over = shared.pace.start().elapsed().max(length);
    let (load, latency) = (&wanted.load, &wanted.latency);
    Ok(Carried {
        reads: all.reads.figures(load.reads_per_second, over, latency.read_p99_ms),
        writes: all.writes.figures(load.writes_per_second, over, latency.write_p99_ms),
        queries: all.queries.figures(load.queries_per_second, over, latency.query_p99_ms),
    })
}

/// The entities of each worker: parts of nearly the same length.
fn shares(versions: &[Version], workers: usize) -> Vec<Own> {
    let border = |number: usize| number * versions.len() / workers.max(1);
    (0..workers)
        .map(|number| {
            let (first, end) = (border(number), border(number + 1));
            let versions = versions.get(first..end).unwrap_or_default();
            Own { first, versions: versions.iter().copied().map(Some).collect(), next: 0 }
        })
        .collect()
}

async fn work(shared: Arc<Shared>, mut own: Own, mut rng: Rng) -> Taken {
    let mut taken = Taken::default();
    while let Some((kind, due)) = shared.pace.take() {
        // What is begun too late, because the store was busy, counts from when it was due;
        // that a timer wakes late is not the store's.
        let mut begin = due;
        if due > Instant::now() {
            sleep_until(due).await;
            begin = Instant::now();
        }
        let done = match kind {
            Kind::Read => shared.read(&mut rng).await,
            Kind::Write => shared.write(&mut own, &mut rng).await,
            Kind::Query => shared.query(&mut rng).await,
        };
        taken.of(kind).add(begin.elapsed(), done);
    }
    taken
}

impl Taken {
    fn of(&mut self, kind: Kind) -> &mut Times {
        match kind {
            Kind::Read => &mut self.reads,
            Kind::Write => &mut self.writes,
            Kind::Query => &mut self.queries,
        }
    }

    fn join(&mut self, other: Self) {
        self.reads.join(other.reads);
        self.writes.join(other.writes);
        self.queries.join(other.queries);
    }
}

impl Shared {
    async fn read(&self, rng: &mut Rng) -> Result<()> {
        let id = Sample::id(rng.usize(..self.sample.entities))?;
        let found = self.store.get_many(self.sample.collection(), &[id]).await?;
        match found.as_slice() {
            [Some(_)] => Ok(()),
            _ => Err(self.unexpected("read", "an entity that was written is not there")),
        }
    }

    async fn write(&self, own: &mut Own, rng: &mut Rng) -> Result<()> {
        let places = own.places(self.keys_per_commit);
        let writes = places.iter().map(|place| {
            let precondition = match own.versions.get(*place).copied().flatten() {
                Some(version) => Precondition::Version(version),
                None => Precondition::Exists,
            };
            self.sample.write(own.first + place, precondition, rng)
        });
        let writes: Vec<Write> = writes.collect::<Result<_>>()?;
        let done = self.store.commit(writes).await;
        for (at, place) in places.iter().enumerate() {
            if let Some(version) = own.versions.get_mut(*place) {
                let written = done.as_ref().ok().and_then(|all| all.get(at));
                *version = written.and_then(|written| written.version());
            }
        }
        done.map(drop)
    }

    async fn query(&self, rng: &mut Rng) -> Result<()> {
        let query = self.sample.query(rng)?;
        let page = self.store.query(self.sample.collection(), &query).await?;
        if page.entities.is_empty() {
            return Err(self.unexpected("query", "a query found nothing of what was written"));
        }
        Ok(())
    }

    fn unexpected(&self, operation: &'static str, why: &str) -> Error {
        Error::new(ErrorKind::Unexpected, operation, why).with("store", self.store.location())
    }
}

impl Own {
    /// The next entities in turn, each at most once.
    fn places(&mut self, many: usize) -> Vec<usize> {
        let all = self.versions.len();
        let places = (0..many.min(all)).map(|step| (self.next + step) % all.max(1)).collect();
        self.next = (self.next + many) % all.max(1);
        places
    }
}

fn never_ended(location: &str) -> Error {
    let why = "operations did not end within a minute after the measurement";
    Error::new(ErrorKind::Unavailable, "measure", why).with("store", location)
}

fn ended_early(source: tokio::task::JoinError) -> Error {
    let why = "a task of the measurement ended early";
    Error::new(ErrorKind::Unexpected, "measure", why).caused_by(source)
}

#[cfg(test)]
mod tests {
    use repo_core::MemoryStrategy;
    use repo_core::strategy::OpenOptions;

    use super::*;
    use crate::advise::stores::requirements::from_text;

    #[test]
    fn each_entity_has_one_writer_and_all_have_their_turn() {
        let versions = vec![Version::new(1).unwrap(); 10];
        let mut found = shares(&versions, 3);
        let parts: Vec<_> = found.iter().map(|own| (own.first, own.versions.len())).collect();
        assert_eq!(parts, [(0, 3), (3, 3), (6, 4)]);
        let last = &mut found[2];
        assert_eq!(last.places(3), [0, 1, 2]);
        assert_eq!(last.places(3), [3, 0, 1]);
        assert_eq!(last.places(9), [2, 3, 0, 1]);
    }

    #[tokio::test]
    async fn a_load_is_carried_and_each_write_raises_a_version() {
        let wanted = from_text(
            r#"{"data": {"entities": 40, "document_bytes": 100},
                "load": {"reads_per_second": 40, "writes_per_second": 10,
                         "queries_per_second": 10, "concurrency": 4, "keys_per_commit": 2}}"#,
        );
        let sample = Sample::of(&wanted, 40).unwrap();
        let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(OpenOptions::default()));
        store.prepare(&[sample.schema().unwrap()]).await.unwrap();
        let versions = sample.fill(store.as_ref()).await.unwrap();
        let second = Duration::from_secs(1);
        let found = carry(&store, &wanted, &sample, versions, second).await.unwrap();
        let (reads, writes) = (found.reads.unwrap(), found.writes.unwrap());
        assert_eq!((reads.failed, writes.failed), (0, 0));
        assert!(found.queries.unwrap().p99_ms.is_some());
        let ids: Vec<_> = (0..40).map(|number| Sample::id(number).unwrap()).collect();
        let all = store.get_many(sample.collection(), &ids).await.unwrap();
        let written: u64 = all.iter().flatten().map(|record| record.version().get() - 1).sum();
        assert_eq!(written, 20);
    }
}
