//! Histories that cannot be carried over, and what is not carried over with them.

use std::sync::Arc;

use repo_core::strategy::StorageStrategyExt as _;
use repo_core::strategy::{OlderVersion, Record, Retention, VersionWrite};
use repo_core::{Attribution, Document, EntityId, ErrorKind, Key, Precondition, Write};
use repo_history::{History, OlderState, TagName};
use repo_migrate::{
    MigrationOptions, OnConflict, Outcome, Remedy, Silent, VerifyOptions, migrate, verify,
};

use crate::histories::World;
use crate::stores::{
    Probe, Store, empty, live, name, on_conflict, options, schema, schemas, store, time, version,
};

fn machines(store: &Store) -> History {
    History::of(store.clone(), name("machines"))
}

/// A store with one entity that had these versions before.
async fn with_versions(documents: &[&str]) -> Store {
    let store = empty();
    store.prepare(&[schema("machines")]).await.unwrap();
    machines(&store).begin(Retention::EVERYTHING).await.unwrap();
    let id: EntityId = "m".parse().unwrap();
    for document in documents {
        let document = Document::parse(&format!("{{\"id\":\"m\",{document}}}")).unwrap();
        store.save(Key::new(name("machines"), id.clone()), document).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_target_that_keeps_no_histories_is_refused_before_anything_is_written() {
    let world = World::new(1).await;
    let mut probe = Probe::new(empty());
    probe.capabilities = Some(probe.inner.capabilities().with_history(false));
    let probe = Arc::new(probe);
    let target: Store = probe.clone();
    let schemas = schemas(&["machines", "requests"]);
    for dry_run in [true, false] {
        let options = MigrationOptions { dry_run, ..options() };
        let error = migrate(&world.store, &target, &schemas, &options, &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("history of machines"), "{error}");
        assert_eq!(error.remedy_as::<Remedy>(), Some(&Remedy::LeaveHistory));
        assert_eq!(probe.write_count(), 0);
        // Where no collection with a history is chosen there is nothing to refuse.
        let chosen = MigrationOptions { collections: Some(vec![name("requests")]), ..options };
        migrate(&world.store, &target, &schemas, &chosen, &Silent).await.unwrap();
        if dry_run {
            assert_eq!(probe.write_count(), 0);
        }
    }
    let without = MigrationOptions { without_history: true, ..options() };
    let report = migrate(&world.store, &target, &schemas, &without, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    assert!(report.collections.iter().all(|one| one.history.is_none()));
    assert!(report.warnings[0].contains("left behind as asked"), "{:?}", report.warnings);
}

/// What is deleted in such a source stays in its history, and so do the tombstones.
#[tokio::test]
async fn a_source_that_keeps_a_history_is_not_cleaned_up() {
    let (source, probe) = (with_versions(&["\"n\":1"]).await, Arc::new(Probe::new(empty())));
    let (target, schemas): (Store, _) = (probe.clone(), schemas(&["machines"]));
    for without_history in [false, true] {
        let options = MigrationOptions { clean_up: true, without_history, ..options() };
        let error = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap_err();
        assert_eq!((error.kind(), probe.write_count()), (ErrorKind::Unsupported, 0));
        assert!(error.message().contains("history of machines"), "{error}");
    }
    migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    machines(&source).end().await.unwrap();
    let options = MigrationOptions { clean_up: true, ..options() };
    let report = migrate(&source, &target, &schemas, &options, &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
}

#[tokio::test]
async fn a_version_that_was_something_else_is_refused_or_stays() {
    let source = with_versions(&["\"n\":1", "\"n\":2", "\"n\":3"]).await;
    let target = with_versions(&["\"n\":1", "\"n\":-2", "\"n\":3"]).await;
    let probe = Arc::new(Probe::new(target.clone()));
    let into: Store = probe.clone();
    let schemas = schemas(&["machines"]);
    let error = migrate(&source, &into, &schemas, &options(), &Silent).await.unwrap_err();
    assert_eq!((error.kind(), probe.write_count()), (ErrorKind::AlreadyExists, 0));
    assert!(error.context_value("records").unwrap().contains("m (version 2"), "{error:?}");
    for policy in [OnConflict::Newer, OnConflict::Overwrite] {
        let wanted = on_conflict(policy);
        let report = migrate(&source, &target, &schemas, &wanted, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Partly);
        let history = report.collections[0].history.as_ref().unwrap();
        assert_eq!(history.left_differing.first, ["m (version 2)"]);
        let kept = machines(&target).at_version(&"m".parse().unwrap(), version(2)).await.unwrap();
        let OlderState::Live { document, .. } = kept.state else { panic!("{kept:?}") };
        assert!(document.as_str().contains("-2"), "what was is not rewritten");
    }
}

/// What retention removed on one side is no contradiction, and does not come back.
#[tokio::test]
async fn what_retention_removed_stays_removed() {
    let (m, collection) = ("m".parse::<EntityId>().unwrap(), name("machines"));
    let source = with_versions(&["\"n\":1", "\"n\":2", "\"n\":3"]).await;
    let target = empty();
    let schemas = schemas(&["machines"]);
    migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    let clear = |number| vec![VersionWrite::Clear(m.clone(), version(number))];
    target.write_versions(&collection, clear(1)).await.unwrap();
    source.write_versions(&collection, clear(2)).await.unwrap();
    let report = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified, "{report:?}");
    let error = machines(&target).at_version(&m, version(1)).await.unwrap_err();
    assert!(error.message().contains("retention removed"), "{error}");
    machines(&target).at_version(&m, version(2)).await.unwrap();
    let found = verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap();
    assert_eq!(found.collections[0].history.as_ref().unwrap().differs, 2);
}

#[tokio::test]
async fn what_overwriting_replaces_is_kept_and_is_no_difference() {
    let source = with_versions(&["\"n\":1", "\"n\":2"]).await;
    let target = store(&[live("m", 5, "\"n\":-5"), live("own", 1, "")]).await;
    machines(&target).begin(Retention::EVERYTHING).await.unwrap();
    let (schemas, wanted) = (schemas(&["machines"]), on_conflict(OnConflict::Overwrite));
    for _ in 0..2 {
        let report = migrate(&source, &target, &schemas, &wanted, &Silent).await.unwrap();
        assert_eq!(report.outcome, Outcome::Partly, "{report:?}");
        assert!(report.verification.as_ref().unwrap().equal, "{report:?}");
        let m = "m".parse().unwrap();
        assert_eq!(machines(&target).newest_version(&m).await.unwrap(), version(6));
        let kept = machines(&target).at_version(&m, version(5)).await.unwrap();
        assert!(matches!(kept.state, OlderState::Live { .. }));
        machines(&target).at_version(&m, version(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_version_that_is_too_large_for_the_target_is_named_before_anything_is_written() {
    let large = format!("\"text\":\"{}\"", "x".repeat(5_000));
    let source = with_versions(&["\"n\":1", &large, "\"n\":3"]).await;
    let mut probe = Probe::new(empty());
    let mut limits = *probe.inner.capabilities();
    limits.max_entity_bytes = 4_000;
    probe.capabilities = Some(limits);
    let probe = Arc::new(probe);
    let target: Store = probe.clone();
    let schemas = schemas(&["machines"]);
    let error = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap_err();
    assert_eq!((error.kind(), probe.write_count()), (ErrorKind::LimitExceeded, 0));
    assert_eq!(error.context_value("versions"), Some("machines/m (version 2)"));
}

#[tokio::test]
async fn what_is_in_quarantine_leaves_its_past_in_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let source = with_versions(&["\"n\":1", "\"n\":2"]).await;
    // Another tool wrote a document without its id.
    let broken = Record::Live(repo_core::Entity {
        document: Document::parse("{\"no\":\"id\"}").unwrap(),
        ..live("broken", 2, "").into_live().unwrap()
    });
    let before = OlderVersion::new(
        "broken".parse().unwrap(),
        version(1),
        time(1_000),
        OlderState::Live {
            created_at: time(1_000),
            document: Document::parse("{\"id\":\"broken\"}").unwrap(),
        },
    );
    let mut probe = Probe::new(source.clone());
    probe.on_scan = Arc::new(Box::new(move |_, mut records| {
        if records.iter().any(|record| record.id().as_str() == "m") {
            records.push(broken.clone());
        }
        Ok(records)
    }));
    source.write_versions(&name("machines"), vec![VersionWrite::Add(before)]).await.unwrap();
    let (from, target): (Store, Store) = (Arc::new(probe), empty());
    let quarantine = Some(folder.path().join("aside.ndjson"));
    let wanted = MigrationOptions { quarantine, ..options() };
    let schemas = schemas(&["machines"]);
    let report = migrate(&from, &target, &schemas, &wanted, &Silent).await.unwrap();
    assert_eq!(report.totals.quarantined, 1);
    let history = report.collections[0].history.as_ref().unwrap();
    assert_eq!((history.versions.applied, history.versions.left), (1, 1));
    assert!(report.verification.unwrap().collections[0].history.as_ref().unwrap().equal);
    let id: EntityId = "broken".parse().unwrap();
    machines(&target).versions(&id, None, std::num::NonZeroUsize::MIN).await.unwrap_err();
}

#[tokio::test]
async fn a_tag_that_names_another_version_is_treated_as_a_record_is() {
    let source = with_versions(&["\"n\":1", "\"n\":2", "\"n\":3"]).await;
    let target = empty();
    let (m, tag): (EntityId, _) = ("m".parse().unwrap(), TagName::new("kept").unwrap());
    let schemas = schemas(&["machines"]);
    migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    machines(&source).tag(&m, version(1), &tag, None).await.unwrap();
    machines(&target).tag(&m, version(2), &tag, None).await.unwrap();
    let only = TagName::new("only-here").unwrap();
    machines(&target).tag(&m, version(2), &only, None).await.unwrap();
    let error = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let named = async |expected: u64| {
        assert_eq!(machines(&target).at_tag(&m, &tag).await.unwrap().version, version(expected));
        machines(&target).at_tag(&m, &only).await.unwrap();
    };
    let report =
        migrate(&source, &target, &schemas, &on_conflict(OnConflict::Newer), &Silent).await;
    assert_eq!(report.unwrap().outcome, Outcome::Partly);
    named(2).await;
    let found = verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap();
    let items = found.collections[0].items.as_ref().unwrap();
    assert_eq!((items.missing, items.unexpected, items.differs), (0, 1, 1));
    let wanted = on_conflict(OnConflict::Overwrite);
    let report = migrate(&source, &target, &schemas, &wanted, &Silent).await.unwrap();
    assert!(report.verification.unwrap().equal);
    named(1).await;
}

#[tokio::test]
async fn who_wrote_a_version_is_only_said_of_that_version() {
    let by = |author: &str| Arc::new(Attribution::new(Some(author), None).unwrap());
    let written = async |store: &Store, text: &str, author: &str| {
        let key = Key::new(name("machines"), "m".parse().unwrap());
        let document = Document::parse(&format!("{{\"id\":\"m\",{text}}}")).unwrap();
        let write = Write::put(key, document, Precondition::Any);
        store.commit(vec![write.attributed_to(Some(by(author)))]).await.unwrap();
    };
    let (source, target) = (with_versions(&["\"n\":1"]).await, with_versions(&["\"n\":1"]).await);
    written(&source, "\"n\":2", "ada").await;
    let theirs = Document::parse("{\"id\":\"m\",\"n\":-2}").unwrap();
    target.save(Key::new(name("machines"), "m".parse().unwrap()), theirs).await.unwrap();
    let schemas = schemas(&["machines"]);
    for policy in [OnConflict::Newer, OnConflict::Overwrite] {
        let report = migrate(&source, &target, &schemas, &on_conflict(policy), &Silent).await;
        let report = report.unwrap();
        assert_eq!(report.outcome, Outcome::Partly, "{report:?}");
        let m = "m".parse().unwrap();
        assert_eq!(machines(&target).attribution(&m, version(2)).await.unwrap(), None);
    }
    // Where it is the same version, it is said afterwards too.
    let (source, target) = (with_versions(&[]).await, empty());
    written(&source, "\"n\":1", "ada").await;
    let without = MigrationOptions { without_history: true, ..options() };
    migrate(&source, &target, &schemas, &without, &Silent).await.unwrap();
    let report = migrate(&source, &target, &schemas, &options(), &Silent).await.unwrap();
    assert_eq!(report.outcome, Outcome::Verified);
    let m = "m".parse().unwrap();
    let kept = machines(&target).attribution(&m, version(1)).await.unwrap();
    assert_eq!(kept.unwrap().author(), Some("ada"));
    let other = with_versions(&[]).await;
    written(&other, "\"n\":1", "bob").await;
    let found = verify(&source, &other, &VerifyOptions::default(), &Silent).await.unwrap();
    let found = &found.collections[0].history.as_ref().unwrap().differences;
    assert!(found.iter().any(|one| one.attribution && one.version == 1), "{found:?}");
}
