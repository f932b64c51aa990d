//! The three Host Factory collections, for when nobody names others.

use repo_core::{CollectionSchema, Result, Schemas};

/// Their schema files: the name of each, and its text.
pub(crate) const FILES: [(&str, &str); 3] = [
    ("machines.schema.json", include_str!("../../../schemas/collections/machines.schema.json")),
    ("requests.schema.json", include_str!("../../../schemas/collections/requests.schema.json")),
    ("templates.schema.json", include_str!("../../../schemas/collections/templates.schema.json")),
];

/// The collections `machines`, `requests` and `templates`.
pub(crate) fn schemas() -> Result<Schemas> {
    FILES.iter().map(|(_, text)| CollectionSchema::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_built_in_collections_are_valid() {
        let names: Vec<_> =
            super::schemas().unwrap().iter().map(|s| s.collection.to_string()).collect();
        assert_eq!(names, ["machines", "requests", "templates"]);
    }
}
