//! Many writers at once, through one handle and through two.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use repo_core::{ErrorKind, Filter, Key, Precondition, Transaction, Version, Write, Written};
use tokio::sync::Barrier;

use super::support::{
    commit_through, count, document, entity, key, put, put_if, record, records, save, tries,
    version,
};
use crate::{Fixture, Store};

/// Commits each of `commits` in a task of its own, all released at once, the
/// handles in turn.
async fn race(
    handles: [&Store; 2],
    commits: Vec<Vec<Write>>,
) -> Vec<repo_core::Result<Vec<Written>>> {
    let barrier = Arc::new(Barrier::new(commits.len()));
    let tasks = commits.into_iter().enumerate().map(|(at, writes)| {
        let (store, barrier) = (Arc::clone(handles[at % 2]), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            commit_through(&store, &writes).await
        })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

/// Many writers on one key, each with the version it read: one wins a round.
pub async fn one_writer_wins_each_round(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let key = key("items", "a");
    save(&store, &key, "").await;
    for round in 1..=8 {
        let current = Precondition::Version(version(round));
        let writes = (0..12).map(|n| vec![put_if(&key, &format!("\"n\":{n}"), current)]);
        let answers = race([&store, &other], writes.collect()).await;
        let won: Vec<usize> = (0..12).filter(|at| answers[*at].is_ok()).collect();
        assert_eq!(won.len(), 1, "round {round}");
        for error in answers.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
        let kept = entity(&store, &key).await;
        assert_eq!(kept.version.get(), round + 1);
        assert!(kept.document.equals(&document(&key, &format!("\"n\":{}", won[0]))));
    }
}

/// Many create the same id: one does, the others get that it exists.
pub async fn one_of_many_creates(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    for round in 0..6 {
        let key = key("things", &format!("{round}"));
        let create = |n| vec![put_if(&key, &format!("\"n\":{n}"), Precondition::Absent)];
        let answers = race([&store, &other], (0..8).map(create).collect()).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for error in answers.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        }
        assert_eq!(entity(&store, &key).await.version.get(), 1);
    }
}

/// Rounds that run at the same time.
const ROUNDS_AT_ONCE: usize = 8;

/// Two commits that each check that the other's key is absent: one goes
/// through. Databases let both through below the strictest isolation.
pub async fn two_that_exclude_each_other_never_both_commit(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    for rounds in (0..tries(25)).collect::<Vec<_>>().chunks(ROUNDS_AT_ONCE) {
        join_all(rounds.iter().map(|round| exclude([&store, &other], *round))).await;
    }
}

/// One round on keys of its own.
async fn exclude(handles: [&Store; 2], round: usize) {
    let [a, b] = ["a", "b"].map(|id| key("items", &format!("{id}{round}")));
    let one = vec![put(&a, ""), Write::check(b.clone(), Precondition::Absent)];
    let two = vec![put(&b, ""), Write::check(a.clone(), Precondition::Absent)];
    let answers = race(handles, vec![one, two]).await;
    let through = answers.iter().filter(|answer| answer.is_ok()).count();
    let there = [record(handles[0], &a).await, record(handles[1], &b).await];
    assert_eq!((through, there.iter().flatten().count()), (1, 1), "round {round}: {answers:?}");
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Conflict, "round {round}");
    }
}

/// One task saves an id, another deletes and re-creates it, through another
/// handle: no version is given twice, each task's own rise, and nobody who
/// looks sees one fall.
pub async fn no_version_falls_while_deletes_race_with_saves(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let key = key("items", "a");
    save(&store, &key, "").await;
    let times = tries(40);
    let saves = tokio::spawn(write_in_turn(Arc::clone(&store), vec![put(&key, "\"n\":1")], times));
    let again = vec![
        Write::delete(key.clone(), Precondition::Any),
        put_if(&key, "\"n\":2", Precondition::Absent),
    ];
    let recreates = tokio::spawn(write_in_turn(Arc::clone(&other), again, times));
    let mut highest = 0;
    while !(saves.is_finished() && recreates.is_finished()) {
        for handle in [&store, &other] {
            let seen = record(handle, &key).await.unwrap().version().get();
            assert!(seen >= highest, "the version fell from {highest} to {seen}");
            highest = seen;
        }
        tokio::task::yield_now().await;
    }
    let (saved, recreated) = (saves.await.unwrap(), recreates.await.unwrap());
    assert_eq!(saved.len(), times, "every save went through");
    let mut given = BTreeSet::from([1]);
    for versions in [&saved, &recreated] {
        assert!(versions.is_sorted(), "{versions:?}");
        for version in versions {
            assert!(given.insert(*version), "{version} was given twice");
        }
    }
    let last = record(&other, &key).await.unwrap().version().get();
    assert_eq!(given, (1..=last).collect());
}

/// Makes these writes one after the other, several times, and returns the
/// versions they got. That somebody else was faster is no error.
async fn write_in_turn(store: Store, writes: Vec<Write>, times: usize) -> Vec<u64> {
    let mut versions = Vec::new();
    for _ in 0..times {
        for write in &writes {
            match commit_through(&store, std::slice::from_ref(write)).await {
                Ok(written) => versions.extend(written[0].version().map(Version::get)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
        }
    }
    versions
}

/// Saves and deletes race on one key: every write has a version of its own,
/// without a gap, and what remains is the last.
pub async fn racing_writes_count_without_gap(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let key = key("items", "a");
    let mut versions = BTreeSet::new();
    for _ in 0..5 {
        let commits = (0..12).map(|n| match n % 3 {
            0 => vec![Write::delete(key.clone(), Precondition::Any)],
            _ => vec![put(&key, &format!("\"n\":{n}"))],
        });
        for answer in race([&store, &other], commits.collect()).await {
            if let Some(version) = answer.unwrap()[0].version() {
                assert!(versions.insert(version.get()), "{version} was given twice");
            }
        }
        let last = record(&store, &key).await.map(|record| record.version().get());
        assert_eq!(last, versions.last().copied());
    }
    let expected: BTreeSet<u64> = (1..=versions.len() as u64).collect();
    assert_eq!(versions, expected);
}

/// Two handles write distinct ids at the same time: all are there.
pub async fn distinct_ids_do_not_disturb_each_other(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let write = |handle: &Store, side: &'static str| {
        let handle = Arc::clone(handle);
        tokio::spawn(async move {
            let saves = (0..120).map(|n| {
                let key = key(["items", "things"][n % 2], &format!("{side} {n}"));
                let handle = Arc::clone(&handle);
                async move { commit_through(&handle, &[put(&key, &format!("\"n\":{n}"))]).await }
            });
            join_all(saves).await
        })
    };
    let (one, two) = (write(&store, "left"), write(&other, "right"));
    for answers in [one.await.unwrap(), two.await.unwrap()] {
        for answer in answers {
            assert_eq!(answer.unwrap()[0].version(), Some(Version::FIRST));
        }
    }
    for handle in [&store, &other] {
        let all = Filter::default();
        let counted = [count(handle, "items", &all).await, count(handle, "things", &all).await];
        assert_eq!(counted, [120, 120]);
        assert_eq!(records(handle, "items").await.len(), 120);
    }
}

fn pair() -> [Key; 2] {
    [key("items", "one side"), key("things", "other side")]
}

fn both(n: u64) -> Vec<Write> {
    pair().iter().map(|key| put(key, &format!("\"n\":{n}"))).collect()
}

/// Reads the pair in one transaction; `None` when it changed meanwhile.
async fn read_pair(store: &Store) -> Option<[u64; 2]> {
    let mut tx = Transaction::begin(Arc::clone(store));
    let mut versions = [0; 2];
    for (at, key) in pair().iter().enumerate() {
        versions[at] = tx.stored(key).await.unwrap().map_or(0, |entity| entity.version.get());
    }
    tx.commit().await.ok().map(|_| versions)
}

/// Nobody sees half of a commit: what a transaction read and committed
/// belongs together.
pub async fn nobody_sees_half_of_a_commit(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    store.commit(both(0)).await.unwrap();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 1..=40 {
                commit_through(&store, &both(n)).await.unwrap();
            }
        })
    };
    let mut seen = 0;
    while !writer.is_finished() || seen == 0 {
        if let Some([one, two]) = read_pair(&other).await {
            assert_eq!(one, two, "half of a commit was seen");
            seen += 1;
        }
    }
    writer.await.unwrap();
    assert_eq!(read_pair(&other).await, Some([41, 41]));
}

/// A commit whose future is dropped is there as a whole or not at all, and
/// the store works on.
pub async fn a_dropped_commit_is_whole_or_not_there(f: Fixture) {
    let store = f.prepared().await;
    store.commit(both(0)).await.unwrap();
    for n in 1..=30 {
        let commit = store.commit(both(n));
        tokio::select! {
            biased;
            answer = commit => drop(answer.unwrap()),
            () = yield_times(n % 3) => {}
        }
    }
    // Whatever was still under way is before this one.
    let last = store.commit(both(99)).await.unwrap();
    assert_eq!(last[0].version(), last[1].version(), "one side was written more often");
    let versions = read_pair(&store).await.expect("nobody writes any more");
    assert_eq!(versions[0], versions[1]);
    let store = f.reopen(store).await;
    assert_eq!(read_pair(&store).await, Some(versions));
}

async fn yield_times(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

/// Commits that overlap in different keys and orders all end.
pub async fn overlapping_commits_do_not_block_each_other(f: Fixture) {
    let store = f.prepared().await;
    let other = f.second(&store).await;
    let keys: Vec<Key> = (0..6).map(|n| key(["items", "things"][n % 2], &n.to_string())).collect();
    let commits = (0..24).map(|at: usize| {
        let mut writes: Vec<Write> =
            (0..4).map(|n| put(&keys[(at * 5 + n) % 6], &format!("\"n\":{at}"))).collect();
        if at.is_multiple_of(2) {
            writes.reverse();
        }
        writes
    });
    for answer in race([&store, &other], commits.collect()).await {
        answer.unwrap();
    }
    let mut written = 0;
    for key in &keys {
        written += entity(&store, key).await.version.get();
    }
    assert_eq!(written, 24 * 4);
}
