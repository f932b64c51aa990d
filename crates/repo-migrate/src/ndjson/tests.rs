use super::*;

fn schema() -> CollectionSchema {
    CollectionSchema::undeclared("machines".parse().unwrap())
}

fn live(text: &str, version: u64) -> Record {
    let document = Document::parse(text).unwrap();
    Record::Live(Entity {
        collection: schema().collection,
        id: schema().id_of(&document).unwrap(),
        version: Version::new(version).unwrap(),
        created_at: Timestamp::from_micros(1).unwrap(),
        updated_at: Timestamp::from_micros(1_772_352_000_000_007).unwrap(),
        document,
    })
}

fn tombstone(id: &str) -> Record {
    Record::Tombstone(Tombstone {
        collection: schema().collection,
        id: EntityId::new(id).unwrap(),
        version: Version::new(Version::MAX).unwrap(),
        deleted_at: Timestamp::from_micros(5).unwrap(),
    })
}

fn line(record: &Record) -> String {
    let mut out = Vec::new();
    write(record, &schema(), &mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(text: &str) -> Result<Line> {
    parse(text.as_bytes(), 7, &schema())
}

#[test]
fn a_live_entity_is_its_own_text_with_metadata_at_the_end() {
    let record = live(r#"{"id":"m-1","price":1.50,"n":1e2,"s":"\u0041"}"#, 3);
    assert_eq!(
        line(&record),
        "{\"id\":\"m-1\",\"price\":1.50,\"n\":1e2,\"s\":\"\\u0041\",\"_version\":3,\
         \"_created_at\":\"1970-01-01T00:00:00.000001Z\",\
         \"_updated_at\":\"2026-03-01T08:00:00.000007Z\"}\n"
    );
}

#[test]
fn records_come_back_with_every_character() {
    let texts = [
        r#"{"id":"m-1","price":1.50,"big":12345678901234567890123456789012345678,"e":-1E-130}"#,
        r#"{"id":"\",\"_version\":9,\"x\":\"","s":"\ud83d\ude00 \u0041 \\ \/"}"#,
        r#"{"id":"a/~b'\"😀","o":{"_version":1,"_created_at":"x","_updated_at":"y"}}"#,
        r#"{"z":[{"a":[[]]},{}],"id":"x"}"#,
    ];
    for text in texts {
        let record = live(text, 3);
        let Line::Record(back) = parsed(&line(&record)).unwrap() else { panic!("{text}") };
        assert_eq!(back, record);
        assert_eq!(back.document().unwrap().as_str(), text);
    }
    for id in ["t-1", "\"quoted\\\"", "/~ 😀", &"é".repeat(255)] {
        let record = tombstone(id);
        assert_eq!(parsed(&line(&record)).unwrap(), Line::Record(record));
    }
}

#[test]
fn metadata_may_stand_anywhere_and_be_escaped() {
    let text = "{ \"_created_at\": \"1970-01-01T00:00:00.000001Z\" , \"a\" : [1, {\"b\": 1.0}],\
                \t\"\\u005fversion\" : 3.0e0 , \"id\":\"m-1\",\
                \"_updated_at\":\"2026-03-01T09:00:00.000007+01:00\",\"_deleted\":false } ";
    let Line::Record(record) = parsed(text).unwrap() else { panic!() };
    assert_eq!(record.document().unwrap().as_str(), r#"{"a":[1,{"b":1.0}],"id":"m-1"}"#);
    assert_eq!(record, live(r#"{"a":[1,{"b":1.0}],"id":"m-1"}"#, 3));
}

#[test]
fn a_document_without_version_is_to_be_saved() {
    let document = Document::parse(r#"{"id":"m-1","n":1.0}"#).unwrap();
    let Line::Document { id, document: read } = parsed(r#"{"id": "m-1", "n": 1.0}"#).unwrap()
    else {
        panic!()
    };
    assert_eq!((id.as_str(), read.as_str()), ("m-1", document.as_str()));
}

#[test]
fn a_broken_line_is_refused_with_its_place() {
    let t = r#""_created_at":"1970-01-01T00:00:00Z","_updated_at":"1970-01-01T00:00:00Z""#;
    let cases = [
        ("", "", "too early"),
        ("[]", "", "a JSON object"),
        ("{\"id\":\"a\"", "", "too early"),
        ("{\"id\":\"a\"} x", "", "text after"),
        ("{\"id\":\"a\",\"x\":{\"y\":[0,1e999]}}", "/x/y/1", "outside"),
        ("{\"id\":\"a\",\"id\":\"b\"}", "/id", "twice"),
        ("{\"x\":1}", "/id", "missing"),
        ("{\"id\":7}", "/id", "not a string"),
        (
            "{\"id\":\"a\",\"_created_at\":\"1970-01-01T00:00:00Z\"}",
            "/_created_at",
            "needs _version",
        ),
        ("{\"id\":\"a\",\"_deleted\":true}", "/_deleted", "needs _version"),
        (&format!("{{\"id\":\"a\",\"_version\":0,{t}}}"), "/_version", "whole number from 1"),
        (&format!("{{\"id\":\"a\",\"_version\":1.5,{t}}}"), "/_version", "whole number"),
        (&format!("{{\"id\":\"a\",\"_version\":9223372036854775808,{t}}}"), "/_version", "whole"),
        (&format!("{{\"id\":\"a\",\"_version\":\"1\",{t}}}"), "/_version", "whole number"),
        (&format!("{{\"id\":\"a\",\"_version\":1,\"_version\":1,{t}}}"), "/_version", "twice"),
        (&format!("{{\"_version\":1,\"id\":\"a\",\"_version\":1,{t}}}"), "/_version", "twice"),
        (
            "{\"id\":\"a\",\"_version\":1,\"_updated_at\":\"1970-01-01T00:00:00Z\"}",
            "/_created_at",
            "as well",
        ),
        (
            "{\"id\":\"a\",\"_version\":1,\"_created_at\":\"1970-01-01T00:00:00Z\"}",
            "/_updated_at",
            "as well",
        ),
        (
            "{\"id\":\"a\",\"_version\":1,\"_created_at\":\"soon\",\"_updated_at\":\"later\"}",
            "/_created_at",
            "RFC 3339",
        ),
        (
            &format!("{{\"id\":\"a\",\"_version\":1,{t},\"_deleted\":1}}"),
            "/_deleted",
            "true or false",
        ),
        (
            &format!("{{\"id\":\"a\",\"_version\":1,{t},\"_deleted\":true}}"),
            "/_created_at",
            "only its id",
        ),
        (
            "{\"_version\":1,\"_updated_at\":\"1970-01-01T00:00:00Z\",\"_deleted\":true}",
            "/id",
            "missing",
        ),
        (
            "{\"id\":\"\",\"_version\":1,\"_updated_at\":\"1970-01-01T00:00:00Z\",\"_deleted\":true}",
            "/id",
            "not empty",
        ),
    ];
    for (text, pointer, why) in cases {
        let error = parsed(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert_eq!(error.context_value("line"), Some("7"), "{text}");
        assert_eq!(error.context_value("pointer"), Some(pointer), "{text}: {error}");
        assert!(error.message().contains(why), "{text}: {error}");
    }
    let error = parse(b"{\"id\":\"\xff\"}", 2, &schema()).unwrap_err();
    assert_eq!(error.context_value("byte"), Some("7"));
}

#[test]
fn the_id_field_of_the_schema_names_a_tombstone() {
    let schema = CollectionSchema::parse(
        r#"{"x-repository":{"collection":"machines","idField":"machine \"id\""}}"#,
    )
    .unwrap();
    let mut out = Vec::new();
    let record = tombstone("t-1");
    write(&record, &schema, &mut out);
    assert!(out.starts_with(br#"{"machine \"id\"":"t-1","_version":"#));
    assert_eq!(parse(&out, 1, &schema).unwrap(), Line::Record(record));
}

#[test]
fn a_damaged_line_is_refused_or_still_means_one_record() {
    let records =
        [live(r#"{"id":"m-1","s":"a\"b😀","n":[1.50,{"_version":1}]}"#, 3), tombstone("t-1")];
    for record in &records {
        let mut good = Vec::new();
        write(record, &schema(), &mut good);
        good.pop();
        for at in 0..good.len() {
            for byte in *b"\"\\{}[],:0a_ \x00\xff" {
                let mut bad = good.clone();
                bad[at] = byte;
                let Ok(Line::Record(read)) = parse(&bad, 1, &schema()) else { continue };
                let mut again = Vec::new();
                write(&read, &schema(), &mut again);
                assert_eq!(parse(&again, 1, &schema()).unwrap(), Line::Record(read));
            }
            assert!(parse(&good[..at], 1, &schema()).is_err());
        }
    }
}
