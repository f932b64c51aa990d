//! Data files that cannot be taken: each is refused with the place, and left
//! as it is.

use repo_core::ErrorKind;

use super::{Fixture, save, snapshot};
use repo_core::strategy::StorageStrategy as _;

/// Text, kind, pointer, byte.
fn check(text: &str, kind: ErrorKind, pointer: Option<&str>, byte: usize) {
    let fixture = Fixture::single();
    fixture.write("request_database.json", text);
    let before = snapshot(&fixture.path());
    let read_only =
        fixture.try_open(&fixture.path(), true, crate::hooks::Hooks::default()).unwrap_err();
    assert_eq!(snapshot(&fixture.path()), before);
    let error = fixture.refused();
    for error in [&error, &read_only] {
        assert_eq!(error.kind(), kind, "{text}: {error:?}");
        assert!(error.context_value("file").unwrap().ends_with("request_database.json"));
        assert_eq!(error.context_value("pointer"), pointer, "{text}: {error}");
        assert_eq!(error.context_value("byte"), Some(byte.to_string().as_str()), "{text}");
        assert!(error.hint_text().is_some(), "{text}");
    }
    assert_eq!(fixture.read("request_database.json"), text);
}

#[test]
fn damaged_files_are_corrupt() {
    let check = |text, pointer, byte| check(text, ErrorKind::Corrupt, pointer, byte);
    check("", None, 0);
    check("   ", None, 3);
    check("{", None, 1);
    check("garbage", None, 0);
    check(r#"{"machines": {"#, None, 14);
    check(r#"{"machines": {"a": {"id": "a""#, Some("/machines/a"), 29);
    check(r#"{"machines": {"a": {"id": "a"}"#, None, 30);
    check(r#"{"machines": {"a": {"id": "a"}}} x"#, None, 33);
    check(r#"{"machines": {"a": {"id": "a"},}}"#, None, 31);
    check(r#"{"machines": {"a": {"id": a}}}"#, Some("/machines/a/id"), 26);
    check(r#"{"machines": {"a": {"id": "a"]}}"#, Some("/machines/a"), 29);
    check(r#"{"machines" {"a": {}}}"#, None, 12);
    check(r#"{"machines": {"a\x": {}}}"#, None, 17);
}

#[test]
fn every_cut_of_a_file_is_corrupt() {
    let text = r#"{"machines": {"a": {"id": "a", "l": [1, {"x": "\u00e9"}]}}, "requests": {}}"#;
    for cut in 0..text.len() {
        let fixture = Fixture::single();
        fixture.write("request_database.json", &text[..cut]);
        let error = fixture.refused();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{}: {error}", &text[..cut]);
        assert_eq!(fixture.read("request_database.json"), &text[..cut]);
    }
}

#[test]
fn what_breaks_a_rule_is_invalid() {
    let check = |text, pointer, byte| check(text, ErrorKind::Invalid, Some(pointer), byte);
    check("[]", "", 0);
    check(" [{\"id\": \"a\"}]", "", 1);
    check("3", "", 0);
    check(r#"{"Machines": {}}"#, "/Machines", 1);
    check(r#"{"machines": []}"#, "/machines", 13);
    check(r#"{"machines": {}, "machines": {}}"#, "/machines", 17);
    check(r#"{"machines": {"a": 1}}"#, "/machines/a", 19);
    check(r#"{"machines": {"a": {"id": "b"}}}"#, "/machines/a/id", 19);
    check(r#"{"machines": {"a": {}}}"#, "/machines/a/id", 19);
    check(r#"{"machines": {"a": {"id": 1}}}"#, "/machines/a/id", 19);
    check(r#"{"machines": {"": {"id": ""}}}"#, "/machines/", 14);
    check(r#"{"machines": {"a": {"id": "a", "x": {"y": 1, "y": 2}}}}"#, "/machines/a/x/y", 45);
    check(r#"{"machines": {"a": {"id": "a", "x": "\u0000"}}}"#, "/machines/a/x", 37);
    check(r#"{"machines": {"a": {"id": "a", "x": "\ud800"}}}"#, "/machines/a/x", 37);
    check(r#"{"machines": {"a": {"id": "a", "_version": 1}}}"#, "/machines/a/_version", 19);
    check(r#"{"machines": {"a/b~": {"id": "a/b~", "": 1}}}"#, "/machines/a~1b~0", 37);
    check(r#"{"machines": {"a": {"id": "a", "x": 1e999}}}"#, "/machines/a/x", 36);
    let twice = r#"{"machines": {"a": {"id": "a"}, "b": {"id": "b"}, "a": {"id": "a"}}}"#;
    check(twice, "/machines/a", 55);
    let long =
        format!(r#"{{"machines": {{"a": {{"id": "a", "status": "{}"}}}}}}"#, "x".repeat(1001));
    check(&long, "/machines/a/status", 19);
    let large =
        format!(r#"{{"machines": {{"a": {{"id": "a", "x": "{}"}}}}}}"#, "x".repeat(400_000));
    check(&large, "/machines/a", 19);
}

#[test]
fn bytes_that_are_not_utf8_are_corrupt() {
    let fixture = Fixture::single();
    fixture.write("request_database.json", "");
    let text = b"{\"machines\": {\"a\": {\"id\": \"a\", \"x\": \"\xFF\"}}}";
    std::fs::write(fixture.file("request_database.json"), text).unwrap();
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.context_value("byte"), Some("37"));
}

#[tokio::test]
async fn a_broken_split_file_names_itself() {
    let fixture = Fixture::split();
    fixture.write("machines.json", r#"{"a": {"id": "a"}}"#);
    fixture.write("requests.json", r#"{"requests": {"r": {"id": "r"}}, "x": {"id": "x"}}"#);
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.context_value("file").unwrap().ends_with("requests.json"));
}

#[tokio::test]
async fn damage_to_the_stores_own_files_is_corrupt() {
    let fixture = Fixture::single();
    let store = fixture.prepared().await;
    save(&store, "machines", "a", 1).await;
    store.close().await.unwrap();
    let files = snapshot(&fixture.path());
    for at in 0..files[".meta"].len() {
        let mut damaged = files.clone();
        damaged.get_mut(".meta").unwrap()[at] ^= 0x20;
        let folder = super::restore(&damaged);
        let error =
            fixture.try_open(folder.path(), false, crate::hooks::Hooks::default()).unwrap_err();
        // Bytes 8 to 11 are the version of the layout: that one is newer then.
        let kind = if (8..12).contains(&at) { ErrorKind::Unsupported } else { ErrorKind::Corrupt };
        assert_eq!(error.kind(), kind, "byte {at}: {error}");
        assert!(error.hint_text().is_some());
        assert_eq!(snapshot(folder.path())[".meta"], damaged[".meta"]);
    }
    for missing in [".journal", "request_database.json"] {
        let mut damaged = files.clone();
        damaged.remove(missing).unwrap();
        let folder = super::restore(&damaged);
        let error =
            fixture.try_open(folder.path(), false, crate::hooks::Hooks::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{missing}: {error}");
        assert!(error.hint_text().is_some());
    }
}

/// Thousands of entities are checked on several threads; the first error in
/// the file is the one that is reported.
#[tokio::test]
async fn large_files_are_checked_like_small_ones() {
    let entity =
        |n: usize| format!(r#""m-{n:05}": {{"id": "m-{n:05}", "s": "{}"}}"#, "x".repeat(200));
    let mut entities: Vec<String> = (0..20_000).rev().map(entity).collect();
    let file = |entities: &[String]| format!("{{\"machines\": {{{}}}}}", entities.join(",\n"));
    let fixture = Fixture::single();
    fixture.write("request_database.json", &file(&entities));
    let records = super::all(&fixture.open_read_only()).await;
    assert_eq!(records.len(), 20_000);
    assert!(
        records
            .iter()
            .all(|(key, (_, d))| key.ends_with(d.as_ref().unwrap()["id"].as_str().unwrap()))
    );

    entities[15_000] = r#""bad": {"id": "x"}"#.to_owned();
    entities[7_000] = r#""worse": {"id": tru}"#.to_owned();
    let text = file(&entities);
    fixture.write("request_database.json", &text[..text.len() - 1]);
    let error = fixture.refused();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.context_value("pointer"), Some("/machines/worse/id"));
    let at = text.find("tru}").unwrap();
    assert_eq!(error.context_value("byte"), Some(at.to_string().as_str()));

    entities[7_000] = entity(12_999);
    entities[15_000] = entity(12_999);
    let text = file(&entities);
    fixture.write("request_database.json", &text);
    let error = fixture.refused();
    assert_eq!(error.context_value("pointer"), Some("/machines/m-12999"));
    let second = text.rfind(r#"{"id": "m-12999""#).unwrap();
    assert_eq!(error.context_value("byte"), Some(second.to_string().as_str()));
}

#[test]
fn wrong_text_is_told_by_line_column_and_cause() {
    for (value, line, column, text, cause) in [
        ("NaN", "3", "32", "NaN", "NaN"),
        ("1,", "3", "35", "1, }", "comma"),
        ("/* x */ 1", "3", "32", "/* x", "comments"),
    ] {
        let fixture = Fixture::single();
        let file = format!(
            "{{\n  \"machines\": {{\n    \"é\": {{\"id\": \"é\", \"number\": {value} }}\n  }}\n}}"
        );
        fixture.write("request_database.json", &file);
        let error = fixture.refused();
        let told = format!("{value}: {error:?}");
        assert_eq!(error.context_value("line"), Some(line), "{told}");
        assert_eq!(error.context_value("column"), Some(column), "{told}");
        assert!(error.context_value("text").unwrap().contains(text), "{told}");
        assert!(error.hint_text().unwrap().contains(cause), "{told}");
    }
    let fixture = Fixture::single();
    fixture.write("request_database.json", "\u{FEFF}{}");
    assert!(fixture.refused().hint_text().unwrap().contains("byte order mark"));
    fixture.write("request_database.json", "{\"machines\": {\"a\" 1}}");
    assert!(fixture.refused().hint_text().unwrap().contains("usual causes"));
}

#[test]
fn a_document_above_the_limit_is_told_with_both_figures_and_the_option() {
    let fixture = Fixture::single();
    let text = "x".repeat(400 * 1_024);
    let file = serde_json::json!({ "machines": { "a": { "id": "a", "text": text } } });
    fixture.write("request_database.json", &file.to_string());
    let error = fixture.refused();
    assert_eq!(error.context_value("limit"), Some("389120"), "{error:?}");
    let bytes: usize = error.context_value("bytes").unwrap().parse().unwrap();
    assert!(bytes > 400 * 1_024);
    assert!(error.hint_text().unwrap().contains("limits.max_entity_bytes"), "{error:?}");
}
