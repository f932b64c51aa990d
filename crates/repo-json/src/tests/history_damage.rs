//! History files that were damaged, cut, taken away or put back.

use std::fs;
use std::path::Path;

use repo_core::strategy::{Applied, OlderState, OlderVersion, StorageStrategy as _};
use repo_core::{Error, ErrorKind, Version};

use super::history::{
    added, clear, files, is_sound, keeping, numbers, older, remove, set_history, try_older, write,
};
use super::{Fixture, document, save};
use crate::strategy::JsonStrategy;

/// A history in two files: versions 1 to 8 of each of three ids, then 9.
async fn two_files(fixture: &Fixture) -> JsonStrategy {
    let store = keeping(fixture).await;
    for n in 1..=10 {
        for id in ["a", "b", "c"] {
            save(&store, "machines", id, n).await;
        }
        if n >= 9 {
            store.checkpoint().await.unwrap();
        }
    }
    assert_eq!(files(fixture).len(), 2);
    store
}

fn is_damage(error: &Error, file: &Path) {
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("file"), Some(file.to_str().unwrap()), "{error}");
    assert!(error.context_value("byte").is_some() && error.hint_text().is_some());
}

/// Whatever byte is changed: what is read is what was written, or the file is named.
#[tokio::test]
async fn a_changed_byte_is_found_and_never_believed() {
    let fixture = Fixture::single();
    let store = two_files(&fixture).await;
    let mut expected: Vec<(&str, Vec<OlderVersion>)> = Vec::new();
    for id in ["a", "b", "c"] {
        expected.push((id, older(&store, id).await));
    }
    drop(store);
    let file = files(&fixture).remove(0);
    let sound = fs::read(&file).unwrap();
    let mut refused = 0;
    for at in (0..sound.len()).step_by(13) {
        for byte in [b'\n', b'0', sound[at] ^ 1] {
            let mut damaged = sound.clone();
            damaged[at] = byte;
            if damaged == sound {
                continue;
            }
            fs::write(&file, &damaged).unwrap();
            let reader = fixture.open_read_only();
            for (id, expected) in &expected {
                match try_older(&reader, id, Version::MAX, 99).await {
                    Ok(found) => assert_eq!(found, *expected, "byte {at}"),
                    Err(error) => {
                        refused += 1;
                        is_damage(&error, &file);
                    }
                }
            }
            assert!(!is_sound(&reader, true).await, "byte {at}");
        }
    }
    assert!(refused > 100, "{refused}");
    // One that somebody made up, with its checksum, is found by that of the file.
    let text = String::from_utf8(sound.clone()).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let (summed, _) = first.split_once(",\"crc32\"").unwrap();
    let summed = summed.replace("EVEN", "EVIL");
    let sum = crc32fast::hash(summed.as_bytes());
    let forged = format!("{summed},\"crc32\":\"{sum:08x}\"}}");
    assert!(first.contains("EVEN") && forged.len() == first.len());
    fs::write(&file, format!("{forged}\n{rest}")).unwrap();
    let reader = fixture.open_read_only();
    assert!(is_sound(&reader, false).await && !is_sound(&reader, true).await);
    fs::write(&file, &sound).unwrap();
    assert!(is_sound(&fixture.open(), true).await);
}

#[tokio::test]
async fn a_file_that_is_gone_or_cut_is_named_and_stops_nothing_else() {
    for cut in [None, Some(0), Some(100)] {
        let fixture = Fixture::split();
        drop(two_files(&fixture).await);
        let file = files(&fixture).remove(0);
        let sound = fs::read(&file).unwrap();
        match cut {
            None => fs::remove_file(&file).unwrap(),
            Some(len) => fs::write(&file, &sound[..len]).unwrap(),
        }
        let store = fixture.open();
        is_damage(&try_older(&store, "a", 9, 1).await.unwrap_err(), &file);
        assert!(!is_sound(&store, false).await);
        for n in 11..30 {
            save(&store, "machines", "a", n).await;
            store.checkpoint().await.unwrap();
        }
        is_damage(&try_older(&store, "a", 9, 1).await.unwrap_err(), &file);
        let reads = try_older(&fixture.open_read_only(), "a", 12, 1).await;
        is_damage(&reads.unwrap_err(), &file);
        // As the hint says.
        fs::write(&file, &sound).unwrap();
        drop(store);
        let store = fixture.open();
        assert_eq!(numbers(&older(&store, "a").await), (1..29).rev().collect::<Vec<_>>());
        assert!(is_sound(&store, true).await);
        fs::remove_file(&file).unwrap();
        set_history(&store, None).await;
        let anew = repo_core::strategy::HistoryState::new(super::history::at(0));
        set_history(&store, Some(anew)).await;
        assert_eq!(older(&store, "a").await, []);
        assert!(is_sound(&store, true).await);
    }
}

/// A checkpoint leaves a damaged file alone; what had to go from it stays hidden, and is
/// gone once the file can be merged.
#[tokio::test]
async fn what_was_forgotten_stays_so_beside_a_damaged_file() {
    let fixture = Fixture::split();
    let store = two_files(&fixture).await;
    let file = files(&fixture).remove(0);
    let sound = fs::read(&file).unwrap();
    let answers = write(&store, vec![remove("a", 3), clear("a", 5), remove("b", 9)]).await;
    assert_eq!(answers, [Applied::Applied; 3]);
    drop(store);
    fs::write(&file, [&sound[..sound.len() - 3], b"???"].concat()).unwrap();
    let store = fixture.open();
    for n in 0..9 {
        store.checkpoint().await.unwrap();
        save(&store, "machines", "d", n).await;
    }
    assert_eq!(fs::read(&file).unwrap().len(), sound.len(), "it was left as it is");
    fs::write(&file, &sound).unwrap();
    let expected = [9, 8, 7, 6, 5, 4, 2, 1];
    for round in 0..2 {
        assert_eq!(numbers(&older(&store, "a").await), expected, "{round}");
        assert_eq!(older(&store, "a").await[4].state, OlderState::Removed);
        assert_eq!(numbers(&older(&store, "b").await), [8, 7, 6, 5, 4, 3, 2, 1]);
        let again = write(&store, vec![remove("a", 3), clear("a", 5)]).await;
        assert_eq!(again, [Applied::Equal; 2]);
        write(&store, (100..200).map(|n| added("e", n)).collect()).await;
        store.checkpoint().await.unwrap();
    }
    let text: String = files(&fixture).iter().map(|p| fs::read_to_string(p).unwrap()).collect();
    assert!(text.contains(document("a", 4).as_str()) && !text.contains("forgotten"));
    assert!([3, 5].iter().all(|n| !text.contains(document("a", *n).as_str())));
    assert!(is_sound(&store, true).await);
}

/// A folder that was put back has the history of its time, and drops what came later.
#[tokio::test]
async fn a_folder_put_back_has_the_history_of_its_time() {
    let fixture = Fixture::single();
    let store = two_files(&fixture).await;
    let backup = super::feed_crash::copy_of(&fixture.path());
    for n in 11..30 {
        save(&store, "machines", "a", n).await;
        store.checkpoint().await.unwrap();
    }
    drop(store);
    for folder in ["", ".history"] {
        for entry in fs::read_dir(backup.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let to = fixture.path().join(folder).join(path.file_name().unwrap());
                fs::copy(&path, to).unwrap();
            }
        }
    }
    let store = fixture.open();
    assert_eq!(files(&fixture).len(), 2, "what came later is gone");
    assert_eq!(numbers(&older(&store, "a").await), (1..10).rev().collect::<Vec<_>>());
    save(&store, "machines", "a", 11).await;
    store.checkpoint().await.unwrap();
    assert_eq!(numbers(&older(&store, "a").await), (1..11).rev().collect::<Vec<_>>());
    assert!(is_sound(&store, true).await);
}
