//! The derived strings that indexes are made of.
//!
//! DynamoDB refuses an item whose index key is null, empty or of another type,
//! and hides an item without one. So each live item has, for each index, two
//! strings that order as the values do: the tag of the type (the first byte of
//! a [`SortKey`] as a digit), then the text of a string or hexadecimal digits.

use repo_core::strategy::SortKey;
use repo_core::{Document, EntityId, Value};

use crate::layout::{Index, fnv};

/// A partition key has at most 2,048 bytes. Text in indexed fields has at most
/// 1,000, so nothing that the contract accepts is cut.
const MAX_HASH_BYTES: usize = 1_001;
/// A sort key has at most 1,024 bytes: room for the value and for the id.
const MAX_VALUE_BYTES: usize = 601;
const MAX_ID_BYTES: usize = 400;

/// Stands between value and id; sorts below every character of a document.
const SEPARATOR: char = '\0';
/// Sorts above [`SEPARATOR`] and below every other character.
pub(crate) const ABOVE_SEPARATOR: char = '\u{1}';

/// The tag of a string, see [`SortKey`].
const TEXT_TAG: u8 = 5;

/// The text form of a sort key; `None` for bytes that are none.
pub(crate) fn sort_text(key: &SortKey) -> Option<String> {
    let (tag, rest) = key.as_bytes().split_first()?;
    let tag_char = char::from(b'0'.checked_add(*tag).filter(u8::is_ascii_digit)?);
    let mut text = String::from(tag_char);
    if *tag == TEXT_TAG {
        text.push_str(std::str::from_utf8(rest).ok()?);
    } else {
        text.extend(rest.iter().map(|byte| format!("{byte:02x}")));
    }
    Some(text)
}

fn text_of(value: Option<&Value>) -> String {
    sort_text(&SortKey::of(value)).unwrap_or_default()
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// The partition key of a value.
pub(crate) fn hash_text(value: Option<&Value>) -> String {
    cut(text_of(value), MAX_HASH_BYTES)
}

/// What stands before the id in a sort key. Equal for values that agree in
/// their first 600 bytes, otherwise in the order of the values.
pub(crate) fn value_text(value: Option<&Value>) -> String {
    cut(text_of(value), MAX_VALUE_BYTES)
}

/// The same for a value's place, `None` for a place that no value has.
pub(crate) fn value_text_of_key(key: &SortKey) -> Option<String> {
    sort_text(key).map(|text| cut(text, MAX_VALUE_BYTES))
}

/// The id as it stands in a sort key beside a value.
fn id_text(id: &EntityId) -> String {
    if id.as_str().len() <= MAX_ID_BYTES {
        return id.as_str().to_owned();
    }
    let start = cut(id.as_str().to_owned(), MAX_ID_BYTES - 17);
    format!("{start}#{:016x}", fnv(id.as_str()))
}

/// Where an entity stands in an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexPlace {
    pub(crate) hash: String,
    pub(crate) range: String,
}

impl Index {
    /// The place of a document in this index.
    pub(crate) fn place(&self, id: &EntityId, document: &Document) -> IndexPlace {
        let value = |at: usize| self.fields.get(at).and_then(|path| document.get(path));
        let hash = hash_text(value(0).as_ref());
        let range = match self.fields.len() {
            0 | 1 => id.as_str().to_owned(),
            _ => format!("{}{SEPARATOR}{}", value_text(value(1).as_ref()), id_text(id)),
        };
        IndexPlace { hash, range }
    }
}

#[cfg(test)]
mod tests {
    use repo_core::{CollectionName, CollectionSchema, FieldPath};

    use super::*;

    fn index(fields: &[&str]) -> Index {
        let mut schema = CollectionSchema::undeclared(CollectionName::new("c").unwrap());
        schema.indexes = vec![fields.iter().map(|f| FieldPath::parse(f).unwrap()).collect()];
        Index::of_schema(&schema).remove(0)
    }

    fn place(fields: &[&str], id: &str, document: &str) -> IndexPlace {
        index(fields).place(&EntityId::new(id).unwrap(), &Document::parse(document).unwrap())
    }

    #[test]
    fn every_value_has_a_key_that_dynamodb_takes() {
        let long = "é".repeat(2_000);
        let id = "😀".repeat(255);
        for value in ["null", "\"\"", "[]", "{}", "true", "-1.5e-130", &format!("\"{long}\"")] {
            let document = format!("{{\"a\":{value},\"b\":{value}}}");
            for fields in [&["a"][..], &["a", "b"], &["missing", "missing"]] {
                let place = place(fields, &id, &document);
                assert!((1..=2_048).contains(&place.hash.len()), "{value}");
                assert!((1..=1_024).contains(&place.range.len()), "{value}");
            }
        }
    }

    #[test]
    fn places_order_as_values_and_then_ids() {
        let ordered = [
            "null", "false", "true", "-2", "-1.5", "0", "3", "20", "\"\"", "\"A\"", "\"a\"",
            "\"a b\"", "\"é\"", "[1]", "{}",
        ];
        let places: Vec<IndexPlace> = ordered
            .iter()
            .flat_map(|value| {
                ["i", "j"].map(|id| place(&["a", "b"], id, &format!("{{\"a\":1,\"b\":{value}}}")))
            })
            .collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        assert_eq!(place(&["a"], "i", "{\"a\":\"RUNNING\"}").hash, "5RUNNING");
    }

    #[test]
    fn equal_numbers_have_one_key() {
        assert_eq!(
            place(&["a"], "i", "{\"a\":1.50}").hash,
            place(&["a"], "i", "{\"a\":15e-1}").hash
        );
    }
}
