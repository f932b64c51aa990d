//! The store's own tables, for diesel. The migrations in `migrations/` make
//! them.

diesel::table! {
    #[sql_name = "_repo_store"]
    store (one) {
        one -> Integer,
        layout_version -> Integer,
        epoch -> BigInt,
        migration_plan -> Nullable<Text>,
        migration_progress -> Nullable<Text>,
        store_id -> Nullable<Text>,
        capture -> Nullable<Text>,
        history -> Nullable<Text>,
    }
}

diesel::table! {
    #[sql_name = "_repo_collections"]
    collections (collection) {
        collection -> Text,
        schema_version -> Integer,
        floor -> BigInt,
        id_field -> Text,
    }
}

diesel::table! {
    #[sql_name = "_repo_objects"]
    objects (collection, kind, name) {
        collection -> Text,
        kind -> Text,
        name -> Text,
        definition -> Text,
    }
}

/// The column for the capture of changes, which layouts 1 and 2 lack.
pub(super) const CAPTURE: &str = "to_jsonb(\"_repo_store\") ->> 'capture'";

/// The column for the histories, which layouts 1 and 2 lack.
pub(super) const HISTORY: &str = "to_jsonb(\"_repo_store\") ->> 'history'";
