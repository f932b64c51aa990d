use repo_core::ErrorKind;

use super::*;

fn schema(id: &str) -> CollectionSchema {
    CollectionSchema::parse(&format!(
        r#"{{"x-repository": {{"collection": "machines", "idField": "{id}"}}}}"#
    ))
    .unwrap()
}

fn read(line: &str, id: &str) -> Result<(String, String)> {
    match parse(line.as_bytes(), 7, &schema(id))? {
        Line::Document { id, document } => Ok((id.to_string(), document.to_string())),
        Line::Record(record) => panic!("{record:?}"),
    }
}

/// The value of `v`, read as canonical or relaxed.
fn value(text: &str) -> Result<String> {
    let (_, document) = read(&format!(r#"{{"_id":"a","v":{text}}}"#), "_id")?;
    let value = document.strip_prefix(r#"{"_id":"a","v":"#).unwrap();
    Ok(value.strip_suffix('}').unwrap().to_owned())
}

#[test]
fn every_type_with_a_form_in_json_is_read_exactly() {
    for (text, expected) in [
        (r#"{"$numberInt": "-42"}"#, "-42"),
        (r#"{"$numberLong": "9223372036854775807"}"#, "9223372036854775807"),
        (r#"{"$numberDouble": "0.1"}"#, "0.1"),
        (r#"{"$numberDouble": "1.0E+20"}"#, "100000000000000000000"),
        (r#"{"$numberDouble": "-0.0"}"#, "0"),
        (
            r#"{"$numberDecimal": "1234567890.123456789012345678901234"}"#,
            "1234567890.123456789012345678901234",
        ),
        (r#"{"$numberDecimal": "1.50"}"#, "1.5"),
        (r#"{"$numberDecimal": "0E-6176"}"#, "0"),
        (r#"{"$date": "2026-03-01T08:00:00.5Z"}"#, r#""2026-03-01T08:00:00.500000Z""#),
        (r#"{"$date": "2026-03-01T09:00:00+01:00"}"#, r#""2026-03-01T08:00:00.000000Z""#),
        (r#"{"$date": {"$numberLong": "1772352000001"}}"#, r#""2026-03-01T08:00:00.001000Z""#),
        (r#"{"$date": {"$numberLong": "-1"}}"#, r#""1969-12-31T23:59:59.999000Z""#),
        (r#"{"$oid": "5d505646cf6d4fe581014ab2"}"#, r#""5d505646cf6d4fe581014ab2""#),
        (r#"{"$symbol": "s"}"#, r#""s""#),
        (r#"{"$timestamp": {"t": 1565545664, "i": 1}}"#, r#"{"i":1,"t":1565545664}"#),
        (
            r#"{"$binary": {"base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "04"}}"#,
            r#""73ffd264-44b3-4c69-90e8-e7d1dfc035d4""#,
        ),
        (r#"{"$ref": "c", "$id": {"$numberInt": "1"}}"#, r#"{"$id":1,"$ref":"c"}"#),
        (r#"[{"$numberInt": "1"}, {"a": {"$oid": "x"}}, 2.50]"#, r#"[1,{"a":"x"},2.5]"#),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1e-3", "0.001"),
    ] {
        assert_eq!(value(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_has_no_form_in_json_is_refused_by_its_place() {
    for (text, at) in [
        (r#"{"$numberDouble": "NaN"}"#, "/v"),
        (r#"{"a/b": [1, {"$numberDecimal": "Infinity"}]}"#, "/v/a~1b/1"),
        (r#"{"$numberDecimal": "1E+6111"}"#, "/v"),
        (r#"{"$numberLong": "1.5"}"#, "/v"),
        (r#"{"$numberInt": 1}"#, "/v"),
        (r#"{"$date": 1}"#, "/v"),
        (r#"{"$date": "yesterday"}"#, "/v"),
        (r#"{"$date": {"$numberLong": "9223372036854775807"}}"#, "/v"),
        (r#"{"$date": {"$numberLong": "-99999999999999"}}"#, "/v"),
        (r#"{"$binary": {"base64": "AA==", "subType": "00"}}"#, "/v"),
        (r#"{"$regularExpression": {"pattern": "a", "options": ""}}"#, "/v"),
        (r#"{"$minKey": 1}"#, "/v"),
        (r#"{"$code": "f()", "$scope": {}}"#, "/v"),
        (r#"{"$undefined": true}"#, "/v"),
        (r#"{"$oid": "x", "other": 1}"#, "/v"),
        (r#"{"$unknown": 1}"#, "/v"),
        ("1e300", "/v"),
    ] {
        let error = value(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
        assert_eq!(error.context_value("line"), Some("7"), "{text}");
        assert_eq!(error.context_value("pointer"), Some(at), "{text}: {error}");
    }
}

#[test]
fn the_id_is_where_the_collection_has_it() {
    for (line, id, document) in [
        (r#"{"_id":{"$oid":"5d50"},"a":1}"#, "5d50", r#"{"a":1,"id":"5d50"}"#),
        (r#"{"_id":{"$numberLong":"7"}}"#, "7", r#"{"id":"7"}"#),
        (r#"{"_id":"x","id":"x"}"#, "x", r#"{"id":"x"}"#),
        (r#"{"_id":{"$oid":"5d50"},"id":"x"}"#, "x", r#"{"_id":"5d50","id":"x"}"#),
        (r#"{"id":5}"#, "5", r#"{"id":"5"}"#),
    ] {
        let found = read(line, "id").unwrap();
        assert_eq!(found, (id.to_owned(), document.to_owned()), "{line}");
    }
    assert_eq!(read(r#"{"_id":1}"#, "_id").unwrap().1, r#"{"_id":"1"}"#);
    for line in [r#"{"a":1}"#, r#"{"_id":{"a":1}}"#, r#"{"_id":1.5}"#] {
        let error = read(line, "id").unwrap_err();
        assert_eq!(error.context_value("pointer"), Some("/id"), "{line}: {error}");
    }
}

#[test]
fn what_is_no_line_says_how_to_write_one() {
    for line in [r#"[{"_id":1},"#, "[", "{", r#"{"_id": 1,"#] {
        let error = read(line, "id").unwrap_err();
        assert!(error.hint_text().unwrap().contains("--jsonArray"), "{line}: {error:?}");
    }
    let error = read(r#"{"_id":1} x"#, "id").unwrap_err();
    assert_eq!(error.context_value("byte"), Some("10"), "{error}");
    assert!(error.hint_text().is_none());
    let error = parse(b"{\"_id\":\"\xFF\"}", 1, &schema("id")).unwrap_err();
    assert_eq!(error.context_value("byte"), Some("8"), "{error}");
}
