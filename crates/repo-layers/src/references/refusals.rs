//! What is said to who writes or deletes against a reference.

use repo_core::{CollectionName, Error, ErrorKind, FieldPath, Key};

/// Who refers to something, and where.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) from: Key,
    pub(super) field: FieldPath,
}

/// A document refers to what is not there.
pub(super) fn dangling(to: &Key, reference: &Reference) -> Error {
    refuse("the document refers to what is not there", reference)
        .with("refers_to", to)
        .hint("create what it refers to before, or in the same commit")
}

/// A document refers to what the same commit deletes, or wants to be absent.
pub(super) fn not_with(to: &Key, reference: &Reference) -> Error {
    refuse("the document refers to what the same commit deletes or demands to be absent", reference)
        .with("refers_to", to)
        .hint("leave the reference out, or what it refers to in place")
}

/// A document refers to what cannot be there.
pub(super) fn no_id(target: &CollectionName, id: &str, reference: &Reference) -> Error {
    let shown: String = id.escape_debug().take(64).collect();
    refuse("the document refers to what can be no id", reference)
        .with("refers_to", format!("{target}/{shown}"))
        .hint("an id has 1 to 255 characters, none of them a control character")
}

fn refuse(why: &str, reference: &Reference) -> Error {
    Error::new(ErrorKind::Invalid, "commit", why)
        .with("key", &reference.from)
        .with("pointer", reference.field.to_pointer())
}

/// What is to be deleted is referred to.
pub(super) fn referred_to(deleted: &Key, by: &Key, field: &FieldPath) -> Error {
    Error::new(ErrorKind::Invalid, "commit", "what is to be deleted is referred to")
        .with("key", deleted)
        .with("referring_collection", &by.collection)
        .with("field", field)
        .with("id", &by.id)
        .hint("delete or change before, or in the same commit, all that refers to it")
}

/// Somebody was faster each time.
pub(super) fn overtaken() -> Error {
    let why = "others wrote references to the same entities or deleted them, again and again";
    Error::new(ErrorKind::Unavailable, "commit", why)
}
