//! The time to live of entities: which field holds it, and whether it has passed.

use super::time_text;
use crate::{
    Comparison, Decimal, Document, EntityId, Error, ErrorKind, FieldPath, Filter, Predicate,
    Result, Timestamp, Value,
};

/// The last whole second of the year 9999, since 1970. What is later is most likely a number of
/// milliseconds.
const LAST_SECOND: i64 = 253_402_300_799;
/// The least text that can be a time. What sorts before it, as the empty text does, has not passed.
const FIRST_TEXT: &str = "0000-01-01T00:00:00";

/// Where the documents of a collection say until when they live: `x-repository.ttlField`.
///
/// The field holds a text in UTC (`2026-03-01T08:00:00Z`, with `+00:00` in the place of `Z`, with
/// up to nine digits of fractions), or a number of seconds since 1970-01-01T00:00:00Z, as its
/// declared type says. Fractions are cut: a time has passed when the whole second begins in
/// which it lies. An entity without the field, with null or with a value of another type lives
/// forever.
///
/// Whether a time has passed is a comparison that stores can do by themselves
/// ([`passed`](Self::passed)). A text that is no time is compared all the same; writes of it are
/// refused ([`check`](Self::check)).
///
/// ```
/// use repo_core::{CollectionSchema, Document, FieldKind, Timestamp};
///
/// let sessions = CollectionSchema::builder("sessions", "id")
///     .field("expires_at", FieldKind::Text, true)
///     .ttl_field("expires_at")
///     .build()?;
/// let expiry = sessions.expiry.as_ref().expect("it was declared");
/// let session = Document::parse(r#"{"id": "s", "expires_at": "2026-03-01T08:00:00.5Z"}"#)?;
/// let passed = |now: &str| Ok::<_, repo_core::Error>(expiry.has_passed(&session, Timestamp::parse(now)?));
/// assert!(!passed("2026-03-01T07:59:59.999999Z")?);
/// assert!(passed("2026-03-01T08:00:00Z")?);
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    field: FieldPath,
    kind: TimeKind,
}

/// What a time is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeKind {
    /// RFC 3339 in UTC.
    Text,
    /// Seconds since 1970.
    Seconds,
}

impl Expiry {
    pub(super) fn text(field: FieldPath) -> Self {
        Self { field, kind: TimeKind::Text }
    }

    pub(super) fn seconds(field: FieldPath) -> Self {
        Self { field, kind: TimeKind::Seconds }
    }

    /// The field, at the top of the document.
    #[must_use]
    pub fn field(&self) -> &FieldPath {
        &self.field
    }

    /// The filter that those entities match whose time has passed. Entities with the field
    /// missing or null do not.
    #[must_use]
    pub fn passed(&self, now: Timestamp) -> Filter {
        let next = now.as_micros().div_euclid(1_000_000) + 1;
        let compare = |comparison, value| {
            Filter::Field(self.field.clone(), Predicate::Compare(comparison, value))
        };
        match self.kind {
            TimeKind::Seconds => compare(Comparison::Less, Value::Number(Decimal::from(next))),
            TimeKind::Text => Filter::And(vec![
                compare(Comparison::GreaterOrEqual, Value::String(FIRST_TEXT.to_owned())),
                compare(Comparison::Less, Value::String(time_text::second(next, now))),
            ]),
        }
    }

    /// The filter that all other entities match.
    #[must_use]
    pub fn not_passed(&self, now: Timestamp) -> Filter {
        Filter::Not(Box::new(self.passed(now)))
    }

    /// Whether the time of a document has passed.
    #[must_use]
    pub fn has_passed(&self, document: &Document, now: Timestamp) -> bool {
        self.passed(now).matches(document)
    }

    /// Whether a document says a time, as a write has to. One without the field, or with null,
    /// says none.
    #[must_use]
    pub fn is_said(&self, document: &Document) -> bool {
        match (document.get(&self.field), self.kind) {
            (Some(Value::String(text)), TimeKind::Text) => time_text::is_time(&text),
            (Some(Value::Number(seconds)), TimeKind::Seconds) => {
                (Decimal::from(0)..=Decimal::from(LAST_SECOND)).contains(&seconds)
            }
            _ => false,
        }
    }

    /// The time that a document says, if it says one that [`Timestamp`] can hold.
    #[must_use]
    pub fn time(&self, document: &Document) -> Option<Timestamp> {
        match (document.get(&self.field)?, self.kind) {
            (Value::String(text), TimeKind::Text) if time_text::is_time(&text) => {
                Timestamp::parse(&text).ok()
            }
            (Value::Number(seconds), TimeKind::Seconds) => {
                Timestamp::from_micros(seconds.to_i64()?.checked_mul(1_000_000)?).ok()
            }
            _ => None,
        }
    }

    /// Checks that a document says a time, or says that it lives forever: by null, or by leaving
    /// the field out.
    ///
    /// # Errors
    /// `Invalid`, with id and JSON Pointer, for any other value.
    pub fn check(&self, id: &EntityId, document: &Document) -> Result<()> {
        let forever = matches!(document.get_text(&self.field), None | Some("null"));
        if forever || self.is_said(document) {
            return Ok(());
        }
        let why = "the field with the time to live holds no time";
        let hint = match self.kind {
            TimeKind::Text => "write a time in UTC, such as 2026-03-01T08:00:00Z, or null for none",
            TimeKind::Seconds => {
                "write seconds since 1970-01-01T00:00:00Z (not milliseconds), such as \
                 1772352000, or null for no time"
            }
        };
        Err(Error::new(ErrorKind::Invalid, "check a document", why)
            .with("id", id)
            .with("pointer", self.field.to_pointer())
            .hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn held(value: &str) -> Document {
        Document::parse(&format!(r#"{{"id": "a", "until": {value}}}"#)).unwrap()
    }

    fn until() -> FieldPath {
        FieldPath::parse("until").unwrap()
    }

    #[test]
    fn a_text_has_passed_when_its_second_begins() {
        let expiry = Expiry::text(until());
        let second = "2026-12-31T23:59:59";
        for ending in ["Z", "+00:00", ".0Z", ".999999999Z", ".000001+00:00"] {
            let document = held(&format!("\"{second}{ending}\""));
            assert!(expiry.is_said(&document), "{ending}");
            assert!(!expiry.has_passed(&document, time("2026-12-31T23:59:58.999999Z")));
            for now in ["2026-12-31T23:59:59Z", "2026-12-31T23:59:59.9Z", "2027-01-01T00:00:00Z"] {
                assert!(expiry.has_passed(&document, time(now)), "{ending} at {now}");
            }
        }
    }

    #[test]
    fn seconds_have_passed_when_they_begin() {
        let expiry = Expiry::seconds(until());
        let (before, then) = (time("2001-09-09T01:46:39.999999Z"), time("2001-09-09T01:46:40Z"));
        for seconds in ["1000000000", "1000000000.75", "1e9"] {
            let document = held(seconds);
            assert!(expiry.is_said(&document), "{seconds}");
            assert!(!expiry.has_passed(&document, before), "{seconds}");
            assert!(expiry.has_passed(&document, then), "{seconds}");
        }
    }

    #[test]
    fn what_is_no_time_of_the_kind_lives_forever() {
        let end = time("9999-12-30T21:00:00Z");
        for value in ["null", "true", "[]", "{}", "1000000000", "\"\"", "\"never\""] {
            assert!(!Expiry::text(until()).has_passed(&held(value), end), "{value}");
        }
        for value in ["null", "true", "[]", "{}", "\"2026-01-01T00:00:00Z\""] {
            assert!(!Expiry::seconds(until()).has_passed(&held(value), end), "{value}");
        }
        let missing = Document::parse(r#"{"id": "a"}"#).unwrap();
        for expiry in [Expiry::text(until()), Expiry::seconds(until())] {
            assert!(!expiry.has_passed(&missing, end));
            assert!(expiry.not_passed(end).matches(&missing));
        }
    }

    #[test]
    fn a_time_can_be_read() {
        let (text, seconds) = (Expiry::text(until()), Expiry::seconds(until()));
        let then = time("2001-09-09T01:46:40Z");
        assert_eq!(seconds.time(&held("1000000000")), Some(then));
        assert_eq!(text.time(&held("\"2001-09-09T01:46:40+00:00\"")), Some(then));
        assert_eq!(text.time(&held("\"2001-09-09T03:46:40+02:00\"")), None);
        for none in ["null", "\"soon\"", "true", "9223372036854775807"] {
            assert_eq!(text.time(&held(none)), None, "{none}");
            assert_eq!(seconds.time(&held(none)), None, "{none}");
        }
    }

    #[test]
    fn writes_have_to_say_a_time_or_none() {
        let id = EntityId::new("a").unwrap();
        let missing = Document::parse(r#"{"id": "a"}"#).unwrap();
        for expiry in [Expiry::text(until()), Expiry::seconds(until())] {
            expiry.check(&id, &missing).unwrap();
            expiry.check(&id, &held("null")).unwrap();
        }
        for text in ["2026-03-01T08:00:00.25Z", "9999-12-31T23:59:59Z"] {
            Expiry::text(until()).check(&id, &held(&format!("\"{text}\""))).unwrap();
        }
        Expiry::seconds(until()).check(&id, &held("253402300799")).unwrap();
        for wrong in [
            "\"\"",
            "\"soon\"",
            "\"2026-03-01\"",
            "\"2026-03-01T08:00:00\"",
            "\"2026-03-01T08:00:00+01:00\"",
            "\"2026-03-01t08:00:00Z\"",
            "\"2026-03-01 08:00:00Z\"",
            "\"2026-13-01T08:00:00Z\"",
            "\"2026-03-01T08:00:00.Z\"",
            "\"2026-03-01T08:00:00.1234567890Z\"",
            "1772352000",
            "false",
            "{}",
        ] {
            let error = Expiry::text(until()).check(&id, &held(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{wrong}");
            assert_eq!(error.context_value("pointer"), Some("/until"));
            assert!(error.hint_text().is_some_and(|hint| hint.contains("UTC")), "{error}");
        }
        // The next to last one is in milliseconds.
        for wrong in ["-1", "253402300800", "1772352000000", "\"1772352000\""] {
            let error = Expiry::seconds(until()).check(&id, &held(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{wrong}");
            assert!(error.hint_text().is_some_and(|hint| hint.contains("seconds")), "{error}");
        }
    }
}
