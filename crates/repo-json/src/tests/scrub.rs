//! What is left in the files once a record was scrubbed.

use std::path::Path;

use repo_core::strategy::{
    CaptureHolder, HistoryState, OlderThan, StorageStrategy as _, StoreUpdate, SystemCollection,
    SystemWrite, VersionWrite,
};
use repo_core::{Attribution, Document, Precondition, Version, Write};

use super::history::{at, set_history, version};
use super::{Fixture, delete, key, name, save};
use crate::strategy::JsonStrategy;

const SECRET: &str = "a very personal secret";

/// The files below a folder that hold the secret.
fn holding(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path));
        } else if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(SECRET) {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort_unstable();
    found
}

async fn write_secret(store: &JsonStrategy) {
    let key = key("machines", "m-1");
    let document = Document::parse(&format!(r#"{{"id":"m-1","of":"{SECRET}"}}"#)).unwrap();
    let by = Attribution::new(None, Some(SECRET)).unwrap();
    let put = Write::put(key, document, Precondition::Any).attributed_to(Some(by.into()));
    store.commit(vec![put]).await.unwrap();
}

/// A store that captures and keeps a history, in all of whose kinds of files the secret is.
async fn full_of_it(fixture: &Fixture) -> JsonStrategy {
    let store = fixture.prepared().await;
    let hold = StoreUpdate::HoldCapture(CaptureHolder::new("consumer", "c").unwrap());
    store.update_store_record(hold).await.unwrap();
    set_history(&store, Some(HistoryState::new(at(0)))).await;
    let item = |before: Option<&str>, now: Option<&str>| {
        let own = |text: &str| text.to_owned();
        let (before, now) = (before.map(own), now.map(own));
        vec![SystemWrite::new(SystemCollection::Tags, "machines/x/y", before, now)]
    };
    store.write_system_items(item(None, Some(SECRET))).await.unwrap();
    store.write_system_items(item(Some(SECRET), None)).await.unwrap();
    for round in 0..6 {
        write_secret(&store).await;
        save(&store, "machines", "m-2", round).await;
        if round % 2 == 1 {
            store.checkpoint().await.unwrap();
        }
    }
    delete(&store, "machines", "m-1").await;
    store
}

async fn forget(store: &JsonStrategy) {
    let of = OlderThan::new("m-1".parse().unwrap(), Version::new(100).unwrap());
    let most = std::num::NonZeroUsize::new(100).unwrap();
    let found = store.older_versions(&name("machines"), &[of], most).await.unwrap();
    let remove = |number| VersionWrite::Remove("m-1".parse().unwrap(), version(number));
    assert_eq!(found.len(), 6);
    store.write_versions(&name("machines"), (1..=7).map(remove).collect()).await.unwrap();
}

#[tokio::test]
async fn no_file_holds_a_scrubbed_record() {
    let fixture = Fixture::single();
    let store = full_of_it(&fixture).await;
    let folder = &fixture.path();
    let before = holding(folder);
    let in_changes = before.iter().filter(|file| file.len() > 40).count();
    assert!(in_changes >= 3 && before.len() > in_changes + 1, "{before:?}");
    forget(&store).await;
    assert!(!holding(folder).is_empty());
    let ids = ["m-1".parse().unwrap()];
    assert_eq!(store.scrub(&name("machines"), &ids).await.unwrap(), []);
    assert_eq!(holding(folder), Vec::<String>::new());
    store.close().await.unwrap();
    assert_eq!(holding(folder), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_rewritten_is_named() {
    let fixture = Fixture::single();
    let store = full_of_it(&fixture).await;
    forget(&store).await;
    let aside = fixture.file(".history.20260101T000000.000000Z.set-aside");
    std::fs::create_dir(&aside).unwrap();
    std::fs::write(aside.join("machines-0000000001.jsonl"), "{\"id\":\"m-1\"}").unwrap();
    std::fs::write(fixture.file("x.set-aside"), "{\"id\":\"m-11\"}").unwrap();
    let kept = std::fs::read_dir(fixture.file(".changes")).unwrap().next().unwrap().unwrap();
    let mut bytes = std::fs::read(kept.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(kept.path(), bytes).unwrap();
    let ids = ["m-1".parse().unwrap()];
    let remnants = store.scrub(&name("machines"), &ids).await.unwrap();
    let places: Vec<&str> = remnants.iter().map(|remnant| remnant.place.as_str()).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places[0].contains(".changes") && places[1].ends_with("0001.jsonl"), "{places:?}");
}
