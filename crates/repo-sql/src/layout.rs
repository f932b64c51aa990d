//! How a collection lies in tables, columns, indexes and a view: one layout
//! for every dialect, computed from the collection's schema.

use std::collections::{BTreeSet, HashMap};

use repo_core::strategy::MAX_INDEXED_TEXT_BYTES;
use repo_core::{
    CollectionName, CollectionSchema, Error, ErrorKind, Field, FieldKind, FieldPath, Result,
};

use crate::Dialect;
use crate::ddl::Made;
use crate::expression::JsonType;
use crate::names::{Taken, literal, quote, shorten, with_hash};

/// The newest version of this layout; each store keeps the one that it is in.
/// Layout 1 is the same without the store's id. `upgrade_layout` makes 2 of it, and
/// nothing else does. Tables of either may have digests or not; each collection's
/// own columns say so.
pub(crate) const LAYOUT_VERSION: u32 = 2;

/// Whether this program reads and writes stores of a layout.
pub(crate) fn is_known_layout(version: i64) -> bool {
    (1..=i64::from(LAYOUT_VERSION)).contains(&version)
}

/// What a typed column holds; anything else in the document is NULL in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Integer,
    Number,
    Boolean,
    /// A string or a number, each as it is: fields of several types, and
    /// those that no schema declares.
    Scalar,
}

/// A generated column for an indexed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) path: FieldPath,
    pub(crate) kind: ColumnKind,
    /// As it stands in CREATE TABLE.
    pub(crate) definition: String,
}

/// An index, with the statement that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Its columns, quoted, in their order.
    pub(crate) keys: Vec<String>,
    pub(crate) definition: String,
}

/// The digest beside each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    /// The trigger that removes it when another program changes a record.
    pub(crate) trigger: String,
    /// The statement that makes the trigger.
    pub(crate) trigger_definition: String,
}

/// One collection in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectionLayout {
    pub(crate) collection: CollectionName,
    pub(crate) schema_version: u32,
    pub(crate) table: String,
    pub(crate) view: String,
    pub(crate) id_field: FieldPath,
    pub(crate) id_column: String,
    /// Not in PostgreSQL, nor where an indexed field takes the column's name.
    pub(crate) digest: Option<Digest>,
    pub(crate) columns: Vec<Column>,
    pub(crate) indexes: Vec<Index>,
    /// The statement that makes the view.
    pub(crate) view_definition: String,
    /// What holds for every document.
    pub(crate) is_document: String,
}

impl CollectionLayout {
    /// The layout of a collection.
    ///
    /// # Errors
    /// `Unsupported` when two columns would have one name.
    pub(crate) fn new(dialect: Dialect, schema: &CollectionSchema) -> Result<Self> {
        let view = view_name(dialect, &schema.collection);
        let table = format!("{view}_records");
        let id_column = dialect.column_name(schema.id_name());
        let columns = columns(dialect, schema);
        let named = |error: repo_core::Error| error.with("collection", &schema.collection);
        Ok(Self {
            indexes: indexes(dialect, schema, &table, &id_column, &columns),
            view_definition: view_definition(dialect, schema, &view, &table, &columns)
                .map_err(named)?,
            digest: digest(dialect, &schema.collection, &table, &id_column, &columns),
            is_document: dialect.is_document(&id_column, schema.id_name()),
            collection: schema.collection.clone(),
            schema_version: schema.schema_version,
            id_field: schema.id_field.clone(),
            table,
            view,
            id_column,
            columns,
        })
    }

    /// Leaves out the indexes that are not made yet.
    pub(crate) fn without_new_indexes(mut self, made: Option<&Made>) -> Self {
        self.indexes.retain(|i| made.is_some_and(|made| made.indexes.contains_key(&i.name)));
        self
    }

    /// Every name this layout takes in the database: table, view, trigger, indexes.
    pub(crate) fn object_names(&self) -> impl Iterator<Item = &str> {
        [self.table.as_str(), self.view.as_str()]
            .into_iter()
            .chain(self.digest.as_ref().map(|digest| digest.trigger.as_str()))
            .chain(self.indexes.iter().map(|index| index.name.as_str()))
    }

    /// Leaves the digest out where a table that is there has none.
    pub(crate) fn with_digest_as_made(mut self, made: Option<&Made>) -> Self {
        let has = |digest: &Digest| made.is_none_or(|made| made.has_digest(digest));
        self.digest = self.digest.filter(has);
        self
    }

    /// The column that holds the field at `path`.
    pub(crate) fn column(&self, path: &FieldPath) -> Option<&Column> {
        self.columns.iter().find(|column| column.path == *path)
    }
}

/// The layouts of collections that are to be prepared together.
///
/// # Errors
/// `Invalid` for a collection that stands twice and for two that need the same
/// name in the database; `Unsupported` for one that has no layout.
pub(crate) fn layouts(
    dialect: Dialect,
    schemas: &[CollectionSchema],
) -> Result<Vec<CollectionLayout>> {
    let invalid = |why: &str, collection: &CollectionName| {
        Error::new(ErrorKind::Invalid, "prepare", why).with("collection", collection)
    };
    let mut seen = BTreeSet::new();
    if let Some(twice) = schemas.iter().find(|schema| !seen.insert(&schema.collection)) {
        let why = "a collection stands twice among those to prepare";
        return Err(invalid(why, &twice.collection));
    }
    let layouts: Vec<CollectionLayout> = schemas
        .iter()
        .map(|schema| CollectionLayout::new(dialect, schema))
        .collect::<Result<_>>()?;
    let mut names: HashMap<String, &CollectionName> = HashMap::new();
    for layout in &layouts {
        for name in layout.object_names() {
            let other = names.insert(name.to_ascii_lowercase(), &layout.collection);
            if let Some(other) = other.filter(|other| **other != layout.collection) {
                let why = "two collections need the same name in the database";
                return Err(invalid(why, &layout.collection)
                    .with("name", name)
                    .with("other_collection", other)
                    .hint("rename one of them, or keep it in another database or schema"));
            }
        }
    }
    Ok(layouts)
}

/// The columns of a record, in the order in which each `rows` reads them.
pub(crate) fn record_columns(layout: &CollectionLayout) -> String {
    format!(
        "{}, \"_version\", \"_created_at\", \"_updated_at\", \"document\"",
        quote(&layout.id_column)
    )
}

fn view_name(dialect: Dialect, collection: &CollectionName) -> String {
    let reserved = collection.as_str().starts_with(dialect.reserved_prefix());
    format!("{}{collection}", if reserved { "_" } else { "" })
}

/// The column of digests, and how it is made.
pub(crate) const DIGEST_COLUMN: &str = "_digest";
pub(crate) const DIGEST_DEFINITION: &str = "\"_digest\" INTEGER";

/// The name of the trigger of a collection. The hyphens keep it apart from every table
/// and view, and no index ends like this.
pub(crate) fn digest_trigger(collection: &CollectionName) -> String {
    shorten(&format!("{}-digest-trigger", view_name(Dialect::Sqlite, collection)))
}

/// The digest of each record in SQLite, which has no checksums of its own.
fn digest(
    dialect: Dialect,
    collection: &CollectionName,
    table: &str,
    id_column: &str,
    columns: &[Column],
) -> Option<Digest> {
    let mut names = columns.iter().map(|column| column.name.as_str()).chain([id_column]);
    if dialect != Dialect::Sqlite || names.any(|name| name.eq_ignore_ascii_case(DIGEST_COLUMN)) {
        return None;
    }
    let trigger = digest_trigger(collection);
    let [name, table, id, digest] = [&trigger, table, id_column, DIGEST_COLUMN].map(quote);
    let trigger_definition = format!(
        "CREATE TRIGGER {name} AFTER UPDATE OF {id}, \"_version\", \"_created_at\", \
         \"_updated_at\", \"document\" ON {table} \
         WHEN NEW.{digest} IS OLD.{digest} AND NEW.{digest} IS NOT NULL \
         BEGIN UPDATE {table} SET {digest} = NULL WHERE {id} = NEW.{id}; END"
    );
    Some(Digest { trigger, trigger_definition })
}

/// One generated column for each indexed field; none for the id field, which
/// has a column of its own, nor for a field that the dialect cannot name.
fn columns(dialect: Dialect, schema: &CollectionSchema) -> Vec<Column> {
    schema
        .indexed_fields()
        .filter(|path| **path != schema.id_field)
        .filter(|path| dialect.can_name(steps(path)))
        .map(|path| {
            let at = dialect.value_at(steps(path), literal);
            let kind = column_kind(schema, path);
            let name = dialect.column_name(&path.to_string());
            let definition = format!(
                "{}{} GENERATED ALWAYS AS ({}) {}",
                quote(&name),
                dialect.column_type(kind),
                dialect.typed_value(kind, &at),
                dialect.generated()
            );
            Column { name, path: path.clone(), kind, definition }
        })
        .collect()
}

fn steps(path: &FieldPath) -> impl Iterator<Item = &str> {
    path.steps().iter().map(String::as_str)
}

fn column_kind(schema: &CollectionSchema, path: &FieldPath) -> ColumnKind {
    let declared = match path.steps() {
        [name] => schema.fields.iter().find(|field| field.name == *name),
        _ => None,
    };
    match declared.map(|field| field.kind) {
        Some(FieldKind::Text) => ColumnKind::Text,
        Some(FieldKind::Integer) => ColumnKind::Integer,
        Some(FieldKind::Number) => ColumnKind::Number,
        Some(FieldKind::Boolean) => ColumnKind::Boolean,
        _ => ColumnKind::Scalar,
    }
}

/// The declared indexes. The id stands last in each that has room for it, so
/// that an equality gives the ids in order and the next page begins after the
/// last one without a sort. In PostgreSQL an entry has a limit, and an insert
/// beyond it fails: an index has as many of its declared columns there as always
/// fit, which leaves out a third text field.
fn indexes(
    dialect: Dialect,
    schema: &CollectionSchema,
    table: &str,
    id_column: &str,
    columns: &[Column],
) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    for fields in &schema.indexes {
        // The primary key is an index on the id field already.
        if fields.as_slice() == std::slice::from_ref(&schema.id_field) {
            continue;
        }
        let column_of = |path: &FieldPath| match columns.iter().find(|c| c.path == *path) {
            Some(column) => Some((quote(&column.name), entry_bytes(Some(column.kind)))),
            None => (*path == schema.id_field).then(|| (quote(id_column), entry_bytes(None))),
        };
        let Some(mut keys) = fields.iter().map(column_of).collect::<Option<Vec<_>>>() else {
            continue;
        };
        if !fields.contains(&schema.id_field) {
            keys.push((quote(id_column), entry_bytes(None)));
        }
        let names = that_fit(keys, dialect.max_index_entry());
        let name = index_name(&schema.collection, fields);
        let definition =
            format!("CREATE INDEX {} ON {} ({})", quote(&name), quote(table), names.join(", "));
        if indexes.iter().all(|index| index.name != name) {
            indexes.push(Index { name, keys: names, definition });
        }
    }
    indexes
}

/// The most that a value takes in an index; `None`: an id.
fn entry_bytes(kind: Option<ColumnKind>) -> usize {
    match kind {
        Some(ColumnKind::Boolean) => 8,
        Some(ColumnKind::Integer | ColumnKind::Number) => 40,
        Some(ColumnKind::Text | ColumnKind::Scalar) => MAX_INDEXED_TEXT_BYTES + 24,
        // 255 characters of four bytes.
        None => 255 * 4 + 8,
    }
}

/// The first keys, as many as an entry can always hold.
fn that_fit(keys: Vec<(String, usize)>, limit: Option<usize>) -> Vec<String> {
    let mut room = limit.unwrap_or(usize::MAX);
    let mut fits = |bytes: usize| {
        let left = room.checked_sub(bytes);
        room = left.unwrap_or(0);
        left.is_some()
    };
    keys.into_iter().take_while(|(_, bytes)| fits(*bytes)).map(|(name, _)| name).collect()
}

/// `machines-template_id-created_at-index`. The hyphens keep it apart from
/// every table and view; a field that holds one itself gets a hash.
fn index_name(collection: &CollectionName, fields: &[FieldPath]) -> String {
    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
    let name = format!("{collection}-{}-index", fields.join("-"));
    if fields.iter().any(|field| field.contains('-')) {
        return with_hash(&name, &fields.join("\0"));
    }
    shorten(&name)
}

/// The view for people and other tools: live entities, a column for each
/// declared and each indexed field.
fn view_definition(
    dialect: Dialect,
    schema: &CollectionSchema,
    view: &str,
    table: &str,
    columns: &[Column],
) -> Result<String> {
    let mut taken = Taken::default();
    let mut shown = vec![shown_column(dialect, schema.id_name())];
    taken.take(&shorten(schema.id_name()))?;
    for field in schema.fields.iter().filter(|field| field.name != schema.id_name()) {
        let Some(expression) = field_expression(dialect, field, columns) else { continue };
        let name = shorten(&field.name);
        taken.take(&name)?;
        shown.push(format!("{expression} AS {}", quote(&name)));
    }
    for column in columns {
        if !schema.fields.iter().any(|field| column.path.steps() == [field.name.as_str()]) {
            let name = column.path.to_string();
            taken.take(&shorten(&name))?;
            shown.push(shown_column(dialect, &name));
        }
    }
    for name in ["document", "_version", "_created_at", "_updated_at"] {
        taken.take(name)?;
    }
    shown.push("\"document\"".to_owned());
    shown.push("\"_version\"".to_owned());
    for time in ["_created_at", "_updated_at"] {
        shown.push(format!("{} AS {}", dialect.shown_time(time), quote(time)));
    }
    Ok(format!(
        "CREATE VIEW {} AS SELECT\n  {}\nFROM {} WHERE \"document\" IS NOT NULL",
        quote(view),
        shown.join(",\n  "),
        quote(table)
    ))
}

/// A column of the table in the view. A view may have any column name.
fn shown_column(dialect: Dialect, field: &str) -> String {
    let (column, name) = (dialect.column_name(field), shorten(field));
    if column == name { quote(&name) } else { format!("{} AS {}", quote(&column), quote(&name)) }
}

/// How the view shows a declared field; an indexed one by its column, so that
/// a filter on the view uses the index. `None` when no document can hold the
/// field or the dialect cannot name it.
fn field_expression(dialect: Dialect, field: &Field, columns: &[Column]) -> Option<String> {
    if field.name.is_empty() || field.name.contains('\0') {
        return None;
    }
    if !dialect.can_name([field.name.as_str()]) {
        return None;
    }
    let at = dialect.value_at([field.name.as_str()], literal);
    let scalar = |kind| Some(dialect.typed_value(kind, &at));
    let column = columns.iter().find(|column| column.path.steps() == [field.name.as_str()]);
    match (field.kind, column) {
        (FieldKind::Array, _) => Some(dialect.shown_json(JsonType::Array, &at)),
        (FieldKind::Object, _) => Some(dialect.shown_json(JsonType::Object, &at)),
        (_, Some(column)) => Some(quote(&column.name)),
        (FieldKind::Text, None) => scalar(ColumnKind::Text),
        (FieldKind::Integer, None) => scalar(ColumnKind::Integer),
        (FieldKind::Number, None) => scalar(ColumnKind::Number),
        (FieldKind::Boolean, None) => scalar(ColumnKind::Boolean),
        (FieldKind::Any, None) => Some(dialect.extract(&at)),
    }
}
