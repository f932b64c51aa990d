//! Names in the database: quoted, bounded, and distinct when case is folded.

use std::collections::HashMap;

use repo_core::{Error, ErrorKind, Result};

/// Longest name in bytes (PostgreSQL: 63); the same in every dialect, so that
/// one schema gives one layout.
pub(crate) const MAX_NAME_BYTES: usize = 63;

/// The tables that hold the store's own record. A collection name starts with
/// a letter, so none can collide with these.
pub(crate) const STORE_TABLE: &str = "_repo_store";
/// Its column with the store's id, from layout 2 on.
pub(crate) const ID_COLUMN: &str = "store_id";
pub(crate) const COLLECTIONS_TABLE: &str = "_repo_collections";
pub(crate) const OBJECTS_TABLE: &str = "_repo_objects";
/// The change feed, from layout 3 on.
pub(crate) const CHANGES_TABLE: &str = "_repo_changes";
/// What the engine keeps for itself, from layout 3 on.
pub(crate) const ITEMS_TABLE: &str = "_repo_items";
/// Who wrote the versions of histories, from layout 3 on.
pub(crate) const ATTRIBUTIONS_TABLE: &str = "_repo_attributions";
/// What PostgreSQL captured and nobody put in order yet.
pub(crate) const INBOX_TABLE: &str = "_repo_inbox";
/// Where the feed of PostgreSQL begins, and the lock of those who put it in order.
pub(crate) const FEED_TABLE: &str = "_repo_feed";

/// What keeps writers out of a store that is no authority: in PostgreSQL a function, and a
/// trigger of each table.
pub(crate) const FENCE: &str = "_repo_fence";

/// A name as an identifier, whatever it holds.
pub(crate) fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for (number, part) in name.split('"').enumerate() {
        quoted.push_str(if number == 0 { "" } else { "\"\"" });
        quoted.push_str(part);
    }
    quoted.push('"');
    quoted
}

/// Text as a literal, for the definitions that cannot hold placeholders.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The name itself, or its beginning and a hash of all of it.
pub(crate) fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    with_hash(name, name)
}

/// As much of `name` as fits, and a hash of `identity`.
pub(crate) fn with_hash(name: &str, identity: &str) -> String {
    let hash = format!("_{:016x}", fnv1a(identity));
    let mut end = name.len().min(MAX_NAME_BYTES - hash.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}", &name[..end])
}

/// FNV-1a, 64 bits: names are part of the layout, so the hash has to stay the
/// same across versions.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Names already taken within one table or view.
#[derive(Debug, Default)]
pub(crate) struct Taken(HashMap<String, String>);

impl Taken {
    /// Takes a name.
    ///
    /// # Errors
    /// `Unsupported` when another name is the same once case is folded.
    pub(crate) fn take(&mut self, name: &str) -> Result<()> {
        match self.0.insert(name.to_lowercase(), name.to_owned()) {
            None => Ok(()),
            Some(other) => Err(Error::new(
                ErrorKind::Unsupported,
                "lay out a collection",
                "two columns would have one name: SQL does not tell upper from lower case",
            )
            .with("column", name)
            .with("other", other)
            .hint("rename one of the fields, or keep the collection in another strategy")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_beginning_and_stay_distinct() {
        let long = "ä".repeat(200);
        let other = format!("{}x", "ä".repeat(200));
        assert!(shorten(&long).len() <= MAX_NAME_BYTES);
        assert!(shorten(&long).starts_with("ää"));
        assert_ne!(shorten(&long), shorten(&other));
        assert_eq!(shorten("status"), "status");
        // Part of the layout: another value would lose the columns of a store.
        assert_eq!(
            shorten(&"a".repeat(64)),
            format!("{}_{:016x}", "a".repeat(46), fnv1a(&"a".repeat(64)))
        );
    }

    #[test]
    fn names_that_differ_in_case_only_collide() {
        let mut taken = Taken::default();
        taken.take("Größe").unwrap();
        taken.take("grösse").unwrap();
        let error = taken.take("GRÖßE").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.context_value("other"), Some("Größe"));
    }

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quote("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!([quote(""), quote("\""), quote("\"a\"")], ["\"\"", "\"\"\"\"", "\"\"\"a\"\"\""]);
        assert_eq!(literal("it's"), "'it''s'");
    }
}
