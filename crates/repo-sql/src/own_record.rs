//! What the store's own record says, checked in the same way in each dialect.

use std::collections::BTreeMap;

use repo_core::strategy::{Capture, HistoryState, RoleState, StoreRecord};
use repo_core::{CollectionName, CollectionSchema, Error, ErrorKind, FieldPath, Result};

use crate::Dialect;
use crate::layout::{LAYOUT_VERSION, is_known_layout};

/// The database of a store, as its errors name it.
pub(crate) struct OwnRecord {
    pub(crate) dialect: Dialect,
    /// The file or the address of the database.
    pub(crate) location: String,
}

impl OwnRecord {
    /// The layout that the store is in, given the version that its record names.
    ///
    /// # Errors
    /// `Unsupported` for a newer layout; `Corrupt` for one that there never was.
    pub(crate) fn layout(&self, version: Option<i64>) -> Result<u32> {
        let known = version.filter(|version| is_known_layout(*version));
        if let Some(layout) = known.and_then(|version| u32::try_from(version).ok()) {
            return Ok(layout);
        }
        let shown = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
        if version.is_some_and(|version| version > i64::from(LAYOUT_VERSION)) {
            let why = "the database has a newer layout than this program knows";
            return Err(self
                .error(ErrorKind::Unsupported, "open", why)
                .with("layout", shown)
                .with("known", LAYOUT_VERSION)
                .hint("use the version of the program that wrote it, or a newer one"));
        }
        let why = "the store's own record names no layout that there ever was";
        Err(self.error(ErrorKind::Corrupt, "open", why).with("layout", shown).hint(self.restore()))
    }

    /// The error for a record of which a part cannot be what it says.
    pub(crate) fn damaged(&self, error: Error) -> Error {
        self.error(ErrorKind::Corrupt, "open", "the store's own record is damaged")
            .with("reason", &error)
            .hint(self.restore())
            .caused_by(error)
    }

    /// The schema of a prepared collection: as declared, if there is such a
    /// schema.
    ///
    /// # Errors
    /// `ConfigInvalid` for a schema with another id field than the store has.
    pub(crate) fn schema_of(
        &self,
        name: &CollectionName,
        id_field: &FieldPath,
        declared: Option<CollectionSchema>,
    ) -> Result<CollectionSchema> {
        match declared {
            Some(schema) if schema.id_field == *id_field => Ok(schema),
            Some(schema) => Err(self.other_id_field("open", id_field, &schema)),
            None => Ok(CollectionSchema {
                id_field: id_field.clone(),
                ..CollectionSchema::undeclared(name.clone())
            }),
        }
    }

    /// Refuses to prepare collections that are there with another id field,
    /// which `stored` gives.
    ///
    /// # Errors
    /// `ConfigInvalid`, naming the first one.
    pub(crate) fn refuse_other_id_field<'s>(
        &self,
        schemas: &[CollectionSchema],
        stored: impl Fn(&CollectionName) -> Option<&'s FieldPath>,
    ) -> Result<()> {
        schemas.iter().try_for_each(|schema| match stored(&schema.collection) {
            Some(id_field) if *id_field != schema.id_field => {
                Err(self.other_id_field("prepare", id_field, schema))
            }
            _ => Ok(()),
        })
    }

    fn other_id_field(
        &self,
        operation: &'static str,
        stored: &FieldPath,
        schema: &CollectionSchema,
    ) -> Error {
        let other = match self.dialect {
            Dialect::Sqlite => "another database file",
            Dialect::Postgres => "another database schema",
        };
        let why = "the collection was prepared with another id field than its schema declares";
        self.error(ErrorKind::ConfigInvalid, operation, why)
            .with("collection", &schema.collection)
            .with("stored", stored)
            .with("declared", &schema.id_field)
            .hint(format!("use the schema it was prepared with, or {other}"))
    }

    fn error(&self, kind: ErrorKind, operation: &'static str, why: &str) -> Error {
        let name = match self.dialect {
            Dialect::Sqlite => "file",
            Dialect::Postgres => "store",
        };
        Error::new(kind, operation, why).with(name, &self.location)
    }

    fn restore(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "restore the file from a backup",
            Dialect::Postgres => "restore the database from a backup",
        }
    }
}

/// The capture that a store's record keeps as text.
///
/// # Errors
/// `Corrupt` for a text that is none.
pub(crate) fn capture_of(text: Option<&str>) -> Result<Capture> {
    let Some(text) = text else { return Ok(Capture::default()) };
    serde_json::from_str(text).map_err(|source| {
        let why = "the store's own record says nothing that a capture could be";
        Error::new(ErrorKind::Corrupt, "read the store's record", why).caused_by(source)
    })
}

/// The role that a store's record keeps as text.
///
/// # Errors
/// `Corrupt` for a text that is none.
pub(crate) fn role_of(text: Option<&str>) -> Result<RoleState> {
    let Some(text) = text else { return Ok(RoleState::default()) };
    serde_json::from_str(text).map_err(|source| {
        let why = "the store's own record says nothing that a role could be";
        Error::new(ErrorKind::Corrupt, "read the store's record", why).caused_by(source)
    })
}

/// Its text.
///
/// # Errors
/// None that can happen: a role is always JSON.
pub(crate) fn role_text(role: &RoleState) -> Result<String> {
    serde_json::to_string(role).map_err(|source| {
        let why = "the role cannot be written";
        Error::new(ErrorKind::Invalid, "change the role of the store", why).caused_by(source)
    })
}

/// The histories that a store's record keeps as text.
///
/// # Errors
/// `Corrupt` for a text that says of none.
pub(crate) fn history_of(text: Option<&str>) -> Result<BTreeMap<CollectionName, HistoryState>> {
    let Some(text) = text else { return Ok(BTreeMap::new()) };
    serde_json::from_str(text).map_err(|source| {
        let why = "the store's own record says nothing that a history could be";
        Error::new(ErrorKind::Corrupt, "read the store's record", why).caused_by(source)
    })
}

/// Their text; none where no history is kept.
///
/// # Errors
/// None that can happen: such a map is always JSON.
pub(crate) fn history_text(
    history: &BTreeMap<CollectionName, HistoryState>,
) -> Result<Option<String>> {
    if history.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(history).map(Some).map_err(|source| {
        let why = "the history cannot be written";
        Error::new(ErrorKind::Invalid, "keep the history", why).caused_by(source)
    })
}

/// What a health check says of triggers that are in place; `None` where none has to be.
pub(crate) fn triggers_in_place(record: &StoreRecord) -> Option<String> {
    let captured = record.capture.is_on().then(|| "changes are captured".to_owned());
    let kept = match record.history.len() {
        0 => None,
        1 => Some("a history is kept".to_owned()),
        count => Some(format!("{count} histories are kept")),
    };
    let fenced = (!record.role.takes_writes()).then(|| "writes are fenced off".to_owned());
    let said: Vec<String> = captured.into_iter().chain(kept).chain(fenced).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// An error on one line, with what to do.
pub(crate) fn with_hint(error: &Error) -> String {
    error.hint_text().map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> OwnRecord {
        OwnRecord { dialect: Dialect::Sqlite, location: "m.db".to_owned() }
    }

    #[test]
    fn a_layout_is_known_newer_or_none() {
        assert_eq!(record().layout(Some(1)).unwrap(), 1);
        let newer = i64::from(LAYOUT_VERSION) + 1;
        for (version, kind) in [
            (Some(newer), ErrorKind::Unsupported),
            (Some(0), ErrorKind::Corrupt),
            (Some(-1), ErrorKind::Corrupt),
            (None, ErrorKind::Corrupt),
        ] {
            let error = record().layout(version).unwrap_err();
            assert_eq!(error.kind(), kind, "{version:?}");
            assert_eq!(error.context_value("file"), Some("m.db"));
        }
    }

    #[test]
    fn a_schema_with_another_id_field_is_refused() {
        let name = CollectionName::new("m").unwrap();
        let [stored, other] = ["key", "id"].map(|field| FieldPath::parse(field).unwrap());
        let declared = |id_field: &FieldPath| CollectionSchema {
            id_field: id_field.clone(),
            ..CollectionSchema::undeclared(name.clone())
        };
        for schema in [None, Some(declared(&stored))] {
            assert_eq!(record().schema_of(&name, &stored, schema).unwrap().id_field, stored);
        }
        let error = record().schema_of(&name, &stored, Some(declared(&other))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let check = |schema| record().refuse_other_id_field(&[schema], |_| Some(&stored));
        check(declared(&stored)).unwrap();
        assert_eq!(check(declared(&other)).unwrap_err().context_value("stored"), Some("key"));
    }
}
