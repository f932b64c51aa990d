//! Entries, datasets, datapoints, revisions, search: what is refused, repeated, restored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::invariants::{holds_in_the_end, holds_now};
use common::story::{datapoint, entry, file, long};
use common::{DAY, Place, ada, bytes, id, read};
use repo_blob::{BlobDigest, ByteRange, Expected};
use repo_core::{ErrorKind, Filter, Result, Version};
use repo_data::model::{
    Content, ContentKind, DataType, DatasetState, EntryStatus, Json, OutsideLocation, Owner, Scope,
    Share, ShareStatus, StorageType,
};
use repo_data::{
    Criterion, DataOptions, DatapointValue, EntryFilter, EntryPatch, FileStream, NewContent,
    NewDatapoint, NewDataset, NewEntry, NewHold, NewRevision, PageRequest, Quotas, Refusal,
    RevisedContent, Search, SearchOperator, WhichRevision,
};

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Refusal {
    let error = result.unwrap_err();
    Refusal::of(&error).unwrap_or_else(|| panic!("{error:?}"))
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn text(name: &str, text: &str) -> NewEntry {
    entry(name, NewContent::Text(text.to_owned()))
}

fn other_version() -> Option<Version> {
    Some(Version::new(77).unwrap())
}

#[tokio::test]
async fn a_creation_is_repeated() {
    let place = Place::memory().await;
    let service = place.open().await;
    for content in ["short".to_owned(), long("spilled")] {
        let name = &content[..5];
        let made = service.create_entry(text(name, &content)).await.unwrap();
        let again = service.create_entry(text(name, &content)).await.unwrap();
        assert_eq!(made, again);
        assert_eq!(service.text(&made.value.content).await.unwrap(), Some(content.clone()));
        let other = service.create_entry(text(name, "other")).await;
        assert_eq!(refusal(other), Refusal::OtherContent);
    }
    let keyed = NewEntry { id: None, idempotency_key: Some("k".into()), ..text("x", "x") };
    let made = service.create_entry(keyed.clone()).await.unwrap();
    assert_eq!(service.create_entry(keyed.clone()).await.unwrap(), made);
    let theirs = NewEntry { owner: Owner::new("bob").unwrap(), ..keyed };
    assert_ne!(service.create_entry(theirs).await.unwrap().value.id, made.value.id);
    let race = long("race");
    let (a, b) = futures_util::join!(
        service.create_entry(text("race", &race)),
        service.create_entry(text("race", &race))
    );
    assert_eq!(a.unwrap(), b.unwrap());
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn hostile_requests_are_refused() {
    let place = Place::memory().await;
    let service = place.open().await;
    let with = |change: fn(&mut NewEntry)| {
        let mut new = text("a", "a");
        change(&mut new);
        service.create_entry(new)
    };
    assert_eq!(kind(with(|new| new.name = String::new()).await), ErrorKind::Invalid);
    assert_eq!(kind(with(|new| new.name = "x".repeat(1_001)).await), ErrorKind::Invalid);
    assert_eq!(kind(with(|new| new.name = "a\0".into()).await), ErrorKind::Invalid);
    assert_eq!(kind(with(|new| new.tags = vec![String::new()]).await), ErrorKind::Invalid);
    assert_eq!(kind(with(|new| new.tags = vec!["t".into(); 101]).await), ErrorKind::Invalid);
    let nul = with(|new| new.content = NewContent::Text("\0".into()));
    assert_eq!(kind(nul.await), ErrorKind::Invalid);
    let large = with(|new| new.content = NewContent::Text("x".repeat(10 * 1024 * 1024)));
    assert_eq!(kind(large.await), ErrorKind::LimitExceeded);
    assert_eq!(kind(with(|new| new.parent = Some(id("none"))).await), ErrorKind::NotFound);
    assert_eq!(kind(with(|new| new.dataset = Some(id("none"))).await), ErrorKind::NotFound);
    // Names that would be paths somewhere are only names here.
    for hostile in ["../../etc/passwd", "/", "a/../b", "CON", "\u{202e}x", "$where", "'; DROP"] {
        let new = NewEntry {
            id: Some(id(hostile)),
            file_path: Some(hostile.into()),
            ..text(hostile, &long(hostile))
        };
        let made = service.create_entry(new).await.unwrap();
        assert_eq!(service.entry(&id(hostile)).await.unwrap(), made);
    }
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn directories_have_paths_and_are_not_deleted_with_children() {
    let place = Place::memory().await;
    let service = place.open().await;
    service.create_entry(entry("root", NewContent::Directory)).await.unwrap();
    let inner = entry("inner", NewContent::Directory);
    service.create_entry(NewEntry { parent: Some(id("root")), ..inner }).await.unwrap();
    let leaf = NewEntry { parent: Some(id("inner")), ..text("leaf", "x") };
    let leaf = service.create_entry(leaf).await.unwrap().value;
    assert_eq!(service.path_of(&leaf).await.unwrap(), ["root", "inner", "leaf"]);
    let below_text = NewEntry { parent: Some(id("leaf")), ..text("no", "x") };
    assert_eq!(refusal(service.create_entry(below_text).await), Refusal::WrongState);
    assert_eq!(refusal(service.delete_entry(&id("root"), None).await), Refusal::HasChildren);
    let inside = EntryFilter { parent: Some(id("inner")), ..EntryFilter::default() };
    let page = service.list_entries(&inside, &PageRequest::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    service.delete_entry(&id("leaf"), None).await.unwrap();
    service.delete_entry(&id("inner"), None).await.unwrap();
    let late = NewEntry { parent: Some(id("inner")), ..text("late", "x") };
    assert_eq!(refusal(service.create_entry(late).await), Refusal::Deleted);
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn versions_are_compared() {
    let place = Place::memory().await;
    let service = place.open().await;
    let made = service.create_entry(text("a", "a")).await.unwrap();
    let patch = EntryPatch { tags: Some(vec!["t".into()]), ..EntryPatch::default() };
    let refused = service.patch_entry(&id("a"), &patch, other_version()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(refused.failed_preconditions()[0].actual, Some(made.version));
    let patched = service.patch_entry(&id("a"), &patch, Some(made.version)).await.unwrap();
    assert_eq!(patched.value.tags, ["t"]);
    assert!(patched.version > made.version);
    assert_eq!(service.entry(&id("a")).await.unwrap(), patched);
    let same = service.patch_entry(&id("a"), &patch, Some(patched.version)).await.unwrap();
    assert_eq!(same.version, patched.version, "nothing changed, so nothing is written");
    let deleted = service.delete_entry(&id("a"), Some(made.version)).await;
    assert_eq!(kind(deleted), ErrorKind::Conflict);
    service.delete_entry(&id("a"), Some(patched.version)).await.unwrap();
    let gone = service.patch_entry(&id("a"), &patch, None).await;
    assert_eq!(refusal(gone), Refusal::Deleted);
}

#[tokio::test]
async fn what_is_shared_is_listed_for_who_may_read_it() {
    let place = Place::memory().await;
    let service = place.open().await;
    for (name, status, users) in [
        ("private", ShareStatus::Private, vec![]),
        ("public", ShareStatus::Public, vec![]),
        ("shared", ShareStatus::Shared, vec!["bob".to_owned()]),
    ] {
        let share = Share { status, users, organizations: vec![] };
        service.create_entry(NewEntry { share, ..text(name, "x") }).await.unwrap();
    }
    let seen = async |who: &str| {
        let reader = Some(Owner::new(who).unwrap());
        let filter = EntryFilter { reader, ..EntryFilter::default() };
        let page = service.list_entries(&filter, &PageRequest::default()).await.unwrap();
        let mut names: Vec<String> = page
            .items
            .into_iter()
            .map(|found| {
                assert!(found.value.may_be_read_by(filter.reader.as_ref().unwrap()));
                found.value.name
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(seen("ada").await, ["private", "public", "shared"]);
    assert_eq!(seen("bob").await, ["public", "shared"]);
    assert_eq!(seen("eve").await, ["public"]);
}

#[tokio::test]
async fn pages_are_complete() {
    let place = Place::memory().await;
    let service = place.open().await;
    for number in 0..25 {
        service.create_entry(text(&format!("e{number:02}"), "x")).await.unwrap();
    }
    let mut request = PageRequest { limit: Some(10), cursor: None };
    let mut names = Vec::new();
    loop {
        let page = service.list_entries(&EntryFilter::default(), &request).await.unwrap();
        names.extend(page.items.into_iter().map(|found| found.value.name));
        match page.next {
            Some(next) => request.cursor = Some(next),
            None => break,
        }
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 25);
    let none = PageRequest { limit: Some(0), cursor: None };
    let listed = service.list_entries(&EntryFilter::default(), &none).await;
    assert_eq!(kind(listed), ErrorKind::Invalid);
    let foreign = PageRequest { limit: None, cursor: Some("x".into()) };
    let listed = service.list_entries(&EntryFilter::default(), &foreign).await;
    assert_eq!(kind(listed), ErrorKind::Invalid);
}

#[tokio::test]
async fn deleted_things_are_restored_within_the_retention() {
    let place = Place::memory().await;
    let service = place.open().await;
    let content = long("text");
    service.create_entry(text("a", &content)).await.unwrap();
    service.submit_datapoint(datapoint("d", DataType::File), Some(file(b"bytes"))).await.unwrap();
    service.delete_entry(&id("a"), None).await.unwrap();
    service.delete_entry(&id("a"), None).await.unwrap();
    service.delete_datapoint(&id("d"), None).await.unwrap();
    assert_eq!(refusal(service.open_entry(&id("a"), ByteRange::WHOLE).await), Refusal::Deleted);
    assert_eq!(kind(service.datapoint(&id("d")).await), ErrorKind::NotFound);
    let usage = service.usage(Scope::Owner, "ada").await.unwrap();
    assert_eq!((usage.bytes, usage.condemned_bytes), (0, 125));
    place.clock.advance(6 * DAY);
    service.sweep().await.unwrap();
    let back = service.restore_entry(&id("a"), None).await.unwrap();
    assert_eq!(service.text(&back.value.content).await.unwrap(), Some(content));
    service.restore_datapoint(&id("d"), None).await.unwrap();
    holds_now(&service).await;
    service.verify_entry(&id("a")).await.unwrap();
    service.delete_entry(&id("a"), None).await.unwrap();
    place.clock.advance(7 * DAY);
    assert_eq!(refusal(service.restore_entry(&id("a"), None).await), Refusal::TooLate);
    service.sweep().await.unwrap();
    assert_eq!(kind(service.restore_entry(&id("a"), None).await), ErrorKind::NotFound);
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn a_hold_keeps_what_is_held() {
    let place = Place::memory().await;
    let service = place.open().await;
    service.create_entry(text("a", &long("abc"))).await.unwrap();
    let hold = NewHold { id: id("h"), reason: "an audit".into(), by: ada() };
    service.hold_entry(&id("a"), &hold, None).await.unwrap();
    assert_eq!(refusal(service.delete_entry(&id("a"), None).await), Refusal::Held);
    service.release_entry(&id("a"), &id("h")).await.unwrap();
    service.delete_entry(&id("a"), None).await.unwrap();
    // It is deleted, and not gone yet.
    service.hold_entry(&id("a"), &hold, None).await.unwrap();
    place.clock.advance(30 * DAY);
    service.sweep().await.unwrap();
    assert_eq!(service.entry(&id("a")).await.unwrap().value.status, EntryStatus::Deleted);
    service.release_entry(&id("a"), &id("h")).await.unwrap();
    holds_in_the_end(&place).await;
    assert_eq!(kind(service.entry(&id("a")).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_dataset_goes_and_comes_back_with_its_entries() {
    let place = Place::memory().await;
    let service = place.open().await;
    let set = NewDataset { id: Some(id("set")), ..NewDataset::new("set", ada()) };
    let made = service.create_dataset(set.clone()).await.unwrap();
    assert_eq!(service.create_dataset(set.clone()).await.unwrap(), made);
    let other = NewDataset { name: "other".into(), ..set };
    assert_eq!(refusal(service.create_dataset(other).await), Refusal::OtherContent);
    let inside = |new: NewEntry| NewEntry { dataset: Some(id("set")), ..new };
    for number in 0..20 {
        let new = text(&format!("e{number}"), &long("x"));
        service.create_entry(inside(new)).await.unwrap();
    }
    service.delete_entry(&id("e0"), None).await.unwrap();
    assert_eq!(service.dataset_entries(&id("set")).await.unwrap(), 19);
    let stale = service.delete_dataset(&id("set"), other_version()).await;
    assert_eq!(kind(stale), ErrorKind::Conflict);
    service.delete_dataset(&id("set"), Some(made.version)).await.unwrap();
    assert_eq!(service.dataset_entries(&id("set")).await.unwrap(), 0);
    let late = service.create_entry(inside(text("late", "x"))).await;
    assert_eq!(refusal(late), Refusal::Deleted);
    assert_eq!(refusal(service.restore_entry(&id("e1"), None).await), Refusal::RestoreDataset);
    let back = service.restore_dataset(&id("set"), None).await.unwrap();
    assert_eq!(back.value.state, DatasetState::Active);
    assert_eq!(service.dataset_entries(&id("set")).await.unwrap(), 19);
    assert_eq!(service.entry(&id("e0")).await.unwrap().value.status, EntryStatus::Deleted);
    service.delete_dataset(&id("set"), None).await.unwrap();
    holds_in_the_end(&place).await;
    assert_eq!(kind(service.dataset(&id("set")).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn datapoints_are_repeated_and_not_replaced() {
    let place = Place::memory().await;
    let service = place.open().await;
    let value = |name: &str, value: &str| NewDatapoint {
        value: Some(Json::parse(value).unwrap()),
        ..datapoint(name, DataType::Json)
    };
    let large = format!("{{\"a\":\"{}\",\"n\":1.10}}", long("value"));
    for (name, json) in [("v", "{\"t\":23.5}"), ("null", "null"), ("large", &large)] {
        let stored = service.submit_datapoint(value(name, json), None).await.unwrap();
        let again = service.submit_datapoint(value(name, json), None).await.unwrap();
        assert_eq!(stored, again);
        let found = service.datapoint(&id(name)).await.unwrap();
        assert_eq!(found.value.value.unwrap().as_str(), json);
        match service.datapoint_value(&id(name), ByteRange::WHOLE).await.unwrap() {
            DatapointValue::Value(found) => assert_eq!(found.as_str(), json),
            other => panic!("{other:?}"),
        }
        let other = service.submit_datapoint(value(name, "7"), None).await;
        assert_eq!(refusal(other), Refusal::OtherContent);
    }
    let with_file = || datapoint("f", DataType::File);
    service.submit_datapoint(with_file(), Some(file(b"abc"))).await.unwrap();
    service.submit_datapoint(with_file(), Some(file(b"abc"))).await.unwrap();
    let other = service.submit_datapoint(with_file(), Some(file(b"abd"))).await;
    assert_eq!(refusal(other), Refusal::OtherContent);
    match service.datapoint_value(&id("f"), ByteRange::from(1)).await.unwrap() {
        DatapointValue::File { file, bytes } => {
            assert_eq!((file.name.as_str(), read(bytes).await), ("log.txt", b"bc".to_vec()));
        }
        other => panic!("{other:?}"),
    }
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn datapoints_that_make_no_sense_are_refused() {
    let place = Place::memory().await;
    let service = place.open().await;
    let none = service.submit_datapoint(datapoint("a", DataType::File), None).await;
    assert_eq!(kind(none), ErrorKind::Invalid);
    let none = service.submit_datapoint(datapoint("a", DataType::Json), None).await;
    assert_eq!(kind(none), ErrorKind::Invalid);
    let placeless = service.submit_datapoint(datapoint("a", DataType::ObjectStorage), None).await;
    assert_eq!(kind(placeless), ErrorKind::Invalid);
    let one =
        NewDatapoint { value: Some(Json::parse("1").unwrap()), ..datapoint("a", DataType::Json) };
    let both = service.submit_datapoint(one.clone(), Some(file(b"x"))).await;
    assert_eq!(kind(both), ErrorKind::Invalid);
    let timeless = NewDatapoint { data_timestamp: String::new(), ..one };
    assert_eq!(kind(service.submit_datapoint(timeless, None).await), ErrorKind::Invalid);
    let expected = Expected { md5: Some(BlobDigest::of(b"x").md5), ..Expected::NOTHING };
    let wrong = FileStream { expected, bytes: bytes(b"y"), ..file(b"") };
    let wrong = service.submit_datapoint(datapoint("a", DataType::File), Some(wrong)).await;
    assert_eq!(refusal(wrong), Refusal::WrongDigest);
    holds_in_the_end(&place).await;
}

#[tokio::test]
async fn datapoints_are_listed_by_their_own_time_and_found_by_value() {
    let place = Place::memory().await;
    let service = place.open().await;
    for (name, time, value) in
        [("b", "2026-01-02", "2"), ("a", "2026-01-03", "3"), ("c", "2026-01-01", "1")]
    {
        let new = NewDatapoint {
            data_timestamp: time.into(),
            value: Some(Json::parse(&format!("{{\"t\":{value}}}")).unwrap()),
            ..datapoint(name, DataType::Json)
        };
        service.submit_datapoint(new, None).await.unwrap();
    }
    let names = |page: repo_data::PageOf<repo_data::model::Datapoint>| {
        page.items.into_iter().map(|found| found.value.id.to_string()).collect::<Vec<_>>()
    };
    let all = PageRequest::default();
    assert_eq!(names(service.list_datapoints(&all).await.unwrap()), ["a", "b", "c"]);
    let warm = || Filter::parse(r#"{"value.t":{"$gt":1}}"#).unwrap();
    assert_eq!(names(service.query_datapoints(warm(), &all).await.unwrap()), ["a", "b"]);
    assert_eq!(service.count_datapoints(warm()).await.unwrap(), 2);
    let large = Json::parse(&format!("{{\"t\":9,\"x\":\"{}\"}}", long("value"))).unwrap();
    let large = NewDatapoint {
        value: Some(large),
        label: Some("L".into()),
        ..datapoint("d", DataType::Json)
    };
    service.submit_datapoint(large, None).await.unwrap();
    assert_eq!(refusal(service.query_datapoints(warm(), &all).await), Refusal::SpilledValue);
    let narrowed = Filter::parse(r#"{"$and":[{"label":"T"},{"value.t":{"$gt":1}}]}"#).unwrap();
    assert_eq!(names(service.query_datapoints(narrowed, &all).await.unwrap()), ["a", "b"]);
}

fn revision(name: &str, base: Option<&str>, content: RevisedContent, publish: bool) -> NewRevision {
    NewRevision {
        id: id(name),
        base: base.map(id),
        content,
        name: None,
        description: None,
        metadata: None,
        author: ada(),
        publish,
    }
}

#[tokio::test]
async fn revisions_replace_and_keep() {
    let place = Place::memory().await;
    let service = place.open().await;
    service.create_entry(text("a", "zero")).await.unwrap();
    service.create_entry(text("b", &long("copied"))).await.unwrap();
    let text_of = async |which: WhichRevision| {
        let (entry, _) = service.entry_at(&id("a"), &which).await.unwrap();
        service.text(&entry.value.content).await.unwrap().unwrap()
    };
    assert_eq!(text_of(WhichRevision::Number(0)).await, "zero");
    let one = revision("r1", None, RevisedContent::Text("one".into()), true);
    let made = service.revise_entry(&id("a"), &one).await.unwrap();
    assert_eq!(made.value.number, 1);
    assert_eq!(service.revise_entry(&id("a"), &one).await.unwrap(), made);
    let stale = revision("r2", None, RevisedContent::Text("two".into()), true);
    assert_eq!(refusal(service.revise_entry(&id("a"), &stale).await), Refusal::StaleBase);
    let taken = revision("r1", Some("r1"), RevisedContent::Text("two".into()), true);
    assert_eq!(refusal(service.revise_entry(&id("a"), &taken).await), Refusal::OtherContent);
    let draft = revision("r2", Some("r1"), RevisedContent::CopyOf(id("b")), false);
    service.revise_entry(&id("a"), &draft).await.unwrap();
    let competing = revision("r3", Some("r1"), RevisedContent::Text("three".into()), false);
    service.revise_entry(&id("a"), &competing).await.unwrap();
    assert!(
        matches!(service.entry(&id("a")).await.unwrap().value.content, Content::Inline(text) if text == "one")
    );
    holds_now(&service).await;
    service.publish_revision(&id("a"), &id("r2"), None).await.unwrap();
    service.publish_revision(&id("a"), &id("r2"), None).await.unwrap();
    let lost = service.publish_revision(&id("a"), &id("r3"), None).await;
    assert_eq!(refusal(lost), Refusal::StaleBase);
    assert_eq!(
        kind(service.publish_revision(&id("b"), &id("r1"), None).await),
        ErrorKind::NotFound
    );
    assert_eq!(text_of(WhichRevision::Number(0)).await, "zero");
    assert_eq!(text_of(WhichRevision::Number(1)).await, "one");
    assert_eq!(text_of(WhichRevision::Number(2)).await, long("copied"));
    assert_eq!(text_of(WhichRevision::Id(id("r3"))).await, "three");
    let draft = service.entry_at(&id("a"), &WhichRevision::Number(3)).await;
    assert_eq!(kind(draft), ErrorKind::NotFound);
    let numbers = async |limit, offset, all| {
        let page = service.list_revisions(&id("a"), limit, offset, all).await.unwrap();
        assert_eq!(page.current, Some(id("r2")));
        page.revisions.into_iter().map(|found| found.value.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(10, 0, false).await, [0, 1, 2]);
    assert_eq!(numbers(2, 1, true).await, [1, 2]);
    assert_eq!(numbers(10, 3, true).await, [3]);
    // The copy does not need what it was copied from.
    service.delete_entry(&id("b"), None).await.unwrap();
    holds_in_the_end(&place).await;
    assert_eq!(text_of(WhichRevision::Number(2)).await, long("copied"));
    service.delete_entry(&id("a"), None).await.unwrap();
    service.restore_entry(&id("a"), None).await.unwrap();
    assert_eq!(text_of(WhichRevision::Number(2)).await, long("copied"));
    service.delete_entry(&id("a"), None).await.unwrap();
    holds_in_the_end(&place).await;
    let usage = service.usage(Scope::Owner, "ada").await.unwrap();
    assert_eq!((usage.bytes, usage.entries, usage.condemned_bytes), (0, 0, 0));
}

#[tokio::test]
async fn search_finds_by_each_operator() {
    use SearchOperator as Op;
    let place = Place::memory().await;
    let service = place.open().await;
    for (name, content, size) in
        [("alpha.txt", "the cat", 1), ("beta.md", "the dog", 5), ("gamma.txt", "a bird", 9)]
    {
        let metadata = Some(Json::parse(&format!("{{\"size\":{size}}}")).unwrap());
        let tags = vec![name[..1].to_owned()];
        service.create_entry(NewEntry { metadata, tags, ..text(name, content) }).await.unwrap();
    }
    let criterion = |field: &str, operator, value: &str| Criterion {
        field: field.into(),
        operator,
        value: Json::parse(value).unwrap(),
    };
    let search = |criteria, any| Search {
        within: EntryFilter::default(),
        criteria,
        any,
        limit: 10,
        offset: 0,
    };
    let found = async |criteria, any| {
        let found = service.search(&search(criteria, any)).await.unwrap();
        let mut names: Vec<String> =
            found.into_iter().map(|found| found.value.name[..1].to_owned()).collect();
        names.sort();
        names.concat()
    };
    for (field, operator, value, expected) in [
        ("name", Op::Equals, "\"beta.md\"", "b"),
        ("name", Op::StartsWith, "\"ga\"", "g"),
        ("name", Op::EndsWith, "\".txt\"", "ag"),
        ("name", Op::In, "[\"alpha.txt\",\"beta.md\"]", "ab"),
        ("content", Op::Contains, "\"the\"", "ab"),
        ("text", Op::Contains, "\"bird\"", "g"),
        ("tags", Op::Contains, "\"a\"", "a"),
        ("metadata.size", Op::GreaterThan, "1", "bg"),
        ("metadata.size", Op::LessThan, "5", "a"),
        ("metadata.size", Op::Between, "[1,5]", "ab"),
        ("user_id", Op::Equals, "\"ada\"", "abg"),
    ] {
        assert_eq!(
            found(vec![criterion(field, operator, value)], false).await,
            expected,
            "{field} {operator:?}"
        );
    }
    let two = || {
        vec![
            criterion("tags", Op::Contains, "\"a\""),
            criterion("content", Op::Contains, "\"dog\""),
        ]
    };
    assert_eq!(found(two(), true).await, "ab");
    assert_eq!(found(two(), false).await, "");
    for (field, operator, value) in [
        ("owner_secret", Op::Equals, "1"),
        ("name", Op::Between, "[1]"),
        ("name", Op::In, "1"),
        ("_version", Op::Equals, "1"),
    ] {
        let refused = service.search(&search(vec![criterion(field, operator, value)], false)).await;
        assert_eq!(kind(refused), ErrorKind::Invalid);
    }
    service.create_entry(text("long", &long("the cat"))).await.unwrap();
    assert_eq!(refusal(service.search(&search(two(), true)).await), Refusal::SpilledValue);
    assert_eq!(found(two(), false).await, "", "the other condition leaves the long text out");
}

#[tokio::test]
async fn quotas_hold() {
    let place = Place::memory().await;
    let quotas = Quotas { owner_bytes: Some(100), owner_entries: Some(3) };
    let service = place.open_with(DataOptions { quotas, ..place.options() }).await;
    service.create_entry(text("a", &"x".repeat(90))).await.unwrap();
    assert_eq!(refusal(service.create_entry(text("b", &"x".repeat(11))).await), Refusal::Quota);
    service.delete_entry(&id("a"), None).await.unwrap();
    assert_eq!(refusal(service.create_entry(text("b", &"x".repeat(11))).await), Refusal::Quota);
    for name in ["c", "d", "e"] {
        service.create_entry(text(name, "x")).await.unwrap();
    }
    assert_eq!(refusal(service.create_entry(text("f", "x")).await), Refusal::Quota);
    let (sums, next) = service.list_usage(Scope::Owner, &PageRequest::default()).await.unwrap();
    assert_eq!((sums.len(), next), (1, None));
    assert_eq!((sums[0].1.entries, sums[0].1.bytes), (3, 3));
    let store = service.usage(Scope::Store, "main").await.unwrap();
    assert_eq!(store.condemned_bytes, 90);
}

#[tokio::test]
async fn outside_sources_need_the_list() {
    let place = Place::memory().await;
    let service = place.open().await;
    let location = OutsideLocation {
        storage_type: StorageType::Gcs,
        content_type: ContentKind::Directory,
        location: None,
        metadata: Some(Json::parse(r#"{"bucket_name":"raw","prefix":"p/"}"#).unwrap()),
    };
    let refused = service.create_entry(entry("a", NewContent::Outside(location.clone()))).await;
    assert_eq!(refusal(refused), Refusal::SourceNotAllowed);
    let mut options = place.options();
    let rules =
        r#"{"buckets":[{"kind":"gcs","bucket":"raw","prefixes":["p"],"connection":"lab"}]}"#;
    options.sources = serde_json::from_str(rules).unwrap();
    let service = place.open_with(options).await;
    let made =
        service.create_entry(entry("a", NewContent::Outside(location.clone()))).await.unwrap();
    assert_eq!(made.value.content, Content::Outside { location, files: vec![] });
    assert_eq!(service.entry(&id("a")).await.unwrap(), made);
    assert_eq!(refusal(service.open_entry(&id("a"), ByteRange::WHOLE).await), Refusal::WrongState);
}
