//! What is read of which files, made of what the schemas say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use repo_core::strategy::{OpenOptions, did_you_mean, suggestion_before};
use repo_core::{
    ChildSource, CollectionName, CollectionSchema, EntryPointer, Error, ErrorKind, FilePattern,
    FileSource, OnDuplicate, Result, Schemas, SourceEntries, SourceId, Value,
};

const OPERATION: &str = "read the source of a collection";

/// Files that hold entities, and how they are read.
#[derive(Debug)]
pub(crate) struct FileRoute {
    pub(crate) file: FilePattern,
    pub(crate) optional: bool,
    pub(crate) lock: Option<String>,
    pub(crate) root: Route,
}

/// Entities of one collection, and those of others within them.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) schema: Arc<CollectionSchema>,
    /// Whether the entities are asked for; else only what is within them.
    pub(crate) selected: bool,
    /// Where they are in the file, or in the entity around them.
    pub(crate) pointer: EntryPointer,
    pub(crate) id: SourceId,
    pub(crate) value_field: Option<String>,
    pub(crate) rename: BTreeMap<String, String>,
    pub(crate) constant: BTreeMap<String, Value>,
    pub(crate) copy: BTreeMap<String, String>,
    pub(crate) on_duplicate: OnDuplicate,
    /// The id fields of the other collections that share the place.
    pub(crate) rivals: Vec<String>,
    pub(crate) children: Vec<Route>,
}

impl Route {
    /// Whether anything of it is asked for.
    pub(crate) fn is_wanted(&self) -> bool {
        self.selected || self.children.iter().any(Self::is_wanted)
    }

    /// It, and every route within it.
    pub(crate) fn all(&self) -> Vec<&Self> {
        let within = self.children.iter().flat_map(Self::all);
        std::iter::once(self).chain(within).collect()
    }

    /// Whether an entity is a document as it stands.
    pub(crate) fn is_plain(&self) -> bool {
        let changes = self.children.is_empty()
            && self.rename.is_empty()
            && self.constant.is_empty()
            && self.copy.is_empty();
        changes && matches!(self.id, SourceId::OwnField | SourceId::Key)
    }
}

/// The routes that lead to what the options select.
///
/// # Errors
/// `ConfigInvalid` for children of a collection that no schema declares, and for names
/// that would take the place of the id field.
pub(crate) fn plan(schemas: &Schemas, options: &OpenOptions) -> Result<Vec<FileRoute>> {
    let planner = Planner { schemas, options };
    let mut routes = Vec::new();
    for schema in schemas.iter() {
        for source in &schema.sources {
            let route = planner
                .file_route(schema, source)
                .map_err(|error| error.with("source_of", &schema.collection))?;
            if route.root.is_wanted() {
                routes.push(route);
            }
        }
    }
    Ok(routes)
}

/// Refuses schemas that say nothing of files.
///
/// # Errors
/// `ConfigInvalid`.
pub(crate) fn check_any(routes: &[FileRoute], location: &str) -> Result<()> {
    if !routes.is_empty() {
        return Ok(());
    }
    let why = "no schema says in which files the entities of its collection are";
    Err(Error::new(ErrorKind::ConfigInvalid, "open", why).with("store", location).hint(
        "name a preset for the program that wrote the files, or schemas whose x-repository block \
         has `source`",
    ))
}

struct Planner<'a> {
    schemas: &'a Schemas,
    options: &'a OpenOptions,
}

impl Planner<'_> {
    fn file_route(&self, schema: &CollectionSchema, source: &FileSource) -> Result<FileRoute> {
        let mut root = self.route(schema, &source.entries, &BTreeMap::new())?;
        if root.id == SourceId::SharedKey {
            root.rivals = self.rivals(schema, source);
        }
        Ok(FileRoute {
            file: source.file.clone(),
            optional: source.optional,
            lock: source.lock.clone(),
            root,
        })
    }

    /// The id fields of other collections that are in the same place.
    fn rivals(&self, schema: &CollectionSchema, source: &FileSource) -> Vec<String> {
        let shares = |other: &&CollectionSchema| {
            other.collection != schema.collection
                && other.sources.iter().any(|theirs| {
                    theirs.file == source.file
                        && theirs.entries.pointer == source.entries.pointer
                        && theirs.entries.id == SourceId::SharedKey
                })
        };
        let others: BTreeSet<&str> =
            self.schemas.iter().filter(shares).map(CollectionSchema::id_name).collect();
        others.into_iter().map(str::to_owned).collect()
    }

    fn route(
        &self,
        schema: &CollectionSchema,
        entries: &SourceEntries,
        copy: &BTreeMap<String, String>,
    ) -> Result<Route> {
        let mut rename = entries.rename.clone();
        check_names(schema, entries, &mut rename, copy)
            .map_err(|error| error.with("collection", &schema.collection))?;
        let children = entries.children.iter().map(|child| self.child(child));
        Ok(Route {
            schema: Arc::new(schema.clone()),
            selected: self.options.selects(schema.collection.as_str()),
            pointer: entries.pointer.clone(),
            id: entries.id.clone(),
            value_field: entries.value_field.clone(),
            rename,
            constant: entries.constant.clone(),
            copy: copy.clone(),
            on_duplicate: entries.on_duplicate.clone(),
            rivals: Vec::new(),
            children: children.collect::<Result<_>>()?,
        })
    }

    fn child(&self, child: &ChildSource) -> Result<Route> {
        let schema = self
            .schemas
            .declared(&child.collection)
            .ok_or_else(|| self.undeclared(&child.collection))?;
        if child.entries.id == SourceId::SharedKey {
            return Err(refuse("what collections share is a place of a file, not of an entity")
                .with("collection", &child.collection));
        }
        self.route(schema, &child.entries, &child.copy)
    }

    fn undeclared(&self, name: &CollectionName) -> Error {
        let known: Vec<&str> = self.schemas.iter().map(|s| s.collection.as_str()).collect();
        let meant = did_you_mean(name.as_str(), known.iter().copied());
        let hint = format!("declared: {}", known.join(", "));
        refuse("children are entities of a collection that no schema declares")
            .with("collection", name)
            .hint(suggestion_before(meant, &hint))
    }
}

/// Refuses other fields that would become the id field, and takes out a new name for
/// the id itself, which it gets anyway.
fn check_names(
    schema: &CollectionSchema,
    entries: &SourceEntries,
    rename: &mut BTreeMap<String, String>,
    copy: &BTreeMap<String, String>,
) -> Result<()> {
    let id_name = schema.id_name();
    let source_of_id = match &entries.id {
        SourceId::Field(name) => Some(name.as_str()),
        SourceId::OwnField => Some(id_name),
        SourceId::Key | SourceId::SharedKey => None,
    };
    if let Some(to) = source_of_id.and_then(|name| rename.remove(name))
        && to != id_name
    {
        return Err(refuse("the field that holds the id becomes the id field")
            .with("id_field", id_name)
            .with("rename", to));
    }
    let renamed = rename.values().chain(copy.values()).any(|to| to == id_name);
    if renamed || entries.constant.contains_key(id_name) {
        let why = "the id field is what idField or idFromKey says, and nothing else becomes it";
        return Err(refuse(why).with("id_field", id_name));
    }
    Ok(())
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, OPERATION, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(requests: &str) -> Schemas {
        let of = |name: &str, source: &str| {
            CollectionSchema::parse(&format!(
                r#"{{"x-repository":{{"collection":"{name}","idField":"{name}_id"{source}}}}}"#
            ))
            .unwrap()
        };
        Schemas::from_iter([
            of("requests", &format!(r#","source":{requests}"#)),
            of("machines", ""),
        ])
    }

    fn planned(requests: &str) -> Result<Vec<FileRoute>> {
        plan(&schemas(requests), &OpenOptions::default())
    }

    #[test]
    fn what_is_not_selected_is_not_read() {
        let source =
            r#"{"file":"a.json","pointer":"/*","children":{"machines":{"pointer":"m/*"}}}"#;
        let all = planned(source).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].root.all().len(), 2);
        let only = |name: &str| {
            let only = BTreeSet::from([CollectionName::new(name).unwrap()]);
            let options = OpenOptions::default().with_read_only(true);
            plan(&schemas(source), &options.with_only(Some(Arc::new(only)))).unwrap()
        };
        assert!(!only("machines")[0].root.selected);
        assert!(only("machines")[0].root.is_wanted());
        assert!(only("other").is_empty());
    }

    #[test]
    fn a_new_name_of_the_id_is_the_one_that_it_gets() {
        let renamed = planned(
            r#"{"file":"a.json","pointer":"/*","idField":"rid","rename":{"rid":"requests_id"}}"#,
        );
        assert!(renamed.unwrap()[0].root.rename.is_empty());
        for wrong in [
            r#""idField":"rid","rename":{"rid":"other"}"#,
            r#""idField":"rid","rename":{"x":"requests_id"}"#,
            r#""rename":{"requests_id":"other"}"#,
            r#""constant":{"requests_id":"x"}"#,
            r#""children":{"machine":{"pointer":"m/*"}}"#,
            r#""children":{"machines":{"pointer":"m/*","copy":{"a":"machines_id"}}}"#,
            r#""children":{"machines":{"pointer":"m/*","idFromKey":true,"shared":true}}"#,
        ] {
            let error = planned(&format!(r#"{{"file":"a.json","pointer":"/*",{wrong}}}"#));
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{wrong}");
            assert_eq!(error.context_value("source_of"), Some("requests"), "{wrong}: {error}");
        }
        let misspelt =
            planned(r#"{"file":"a.json","pointer":"/*","children":{"machine":{"pointer":"m/*"}}}"#);
        assert!(misspelt.unwrap_err().hint_text().unwrap().contains("`machines`"));
    }
}
