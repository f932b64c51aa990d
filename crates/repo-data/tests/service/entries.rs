//! Entries: made, repeated, changed, listed, deleted, restored, held.

use crate::common::invariants::{holds_in_the_end, holds_now};
use crate::common::refused::{kind, other_version, refusal, text};
use crate::common::story::{datapoint, entry, file, long};
use crate::common::{DAY, Place, ada, id};
use repo_blob::ByteRange;
use repo_core::ErrorKind;
use repo_data::model::{DataType, EntryStatus, Owner, Scope, Share, ShareStatus};
use repo_data::{EntryFilter, EntryPatch, NewContent, NewEntry, NewHold, PageRequest, Refusal};

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
