use super::*;
use crate::existing::iso_time;
use crate::existing::table::{Column, Reading, SqlKind};

fn column(reading: Reading, kind: SqlKind, nullable: bool) -> Column {
    Column {
        name: "c".to_owned(),
        sql_type: "TEXT".to_owned(),
        kind,
        field: "c".to_owned(),
        key: "\"c\":".to_owned(),
        reading,
        nullable,
    }
}

fn said(reading: Reading, cell: &Cell<'_>) -> std::result::Result<Option<String>, String> {
    let said = column(reading, SqlKind::Plain, true).json(cell);
    said.map(|said| said.map(written))
}

fn written(said: Said<'_>) -> String {
    let mut text = String::new();
    said.push(&mut text);
    text
}

fn text(text: &str) -> Cell<'_> {
    Cell::Text(text.into())
}

fn numeral(text: &str) -> Cell<'_> {
    Cell::Number(text.into())
}

#[test]
fn a_value_becomes_what_the_schema_says() {
    let several = |structures| Reading::Several { structures };
    for (reading, cell, json) in [
        (Reading::Text, text("a\"\n"), r#""a\"\n""#),
        (Reading::Text, numeral("7"), "\"7\""),
        (Reading::Text, Cell::Boolean(true), "\"true\""),
        (Reading::Number, numeral("12345678901234567890.10"), "12345678901234567890.10"),
        (Reading::Number, text(" 0.10 "), "0.10"),
        (Reading::Number, Cell::Boolean(true), "1"),
        (Reading::Boolean, numeral("1"), "true"),
        (Reading::Boolean, text("False"), "false"),
        (Reading::Boolean, Cell::Boolean(false), "false"),
        (Reading::Structure, text("{\"a\": [1.10]}"), "{\"a\": [1.10]}"),
        (Reading::Structure, text("null"), "null"),
        (Reading::Structure, Cell::Json("[1]".into()), "[1]"),
        (several(false), text("{}"), "\"{}\""),
        (several(false), numeral("5"), "5"),
        (several(true), text(" [1]"), " [1]"),
        (several(true), text("[1"), "\"[1\""),
        (several(true), text("7"), "\"7\""),
        (Reading::AsStored, text("{}"), "\"{}\""),
        (Reading::AsStored, numeral("1"), "1"),
        (Reading::AsStored, Cell::Boolean(true), "true"),
    ] {
        assert_eq!(said(reading, &cell), Ok(Some(json.to_owned())), "{reading:?} {cell:?}");
    }
}

#[test]
fn what_the_schema_does_not_know_is_as_the_database_declares_it() {
    let declared = |kind, cell: &Cell<'_>| {
        let said = column(Reading::AsStored, kind, false).json(cell);
        said.map(|said| said.map(written))
    };
    assert_eq!(declared(SqlKind::Boolean, &numeral("0")), Ok(Some("false".to_owned())));
    assert_eq!(declared(SqlKind::Json, &text("{\"a\":1}")), Ok(Some("{\"a\":1}".to_owned())));
    assert!(declared(SqlKind::Json, &text("{")).is_err());
    assert_eq!(declared(SqlKind::Plain, &Cell::Null), Ok(None));
}

#[test]
fn what_does_not_fit_is_never_guessed() {
    for (reading, cell, why) in [
        (Reading::Number, text("cheap"), "holds none"),
        (Reading::Number, text(""), "holds none"),
        (Reading::Number, numeral("NaN"), "holds none"),
        (Reading::AsStored, numeral("1e200"), "outside"),
        (Reading::Boolean, numeral("2"), "neither"),
        (Reading::Structure, text("{\"a\":"), "not"),
        (Reading::Structure, text(""), "not"),
        (Reading::Structure, text("1,\"status\":\"x\""), "not"),
        (Reading::Text, Cell::Unsayable("bytes", b"\xff".into()), "bytes"),
    ] {
        let error = said(reading, &cell).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert!(said(Reading::Number, &numeral(&"9".repeat(39))).unwrap_err().contains("38"));
}

#[test]
fn times_are_written_as_in_the_files() {
    for (sql, json) in [
        ("2026-03-01 08:00:00", "2026-03-01T08:00:00"),
        ("2026-03-01 08:00:00.5", "2026-03-01T08:00:00.500000"),
        ("2026-03-01 08:00:00.191405+00", "2026-03-01T08:00:00.191405Z"),
        ("2026-03-01 08:00:00+02:00", "2026-03-01T08:00:00+02:00"),
        ("2026-03-01 08:00:00 BC", "2026-03-01 08:00:00 BC"),
        ("2026-03-01 08:00:00.", "2026-03-01 08:00:00."),
        ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
        ("infinity", "infinity"),
        ("", ""),
        ("2026-03-01 08:00:0ü", "2026-03-01 08:00:0ü"),
    ] {
        assert_eq!(iso_time(sql), json);
    }
}
