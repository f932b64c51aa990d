use super::*;

fn key(id: &str) -> Key {
    Key::new("items".parse().unwrap(), id.parse().unwrap())
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// As deep as a document may be, with a number that no float holds.
fn deep() -> Document {
    let inner = format!("{}0.1234567890123456789012345678{}", "[".repeat(30), "]".repeat(30));
    Document::parse(&format!(r#"{{"id":"a","deep":{inner},"text":"a \"quote\" \n"}}"#)).unwrap()
}

#[test]
fn every_write_comes_back_as_it_was() {
    let by = Attribution::new(Some("ada"), None).unwrap();
    let writes = [
        Write::put(key("a"), deep(), Precondition::Any),
        Write::put(key("b"), deep(), Precondition::Absent).attributed_to(Some(Arc::new(by))),
        Write::delete(key("c"), Precondition::Exists),
        Write::check(key("d"), Precondition::Version(version(7))),
    ];
    let intent = Intent {
        id: IntentId::random().unwrap(),
        second: StoreId::random().unwrap(),
        attempt: 1,
        since: Timestamp::parse("2026-03-01T08:00:00Z").unwrap(),
        state: IntentState::Pending,
        writes: writes.iter().map(StoredWrite::of).collect(),
        undo: Vec::new(),
    };
    let document = Document::from_serialize(&intent).unwrap();
    let back: Intent = document.deserialize().unwrap();
    assert_eq!(back, intent);
    let read: Vec<Write> = back.writes.iter().map(|write| write.to_write().unwrap()).collect();
    assert_eq!(read, writes);
    let Change::Put(kept) = &read[0].change else { panic!("{read:?}") };
    assert_eq!(kept.as_str(), deep().as_str());
}

#[test]
fn what_takes_a_write_back_names_what_the_write_left() {
    let undo = |action| Undo { collection: key("a").collection, id: key("a").id, action };
    let document = deep().as_str().to_owned();
    for (action, expected) in [
        (
            UndoAction::Remove { version: version(3) },
            Write::delete(key("a"), Precondition::Version(version(3))),
        ),
        (
            UndoAction::Restore { version: version(3), document: document.clone() },
            Write::put(key("a"), deep(), Precondition::Version(version(3))),
        ),
        (
            UndoAction::Revive { tombstone: version(3), document },
            Write::put(key("a"), deep(), Precondition::Absent),
        ),
    ] {
        assert_eq!(undo(action).to_write().unwrap(), expected);
    }
}

#[test]
fn a_damaged_document_is_reported() {
    let action = UndoAction::Restore { version: version(1), document: "{".to_owned() };
    let undo = Undo { collection: key("a").collection, id: key("a").id, action };
    assert_eq!(undo.to_write().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn states_are_words() {
    for (state, word) in [
        (MarkerState::Reserved, "reserved"),
        (MarkerState::Done, "done"),
        (MarkerState::Void, "void"),
    ] {
        let marker = Marker {
            id: IntentId::random().unwrap(),
            coordinator: StoreId::random().unwrap(),
            attempt: 2,
            state,
        };
        let document = Document::from_serialize(&marker).unwrap();
        assert!(document.as_str().contains(&format!(r#""state":"{word}""#)), "{document}");
        assert_eq!(document.deserialize::<Marker>().unwrap(), marker);
    }
}
