//! Lines of `mongoexport`, imported.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use crate::cli_support::{Place, STORES};
use serde_json::{Value as Json, json};

const SCHEMA: &str = r#"{"type": "object",
    "x-repository": {"collection": "hosts", "idField": "host_id"}}"#;

/// One document as `--jsonFormat=canonical` writes it, and as the default does.
const CANONICAL: &str = concat!(
    r#"{"_id":{"$oid":"5d505646cf6d4fe581014ab2"},"cores":{"$numberInt":"8"},"#,
    r#""bytes":{"$numberLong":"9007199254740993"},"load":{"$numberDouble":"0.1"},"#,
    r#""price":{"$numberDecimal":"1234567890.123456789012345678901234"},"#,
    r#""at":{"$date":{"$numberLong":"1772352000500"}},"up":true,"note":null,"#,
    r#""tags":[{"$numberInt":"1"},{"k":{"$oid":"5d505646cf6d4fe581014ab3"}}],"#,
    r#""uuid":{"$binary":{"base64":"c//SZESzTGmQ6OfR38A11A==","subType":"04"}}}"#,
);
const RELAXED: &str = concat!(
    r#"{"_id":{"$oid":"5d505646cf6d4fe581014ab2"},"cores":8,"bytes":9007199254740993,"#,
    r#""load":0.1,"price":{"$numberDecimal":"1234567890.123456789012345678901234"},"#,
    r#""at":{"$date":"2026-03-01T08:00:00.5Z"},"up":true,"note":null,"#,
    r#""tags":[1,{"k":{"$oid":"5d505646cf6d4fe581014ab3"}}],"#,
    r#""uuid":{"$binary":{"base64":"c//SZESzTGmQ6OfR38A11A==","subType":"04"}}}"#,
);

fn place() -> Place {
    let place = Place::new();
    place.write("schemas/hosts.schema.json", SCHEMA);
    place
}

fn document() -> Json {
    json!({
        "host_id": "5d505646cf6d4fe581014ab2", "cores": 8, "load": 0.1, "up": true, "note": null,
        "at": "2026-03-01T08:00:00.500000Z",
        "tags": [1, {"k": "5d505646cf6d4fe581014ab3"}],
        "uuid": "73ffd264-44b3-4c69-90e8-e7d1dfc035d4",
    })
}

#[test]
fn canonical_and_relaxed_lines_become_the_same_document_in_each_store() {
    for store in STORES {
        let place = place();
        if store.starts_with("postgresql") {
            place.postgres();
        }
        let stores = format!("--store {store} --schemas schemas");
        place.line(&format!("init {stores}")).ok();
        let import = format!("import hosts --from mongoexport {stores} --format json");
        for (line, version) in [(CANONICAL, 1), (RELAXED, 2)] {
            let done = place.run_with_input(&import, &format!("{line}\n")).ok().json();
            assert_eq!(done["saved"], 1, "{done}");
            let words = format!("get hosts 5d505646cf6d4fe581014ab2 {stores} --format json");
            let got = place.line(&words).ok();
            // No digit went through a binary number.
            let got = got.prints("1234567890.123456789012345678901234").prints("9007199254740993");
            let mut found = got.json();
            assert_eq!(found["_version"], version);
            let fields = found.as_object_mut().unwrap();
            fields.retain(|name, _| !name.starts_with('_') && name != "price" && name != "bytes");
            assert_eq!(found, document(), "{store}");
        }
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_ends_the_import() {
    let place = place();
    let stores = "--store json:data --schemas schemas";
    place.line(&format!("init {stores}")).ok();
    let import = format!("import hosts --from mongoexport --batch-size 1 {stores}");
    for (line, pointer, why) in [
        (r#"{"_id":"b","x":{"$numberDouble":"NaN"}}"#, "/x", "NaN has no form in JSON"),
        (r#"{"_id":"b","x":[{"$minKey":1}]}"#, "/x/0", "the smallest key"),
        (r#"{"_id":{"$oid":"b"},"x":}"#, "/x", "JSON"),
        (r#"{"x":1}"#, "/host_id", "the document has no id"),
        (r#"[{"_id":"b"}]"#, "", "--jsonArray"),
    ] {
        let run = place.run_with_input(&import, &format!("{{\"_id\":\"a\"}}\n{line}\n")).ends(1);
        let run = run.complains("line: 2").complains(why);
        assert!(run.stderr.contains(&format!("pointer: {pointer}")), "{run:#?}");
    }
    assert_eq!(place.line(&format!("count hosts {stores}")).ok().stdout, "1\n");
    // Without the flag a line is a document as it stands, and this one has no id.
    let run = place.run_with_input(&format!("import hosts {stores}"), CANONICAL);
    run.ends(1).complains("host_id");
    place.line(&format!("import hosts --from mongodump {stores}")).ends(2).complains("mongoexport");
}
