//! Datasets go and come back with what is in them.

use crate::common::invariants::holds_in_the_end;
use crate::common::refused::{kind, other_version, refusal, text};
use crate::common::story::long;
use crate::common::{Place, ada, id};
use repo_core::ErrorKind;
use repo_data::model::{DatasetState, EntryStatus};
use repo_data::{NewDataset, NewEntry, Refusal};

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
