//! Upgrades in place that are killed, and collections that somebody else writes
//! to meanwhile.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use repo_core::strategy::Record;
use repo_core::{Error, ErrorKind, Precondition, Write};
use repo_migrate::{Silent, UpgradeOptions, UpgradeOutcome, upgrade};

use crate::stores::{Probe, Store, contents, gone, live, name};
use crate::upgrades_in_place::{
    assert_holds, dying, find, in_order, key, killed, options, records, run, schemas, store_of,
    version_of, write,
};

#[tokio::test]
async fn killed_around_each_commit_no_document_goes_through_the_steps_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(60);
    for after in [false, true] {
        let store = store_of(&old).await;
        for kill in 1..=3 {
            // Each run ends in its second commit; the first may be the one in
            // doubt.
            let error = run(&dying(&store, 2, after), folder.path()).await.unwrap_err();
            assert_eq!(error.message(), "killed");
            assert!(error.hint_text().unwrap().contains("same command"), "{error:?}");
            assert!(error.context_value("backup").is_some());
            assert_eq!(version_of(&store).await, 1, "{kill}: raised last");
        }
        let report = run(&store, folder.path()).await.unwrap();
        assert_eq!(report.outcome, UpgradeOutcome::Upgraded);
        assert_eq!((report.counts.records, report.counts.upgraded), (60, 54));
        assert!(report.resumed_after.is_some_and(|done| done >= 10));
        assert_holds(&contents(&store, "machines").await, &new);
        assert_eq!(version_of(&store).await, 3);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "one archive each");
}

#[tokio::test]
async fn killed_before_the_version_is_raised_the_same_call_raises_it() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(30);
    let store = store_of(&old).await;
    let mut probe = in_order(&store);
    // Of its scans the last looks for what was created meanwhile.
    probe.on_scan = Arc::new(Box::new(|number, batch| match number {
        0..=3 => Ok(batch),
        _ => Err(killed()),
    }));
    let error = run(&(Arc::new(probe) as Store), folder.path()).await.unwrap_err();
    assert_eq!(error.message(), "killed");
    assert_eq!(version_of(&store).await, 1);
    let report = run(&store, folder.path()).await.unwrap();
    assert_eq!((report.outcome, report.resumed_after), (UpgradeOutcome::Upgraded, Some(30)));
    assert_holds(&contents(&store, "machines").await, &new);
}

#[tokio::test]
async fn a_document_that_changes_meanwhile_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (old, mut new) = records(40);
    let store = store_of(&old).await;
    let mut probe = in_order(&store);
    let inner = store.clone();
    probe.on_commit = Box::new(move |number, writes| {
        // Two of the second batch, each while it is about to be written.
        if number == 2 {
            block_on(write(&inner, "m-012", "\"n\":99,\"price\":\"7\""));
            let delete = Write::delete(key("m-014"), Precondition::Any);
            block_on(inner.commit(vec![delete]))?;
        }
        Ok(writes)
    });
    let report = run(&(Arc::new(probe) as Store), folder.path()).await.unwrap();
    assert_eq!(report.outcome, UpgradeOutcome::Upgraded);
    assert_eq!((report.counts.upgraded, report.counts.gone), (35, 1));
    new[12] = live("m-012", 5, "\"size\":99,\"n\":\"new\",\"price\":7");
    new[14] = gone("m-014", 6);
    assert_holds(&contents(&store, "machines").await, &new);
}

#[tokio::test]
async fn one_untouched_entity_tells_whether_its_batch_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for after in [false, true] {
        let (old, mut new) = records(40);
        let store = store_of(&old).await;
        run(&dying(&store, 2, after), folder.path()).await.unwrap_err();
        // Of the batch in doubt, m-010 to m-019, somebody changes two twice.
        for id in ["m-010", "m-011"] {
            let fields = if after {
                "\"size\":5,\"n\":\"mine\",\"price\":5"
            } else {
                "\"n\":5,\"price\":\"5\""
            };
            write(&store, id, fields).await;
            write(&store, id, fields).await;
        }
        let report = run(&store, folder.path()).await.unwrap();
        assert_eq!((report.outcome, report.counts.upgraded), (UpgradeOutcome::Upgraded, 36));
        let (n, more) = if after { ("mine", 3) } else { ("new", 3) };
        new[10] = live("m-010", 1 + more, &format!("\"size\":5,\"n\":\"{n}\",\"price\":5"));
        new[11] = live("m-011", 2 + more, &format!("\"size\":5,\"n\":\"{n}\",\"price\":5"));
        assert_holds(&contents(&store, "machines").await, &new);
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_left_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (old, _) = records(3);
    let store = store_of(&old).await;
    let one = UpgradeOptions { batch_size: NonZeroUsize::MIN, ..options(folder.path()) };
    let dying = dying(&store, 2, true);
    upgrade(&dying, &schemas(), &one, &Silent).await.unwrap_err();
    write(&store, "m-001", "\"n\":1").await;
    write(&store, "m-001", "\"n\":2").await;
    write(&store, "fresh", "\"n\":1").await;
    let report = upgrade(&store, &schemas(), &one, &Silent).await.unwrap();
    assert_eq!((report.outcome, report.counts.upgraded), (UpgradeOutcome::Partly, 2));
    assert_eq!(report.left.count, 1);
    assert!(report.left.first[0].starts_with("m-001 (changed meanwhile"), "{:?}", report.left);
    assert_eq!(report.created.first, ["fresh"]);
    assert_eq!(find(&store, "m-001").await, (5, r#"{"id":"m-001","n":2}"#.to_owned()));
    assert_eq!(version_of(&store).await, 3);
    assert_eq!(store.store_record().await.unwrap().job, None);
}

#[tokio::test]
async fn what_a_batch_leaves_out_tells_nothing_of_it_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (old, mut new) = records(20);
    let store = store_of(&old).await;
    let mut probe = in_order(&store);
    let inner = store.clone();
    probe.on_commit = Box::new(move |number, writes| {
        if number == 1 {
            block_on(write(&inner, "m-002", "\"price\":\"not a number\""));
            let delete = Write::delete(key("m-004"), Precondition::Any);
            block_on(inner.commit(vec![delete]))?;
        }
        Ok(writes)
    });
    probe.on_committed = Box::new(|_, _| Err(killed()));
    run(&(Arc::new(probe) as Store), folder.path()).await.unwrap_err();
    let report = run(&store, folder.path()).await.unwrap();
    assert_eq!((report.outcome, report.counts.upgraded), (UpgradeOutcome::Partly, 16));
    assert_eq!((report.counts.gone, report.left.count), (1, 1));
    assert!(report.left.first[0].contains("convert price"), "{:?}", report.left);
    new[2] = live("m-002", 4, "\"price\":\"not a number\"");
    new[4] = gone("m-004", 6);
    assert_holds(&contents(&store, "machines").await, &new);
}

#[tokio::test]
async fn what_changes_between_check_and_archive_is_left_and_the_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (old, mut new) = records(30);
    let store = store_of(&old).await;
    let mut probe = in_order(&store);
    let inner = store.clone();
    // The scan after the check, before the one for the archive.
    probe.on_scan = Arc::new(Box::new(move |number, batch| {
        if number == 2 {
            block_on(write(&inner, "m-007", "\"price\":\"not a number\""));
        }
        Ok(batch)
    }));
    let report = run(&(Arc::new(probe) as Store), folder.path()).await.unwrap();
    assert_eq!((report.outcome, report.counts.upgraded), (UpgradeOutcome::Partly, 26));
    assert!(report.left.first[0].starts_with("m-007"), "{:?}", report.left);
    new[7] = live("m-007", 4, "\"price\":\"not a number\"");
    assert_holds(&contents(&store, "machines").await, &new);
}

#[tokio::test]
async fn an_unknown_outcome_is_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = records(50);
    let store = store_of(&old).await;
    let mut probe = Probe::new(store.clone());
    let unknown = || Error::new(ErrorKind::OutcomeUnknown, "commit", "the connection is gone");
    probe.on_committed =
        Box::new(move |number, answers| if number == 3 { Err(unknown()) } else { Ok(answers) });
    let report = run(&(Arc::new(probe) as Store), folder.path()).await.unwrap();
    assert_eq!((report.outcome, report.counts.upgraded), (UpgradeOutcome::Upgraded, 45));
    assert_holds(&contents(&store, "machines").await, &new);
}

/// Numbers that are the same in each run of the test.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Somebody who changes, deletes or makes an entity, and keeps to the version
/// that he finds it in.
async fn disturb(store: &Store, random: &mut Random) {
    let id = format!("m-{:03}", random.below(32));
    let found = store.get_many(&name("machines"), &[id.parse().unwrap()]).await.unwrap();
    let document = found[0].as_ref().and_then(Record::document);
    if random.below(6) == 0 {
        let delete = Write::delete(key(&id), Precondition::Any);
        store.commit(vec![delete]).await.unwrap();
    } else if document.is_some_and(|it| it.as_str().contains("\"size\"")) {
        write(store, &id, "\"size\":1,\"n\":\"mine\",\"price\":2").await;
    } else {
        write(store, &id, "\"n\":1,\"price\":\"2\"").await;
    }
}

/// A handle that is killed around some commit, while somebody writes.
fn disturbed(store: &Store, random: &Arc<Mutex<Random>>, dies: bool) -> Store {
    let mut probe = in_order(store);
    let (inner, chance) = (store.clone(), Arc::clone(random));
    probe.on_commit = Box::new(move |_, writes| {
        let mut random = chance.lock().unwrap();
        if random.below(3) == 0 {
            block_on(disturb(&inner, &mut random));
        }
        if dies && random.below(5) == 0 { Err(killed()) } else { Ok(writes) }
    });
    let chance = Arc::clone(random);
    probe.on_committed = Box::new(move |_, answers| {
        let lost = dies && chance.lock().unwrap().below(5) == 0;
        if lost { Err(killed()) } else { Ok(answers) }
    });
    Arc::new(probe)
}

#[tokio::test]
async fn whatever_happens_each_document_is_upgraded_once_or_named() {
    let kills = AtomicU64::new(0);
    let (mut left, mut created) = (0, 0);
    for seed in 1..=150 {
        let folder = tempfile::tempdir().unwrap();
        let random = Arc::new(Mutex::new(Random(0x9e37_79b9_7f4a_7c15 ^ (seed << 32))));
        let store = store_of(&records(30).0).await;
        let one = NonZeroUsize::new(1 + usize::try_from(seed % 4).unwrap()).unwrap();
        let options = UpgradeOptions { batch_size: one, ..options(folder.path()) };
        let report = loop {
            let dies = kills.load(Ordering::SeqCst) < seed * 4;
            let handle = disturbed(&store, &random, dies);
            match upgrade(&handle, &schemas(), &options, &Silent).await {
                Ok(report) => break report,
                Err(error) => assert_eq!(error.message(), "killed", "{seed}: {error}"),
            }
            kills.fetch_add(1, Ordering::SeqCst);
            // Between two runs somebody writes as well.
            let mut random = random.lock().unwrap();
            (0..random.below(3)).for_each(|_| block_on(disturb(&store, &mut random)));
        };
        let named = |id: &str| {
            let left = report.left.first.iter().any(|one| one.starts_with(&format!("{id} (")));
            left || report.created.first.iter().any(|one| one == id)
        };
        for record in contents(&store, "machines").await {
            let Some(document) = record.document() else { continue };
            let new = document.as_str().contains("\"size\"");
            assert!(new || named(record.id().as_str()), "{seed}: {record:?} {report:?}");
        }
        // A document that met the steps a second time would be refused by them.
        let twice = report.left.first.iter().find(|one| one.contains("new place"));
        assert_eq!(twice, None, "{seed}");
        let counts = report.counts;
        let all = counts.tombstones + counts.upgraded + counts.gone + report.left.count;
        assert_eq!((counts.records, all), (30, 30), "{seed}: {report:?}");
        assert_eq!(version_of(&store).await, 3);
        (left, created) = (left + report.left.count, created + report.created.count);
    }
    let kills = kills.into_inner();
    assert!(
        kills > 300 && left > 0 && created > 0,
        "{kills} kills, {left} left, {created} created"
    );
}
