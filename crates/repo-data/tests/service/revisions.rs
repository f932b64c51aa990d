//! Revisions: drafts, stale bases, what was before.

use crate::common::invariants::{holds_in_the_end, holds_now};
use crate::common::refused::{kind, refusal, text};
use crate::common::story::long;
use crate::common::{Place, ada, id};
use repo_core::ErrorKind;
use repo_data::model::{Content, Scope};
use repo_data::{NewRevision, Refusal, RevisedContent, WhichRevision};

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
