//! What else may stand in the folder of histories: links, second names, files of others.

use std::fs;
use std::os::unix::fs::symlink;

use repo_core::ErrorKind;
use repo_core::strategy::{HistoryState, StorageStrategy as _};

use super::history::{at, files, keeping, numbers, older, set_history};
use super::{Fixture, save};
use crate::hooks::Hooks;

#[tokio::test]
async fn another_name_of_a_file_stays_as_it_is() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    save(&store, "machines", "a", 1).await;
    save(&store, "machines", "a", 2).await;
    store.close().await.unwrap();
    let file = files(&fixture).remove(0);
    let other = fixture.folder.path().join("other");
    fs::hard_link(&file, &other).unwrap();
    let before = fs::read(&other).unwrap();
    let store = fixture.open();
    for n in 3..9 {
        save(&store, "machines", "a", n).await;
        store.checkpoint().await.unwrap();
    }
    set_history(&store, None).await;
    assert_eq!(fs::read(&other).unwrap(), before);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_history_is_refused_and_stays() {
    for of_the_folder in [true, false] {
        let fixture = Fixture::single();
        let store = keeping(&fixture).await;
        save(&store, "machines", "a", 1).await;
        save(&store, "machines", "a", 2).await;
        store.close().await.unwrap();
        let place =
            if of_the_folder { fixture.file(".history") } else { files(&fixture).remove(0) };
        let real = fixture.folder.path().join("real");
        fs::rename(&place, &real).unwrap();
        symlink(&real, &place).unwrap();
        let error = fixture.try_open(&fixture.path(), false, Hooks::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign);
        assert!(error.message().contains("link"), "{error}");
        assert!(place.is_symlink());
        assert_eq!(numbers(&older(&fixture.open_read_only(), "a").await), [1]);
    }
}

/// What a link leads to is not written, also where a file of a failed checkpoint stood.
#[tokio::test]
async fn what_a_link_leads_to_is_not_written() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    save(&store, "machines", "a", 1).await;
    save(&store, "machines", "a", 2).await;
    fixture.write("victim", "precious");
    fs::create_dir(fixture.file(".history")).unwrap();
    let next = fixture.file(".history/machines-0000000002.jsonl");
    symlink(fixture.file("victim"), &next).unwrap();
    store.checkpoint().await.unwrap();
    assert_eq!(fixture.read("victim"), "precious");
    assert!(!next.is_symlink());
    assert_eq!(numbers(&older(&store, "a").await), [1]);
}

#[tokio::test]
async fn what_is_not_ours_in_the_folder_stays() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    save(&store, "machines", "a", 1).await;
    save(&store, "machines", "a", 2).await;
    store.checkpoint().await.unwrap();
    for name in ["notes.txt", "machines-1.jsonl", "machines-0000000001.jsonl.bak"] {
        fixture.write(&format!(".history/{name}"), "mine");
    }
    fixture.write(".history/machines-0000000001.jsonl", "left over");
    set_history(&store, None).await;
    let left: Vec<_> = files(&fixture);
    assert_eq!(left.len(), 3, "{left:?}");
}

/// Of a store whose own files are lost nobody can say what the history belongs to.
#[tokio::test]
async fn a_history_without_its_store_is_set_aside() {
    let fixture = Fixture::single();
    let store = keeping(&fixture).await;
    save(&store, "machines", "a", 1).await;
    save(&store, "machines", "a", 2).await;
    store.close().await.unwrap();
    let before = files(&fixture).into_iter().map(|path| fs::read(path).unwrap()).next();
    for name in [".meta", ".journal"] {
        fs::remove_file(fixture.file(name)).unwrap();
    }
    let store = fixture.open();
    assert!(store.store_record().await.unwrap().history.is_empty());
    assert!(!fixture.file(".history").exists());
    let aside = fixture.file(".history.20260301T080000.000000Z.set-aside");
    let file = aside.join("machines-0000000002.jsonl");
    assert_eq!(Some(fs::read(file).unwrap()), before);
    set_history(&store, Some(HistoryState::new(at(0)))).await;
    save(&store, "machines", "a", 3).await;
    assert_eq!(numbers(&older(&store, "a").await), [1], "versions begin anew");
}
