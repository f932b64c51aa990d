//! Conditions on strings.

use repo_core::Value;

use super::condition::Condition;
use super::pusher::{Place, Pusher};
use crate::Dialect;
use crate::bind::Param;
use crate::dialect::ColumnKind;
use crate::expression::JsonType;

impl Pusher<'_> {
    /// As a range, which an index serves: the strings that begin with `start`
    /// are those from it up to the next string of its length.
    pub(super) fn begins_with(&mut self, place: &Place<'_>, start: &str) -> Condition {
        let end = after_prefix(start);
        self.text_condition(place, |pusher, column| {
            let low = pusher.binder.text(start);
            match &end {
                None => format!("{column} >= {low}"),
                Some(end) => {
                    let high = pusher.binder.text(end);
                    format!("({column} >= {low} AND {column} < {high})")
                }
            }
        })
    }

    pub(super) fn contains(&mut self, place: &Place<'_>, value: &Value) -> Condition {
        let Some(part) = value.as_str() else {
            return Condition::wider(self.has_type(place, JsonType::Array));
        };
        let at = self.at(place);
        let part = self.binder.text(part);
        let is_array = self.dialect.has_type(&at, &[JsonType::Array]);
        let in_text =
            self.dialect.holds_text(&self.dialect.typed_value(ColumnKind::Text, &at), &part);
        let in_array = self.dialect.array_holds_text(&at, &part);
        Condition::exact(format!("({in_text} OR ({is_array} AND {in_array}))"))
    }

    pub(super) fn equals_text(&mut self, place: &Place<'_>, text: &str) -> Condition {
        if let (Dialect::Postgres, Some((column, ColumnKind::Scalar))) =
            (self.dialect, &place.column)
        {
            let text = self.binder.text(text);
            let sql = format!("{column} = to_jsonb({text}::text)");
            return Condition::exact(sql).searching(column);
        }
        self.text_condition(place, |pusher, column| {
            let text = pusher.binder.text(text);
            format!("{column} = {text}")
        })
    }

    /// Whether the string is one of `texts`, which go into one list, so that
    /// the statement does not grow with them.
    pub(super) fn one_of_texts(&mut self, place: &Place<'_>, texts: Vec<String>) -> Condition {
        let list = |pusher: &mut Self| pusher.binder.bind(Param::Texts(texts));
        match (self.dialect, &place.column) {
            (Dialect::Sqlite, _) => self.text_condition(place, |pusher, column| {
                let list = list(pusher);
                format!("{column} IN (SELECT \"value\" FROM json_each({list}))")
            }),
            (Dialect::Postgres, Some((column, ColumnKind::Scalar))) => {
                let list = list(self);
                let values = format!("ARRAY(SELECT to_jsonb(t) FROM unnest({list}::text[]) AS t)");
                Condition::exact(format!("{column} = ANY({values})")).searching(column)
            }
            (Dialect::Postgres, _) => self.text_condition(place, |pusher, column| {
                let list = list(pusher);
                format!("{column} = ANY({list}::text[])")
            }),
        }
    }

    /// A condition on the string at `place`: on its column where that holds
    /// strings, else on the document.
    pub(super) fn text_condition(
        &mut self,
        place: &Place<'_>,
        condition: impl FnOnce(&mut Self, &str) -> String,
    ) -> Condition {
        match (self.dialect, &place.column) {
            (_, Some((column, ColumnKind::Text))) => {
                // A tombstone keeps its id.
                let only_live = !place.is_id;
                let sql = condition(self, column);
                Condition { only_live, ..Condition::exact(sql).searching(column) }
            }
            // A number in the column is less than any string.
            (Dialect::Sqlite, Some((column, ColumnKind::Scalar))) => {
                let sql = condition(self, column);
                let is_text = self.has_type(place, JsonType::Text);
                Condition::exact(format!("({sql} AND {is_text})")).searching(column)
            }
            _ => {
                let at = self.at(place);
                let value = self.dialect.typed_value(ColumnKind::Text, &at);
                let sql = condition(self, &self.dialect.by_bytes(&value));
                Condition::exact(format!("({sql})"))
            }
        }
    }
}

/// The least string that is greater than every string beginning with `start`;
/// `None` when there is none. UTF-8 bytes order as characters do.
fn after_prefix(start: &str) -> Option<String> {
    let mut chars: Vec<char> = start.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            char::MAX => None,
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn a_prefix_ends_before_the_next_string_of_its_length() {
        let end = |start: &str| after_prefix(start);
        assert_eq!(end("ab").as_deref(), Some("ac"));
        assert_eq!(end("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(end("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(end(""), None);
        assert_eq!(end("\u{10FFFF}\u{10FFFF}"), None);
    }
}
