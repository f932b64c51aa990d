//! The layouts and forms of data files, and what other tools make of JSON.

use repo_core::ErrorKind;
use repo_core::strategy::{StorageStrategy as _, StrategyFactory as _};
use serde_json::{Value as Json, json};

use super::{Fixture, all, save};
use crate::hooks::Hooks;
use crate::snapshot::Form;

#[tokio::test]
async fn the_form_found_is_kept() {
    let fixture = Fixture::split();
    fixture.write("machines.json", r#"{"machines": {"a": {"id": "a"}}}"#);
    fixture.write("requests.json", r#"{"r": {"id": "r"}}"#);
    let store = fixture.open();
    save(&store, "machines", "b", 2).await;
    save(&store, "requests", "s", 3).await;
    store.close().await.unwrap();
    let machines = fixture.json("machines.json");
    assert_eq!(machines.as_object().unwrap().len(), 1);
    assert_eq!(machines["machines"]["b"]["n"], 2);
    assert_eq!(fixture.json("requests.json")["s"]["n"], 3);
    assert_eq!(all(&fixture.open_read_only()).await.len(), 4);
}

#[tokio::test]
async fn a_key_like_the_collection_may_be_an_entity() {
    for (text, form, ids) in [
        (r#"{"machines": {"id": "machines"}}"#, Form::Plain, vec!["machines/machines"]),
        (
            r#"{"machines": {"x": {}, "id": "machines"}, "a": {"id": "a"}}"#,
            Form::Plain,
            vec!["machines/a", "machines/machines"],
        ),
        (r#"{"machines": {"id": {"id": "id"}}}"#, Form::Wrapped, vec!["machines/id"]),
        (r#"{"machines": {}}"#, Form::Wrapped, vec![]),
        (r#" { } "#, Form::Plain, vec![]),
        (
            r#"{"machines": {"machines": {"id": "machines"}}}"#,
            Form::Wrapped,
            vec!["machines/machines"],
        ),
    ] {
        let fixture = Fixture::split();
        fixture.write("machines.json", text);
        let store = fixture.open();
        let found = all(&store).await;
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ids, "{text}");
        save(&store, "machines", "z", 1).await;
        store.close().await.unwrap();
        let written = fixture.json("machines.json");
        let wrapped = written.get("machines").is_some_and(|inner| inner.get("z").is_some());
        assert_eq!(wrapped, form == Form::Wrapped, "{text}");
        assert_eq!(all(&fixture.open_read_only()).await.len(), ids.len() + 1, "{text}");
    }
}

#[tokio::test]
async fn any_rendering_of_the_same_json_is_the_same() {
    let value = json!({ "machines": {
        "é\"\\/": { "id": "é\"\\/", "list": [1, [], {}, [{ "a": [true, null] }]], "s": "{[,:]}\\" },
        "b": { "id": "b", "text": "x".repeat(300_000), "deep": { "n": { "e": {} } } },
        "c": { "id": "c", "tab": "\t\n\u{1}", "emoji": "\u{1F600}" },
    }, "requests": {} });
    let compact = value.to_string();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let ascii: String =
        compact.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect();
    let windows = pretty.replace('\n', "\r\n").replace("  ", "\t");
    let slashes = compact.replace('/', "\\/");
    let mut seen: Vec<_> = Vec::new();
    for text in [compact, pretty, ascii, windows, slashes] {
        let fixture = Fixture::single();
        fixture.write("request_database.json", &text);
        let reader = all(&fixture.open_read_only()).await;
        let store = fixture.open();
        assert_eq!(all(&store).await, reader);
        save(&store, "requests", "r", 1).await;
        store.close().await.unwrap();
        let mut written = fixture.json("request_database.json");
        written["requests"] = json!({});
        assert_eq!(written, value);
        seen.push(reader);
    }
    assert!(seen.iter().all(|records| *records == seen[0] && records.len() == 3));
}

fn escape(c: char) -> String {
    let mut units = [0; 2];
    c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    let fixture = Fixture::single();
    let text = r#"{"machines":{"a":{"id":"a","n":12345678901234567890.50,"m":1e2}}}"#;
    fixture.write("request_database.json", text);
    let store = fixture.open();
    save(&store, "machines", "b", 1).await;
    store.close().await.unwrap();
    let written = fixture.read("request_database.json");
    assert!(written.contains("12345678901234567890.50") && written.contains("1e2"), "{written}");
}

#[tokio::test]
async fn indentation_is_a_choice() {
    let fixture = Fixture::new(json!({ "pretty_print": false }));
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.close().await.unwrap();
    let text = fixture.read("request_database.json");
    assert_eq!(text.lines().count(), 1);
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.close().await.unwrap();
    let value: Json = fixture.json("request_database.json");
    let expected = format!("{}\n", serde_json::to_string_pretty(&value).unwrap());
    let sorted = |text: &str| {
        let mut lines: Vec<String> =
            text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&fixture.read("request_database.json")), sorted(&expected));
}

async fn all_of(store: &dyn repo_core::strategy::StorageStrategy) -> u64 {
    let name = super::name("machines");
    store.count(&name, &Default::default(), Default::default()).await.unwrap()
}

#[tokio::test]
async fn a_url_finds_the_layout_that_is_there() {
    let url = |fixture: &Fixture| {
        let url = format!("json:{}", fixture.path().display());
        crate::JsonFactory.settings_from_url(&url).unwrap().unwrap()
    };
    let single = Fixture::single();
    single.write("request_database.json", r#"{"machines": {"a": {"id": "a"}}}"#);
    let split = Fixture::split();
    split.write("machines.json", r#"{"a": {"id": "a"}}"#);
    for fixture in [&single, &split] {
        for _ in 0..2 {
            let opened = crate::JsonFactory.open(&url(fixture), fixture.options(false)).await;
            let store = opened.unwrap();
            assert_eq!(all_of(&*store).await, 1);
            store.close().await.unwrap();
        }
    }
    assert!(!split.file("request_database.json").exists());
    let empty = Fixture::single();
    let store = crate::JsonFactory.open(&url(&empty), empty.options(false)).await.unwrap();
    store.prepare(&super::schemas().iter().cloned().collect::<Vec<_>>()).await.unwrap();
    assert!(empty.file("request_database.json").exists());
    let renamed = json!({ "storage_type": "split_files", "base_path": single.path() });
    let error = crate::JsonFactory.open(&renamed, single.options(false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(crate::JsonFactory.settings_from_url("sqlite:x").unwrap().is_none());
    assert!(crate::JsonFactory.settings_from_url("json:").is_err());
}

#[tokio::test]
async fn split_files_may_have_other_names() {
    let names = json!({ "split_files": { "machines": "hosts.json" } });
    let fixture = Fixture::new(json!({ "storage_type": "split_files", "filenames": names }));
    fixture.write("hosts.json", r#"{"a": {"id": "a"}}"#);
    fixture.write("stranger.json", "[]");
    let store = fixture.open();
    assert_eq!(all(&store).await.len(), 1);
    store.prepare(&super::schemas().iter().cloned().collect::<Vec<_>>()).await.unwrap();
    save(&store, "requests", "r", 1).await;
    save(&store, "machines", "m", 1).await;
    store.close().await.unwrap();
    assert_eq!(fixture.json("requests.json")["r"]["n"], 1);
    assert_eq!(fixture.json("hosts.json")["m"]["n"], 1);
    assert_eq!(fixture.read("stranger.json"), "[]");
    let again = fixture.try_open(&fixture.path(), true, Hooks::default()).unwrap();
    assert_eq!(all(&again).await.len(), 3);
}

#[tokio::test]
async fn split_files_are_never_taken_for_an_empty_single_store() {
    let fixture = Fixture::single();
    fixture.write("machines.json", r#"{"a": {"id": "a"}}"#);
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.hint_text().unwrap().contains("split_files"));
    std::fs::remove_file(fixture.file("machines.json")).unwrap();
    fixture.write("unrelated.json", "{}");
    fixture.prepared().await.close().await.unwrap();
    assert!(fixture.file("request_database.json").exists());
}
