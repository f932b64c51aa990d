//! What becomes of an entry of a file: the entity itself, and those within it.
//!
//! Pointers here begin at the entry: where that is, only who reads the file knows.

use std::collections::BTreeMap;
use std::path::Path;

use plain_json::{errors, escape, utf8};
use repo_core::{Document, EntityId, EntryStep, Error, Rule, SourceId, SyntaxError, Value};

use crate::named::{id_in, id_text};
use crate::plan::Route;

/// An entity of an entry. The parts of one entry come in the same order each time.
#[derive(Debug)]
pub(crate) struct Part<'r> {
    pub(crate) route: &'r Route,
    /// Where it is in the entry; empty for the entry itself.
    pub(crate) pointer: String,
    pub(crate) made: Result<Entity, Broken>,
}

/// An entity as it becomes a record.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) id: EntityId,
    pub(crate) document: Document,
}

/// Why an entity cannot be read.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Its id or key, where that is known.
    pub(crate) name: Option<String>,
    pointer: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// A rule of ours, in words.
    Words(String),
    /// A rule of its collection.
    Rule(Error),
    /// A rule for documents, at a place in the text of the entry.
    Text(SyntaxError),
}

/// Where an entry is, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryPlace<'a> {
    pub(crate) path: &'a Path,
    pub(crate) byte: u64,
    pub(crate) pointer: &'a str,
}

impl Broken {
    fn words(name: Option<&str>, pointer: String, why: impl Into<String>) -> Self {
        Self { name: name.map(str::to_owned), pointer, why: Why::Words(why.into()) }
    }

    /// The error about it. `of_many`: one of any number that are set aside.
    pub(crate) fn error(self, route: &Route, at: EntryPlace<'_>, of_many: bool) -> Error {
        let EntryPlace { path, byte, .. } = at;
        let pointer = format!("{}{}", at.pointer, self.pointer);
        let error = match self.why {
            Why::Words(why) => errors::refused(path, byte, &pointer, &why),
            Why::Text(error) => errors::document(path, byte, &pointer, &error, of_many),
            Why::Rule(rule) => {
                let within = rule.context_value("pointer").unwrap_or_default();
                let place = format!("{pointer}{within}");
                errors::with_figures(errors::refused(path, byte, &place, rule.message()), &rule)
            }
        };
        let error = error.with("collection", &route.schema.collection);
        match self.name {
            Some(name) => error.with("key", name),
            None => error,
        }
    }
}

/// The parts of an entry under this key, as far as they are selected; none where it
/// belongs to another collection that shares the place.
pub(crate) fn take_apart<'r>(
    root: &'r Route,
    key: Option<&str>,
    raw: &[u8],
    most_bytes: usize,
) -> Vec<Part<'r>> {
    let mut taking = Taking { most_bytes, parts: Vec::new() };
    let parsed = utf8(raw).and_then(|text| {
        if root.selected
            && root.is_plain()
            && let Some(made) = as_it_stands(root, key, text, most_bytes)
        {
            taking.parts.push(Part { route: root, pointer: String::new(), made });
            return Ok(None);
        }
        Value::parse(text).map(Some)
    });
    match parsed {
        Ok(None) => {}
        Ok(Some(value)) => {
            let around = Around { key, pointer: String::new(), copied: Fields::new() };
            taking.value(root, value, around);
        }
        Err(error) => {
            let route = root.all().into_iter().find(|route| route.selected).unwrap_or(root);
            // The entities within have ids of their own.
            let name = if root.selected { name_in(root, key, raw) } else { key.map(str::to_owned) };
            let broken = Broken { name, pointer: String::new(), why: Why::Text(error) };
            taking.parts.push(Part { route, pointer: String::new(), made: Err(broken) });
        }
    }
    taking.parts
}

/// What an entry is called whose text is no document: its id, else the key under which it
/// stands.
fn name_in(route: &Route, key: Option<&str>, raw: &[u8]) -> Option<String> {
    id_in(route, key, raw).or_else(|| key.map(str::to_owned))
}

/// An entry whose text is its document; `None` where something has to be done to it.
fn as_it_stands(
    route: &Route,
    key: Option<&str>,
    text: &str,
    most_bytes: usize,
) -> Option<Result<Entity, Broken>> {
    let broken =
        |name: Option<String>, why| Some(Err(Broken { name, pointer: String::new(), why }));
    let document = match Document::read(text) {
        Ok(document) => document,
        // A text or a number in the place of an object may become one.
        Err(SyntaxError { rule: Rule::NotAnObject, .. }) => return None,
        Err(error) => return broken(name_in(route, key, text.as_bytes()), Why::Text(error)),
    };
    let id = route.schema.id_of(&document).ok()?;
    if route.id == SourceId::Key && key != Some(id.as_str()) {
        return None;
    }
    match route.schema.check_document(&id, &document, most_bytes) {
        Ok(()) => Some(Ok(Entity { id, document })),
        Err(rule) => broken(Some(id.to_string()), Why::Rule(rule)),
    }
}

type Fields = BTreeMap<String, Value>;

/// What an entity has from what is around it.
struct Around<'a> {
    key: Option<&'a str>,
    pointer: String,
    /// Fields of the entity around it.
    copied: Fields,
}

impl Around<'_> {
    fn broken(&self, why: impl Into<String>) -> Broken {
        Broken::words(self.key, self.pointer.clone(), why)
    }

    fn broken_at(&self, field: &str, why: impl Into<String>) -> Broken {
        Broken::words(self.key, format!("{}/{}", self.pointer, escape(field)), why)
    }
}

struct Taking<'r> {
    most_bytes: usize,
    parts: Vec<Part<'r>>,
}

impl<'r> Taking<'r> {
    /// An entity, and then those within it.
    fn value(&mut self, route: &'r Route, value: Value, around: Around<'_>) {
        let mut fields = match (value, &route.value_field) {
            (Value::Object(fields), _) => fields,
            (Value::Array(_) | Value::Null, _) | (_, None) => {
                let broken = around.broken("an entity is an object");
                return self.push(route, around.pointer, Err(broken));
            }
            (scalar, Some(name)) => Fields::from([(name.clone(), scalar)]),
        };
        if route.id == SourceId::SharedKey {
            match belongs(route, &fields, around.key) {
                Ok(true) => {}
                Ok(false) => return,
                Err(why) => {
                    let broken = around.broken(why);
                    return self.push(route, around.pointer, Err(broken));
                }
            }
        }
        let children = route.children.iter();
        let copies: Vec<Fields> = children.clone().map(|child| copies(child, &fields)).collect();
        let nested: Vec<_> =
            children.map(|child| take_out(child, &mut fields, &around.pointer)).collect();
        let (done, made) = match make(route, fields, &around, self.most_bytes) {
            Ok((done, entity)) => (Some(done), Ok(entity)),
            Err(broken) => (None, Err(broken)),
        };
        self.push(route, around.pointer, made);
        for ((child, nested), mut copied) in route.children.iter().zip(nested).zip(copies) {
            add_copies(child, done.as_ref(), &mut copied);
            self.nested(child, nested, &copied);
        }
    }

    fn nested(&mut self, child: &'r Route, nested: Result<Vec<Nested>, Broken>, copied: &Fields) {
        match nested {
            Err(broken) => self.push(child, broken.pointer.clone(), Err(broken)),
            Ok(nested) => {
                for Nested { key, pointer, value } in nested {
                    let key = key.as_deref();
                    let around = Around { key, pointer, copied: copied.clone() };
                    self.value(child, value, around);
                }
            }
        }
    }

    fn push(&mut self, route: &'r Route, pointer: String, made: Result<Entity, Broken>) {
        if route.selected {
            self.parts.push(Part { route, pointer, made });
        }
    }
}

/// Whether an entry of a shared place is of this collection; or why nobody can say.
fn belongs(route: &Route, fields: &Fields, key: Option<&str>) -> Result<bool, &'static str> {
    let Some(key) = key else {
        return Err("entries that collections share are told apart by their keys");
    };
    let is = |field: &str| fields.get(field).and_then(Value::as_str) == Some(key);
    let mine = is(route.schema.id_name());
    let theirs = route.rivals.iter().filter(|rival| is(rival.as_str())).count();
    match (mine, theirs) {
        (true, 0) => Ok(true),
        (false, 1) => Ok(false),
        (false, 0) => Err("the id field of no collection holds the key of the entry"),
        _ => Err("the id fields of several collections hold the key of the entry"),
    }
}

/// The fields that a child gets of an entity as it stands in the file.
fn copies(child: &Route, fields: &Fields) -> Fields {
    let copy = child.copy.iter();
    copy.filter_map(|(from, to)| Some((to.clone(), fields.get(from)?.clone()))).collect()
}

/// Adds those that only the finished entity has: its id, above all.
fn add_copies(child: &Route, done: Option<&Fields>, copied: &mut Fields) {
    let Some(done) = done else { return };
    for (from, to) in &child.copy {
        if let Some(value) = done.get(from) {
            copied.entry(to.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// An entry within an entity.
struct Nested {
    key: Option<String>,
    pointer: String,
    value: Value,
}

/// Takes the entries of a child out of the entity around them. What stands beside them
/// stays.
fn take_out(child: &Route, fields: &mut Fields, around: &str) -> Result<Vec<Nested>, Broken> {
    let steps = child.pointer.steps().iter();
    let keys: Vec<&str> = steps
        .filter_map(|step| match step {
            EntryStep::Key(key) => Some(key.as_str()),
            EntryStep::Each => None,
        })
        .collect();
    let way: String = keys.iter().map(|key| format!("/{}", escape(key))).collect();
    let pointer = format!("{around}{way}");
    let at = |step: &str| format!("{pointer}/{}", escape(step));
    match remove_at(fields, &keys) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(entries)) => Ok(entries
            .into_iter()
            .map(|(key, value)| Nested { pointer: at(&key), key: Some(key), value })
            .collect()),
        Some(Value::Array(entries)) => Ok(entries
            .into_iter()
            .enumerate()
            .map(|(index, value)| Nested { pointer: at(&index.to_string()), key: None, value })
            .collect()),
        Some(_) => {
            Err(Broken::words(None, pointer, "an object or a list of entities belongs here"))
        }
    }
}

/// Takes out what stands at the end of these keys.
fn remove_at(fields: &mut Fields, keys: &[&str]) -> Option<Value> {
    let (last, way) = keys.split_last()?;
    let mut at = fields;
    for key in way {
        at = match at.get_mut(*key)? {
            Value::Object(inner) => inner,
            _ => return None,
        };
    }
    at.remove(*last)
}

/// The finished fields and the entity that they are.
fn make(
    route: &Route,
    mut fields: Fields,
    around: &Around<'_>,
    most_bytes: usize,
) -> Result<(Fields, Entity), Broken> {
    let id = take_id(route, &mut fields, around)?;
    let named = |broken: Broken| Broken { name: Some(id.to_string()), ..broken };
    rename(route, &mut fields, around).map_err(named)?;
    for (name, value) in around.copied.iter().chain(&route.constant) {
        fields.entry(name.clone()).or_insert_with(|| value.clone());
    }
    fields.insert(route.schema.id_name().to_owned(), Value::String(id.to_string()));
    let value = Value::Object(fields);
    let document = Document::read(&value.to_string()).map_err(|error| {
        let pointer = format!("{}{}", around.pointer, error.pointer);
        named(Broken::words(None, pointer, error.rule.to_string()))
    })?;
    route.schema.check_document(&id, &document, most_bytes).map_err(|rule| {
        named(Broken { name: None, pointer: around.pointer.clone(), why: Why::Rule(rule) })
    })?;
    match value {
        Value::Object(fields) => Ok((fields, Entity { id, document })),
        _ => Err(around.broken("an entity is an object")),
    }
}

/// Takes the id out of the fields.
fn take_id(route: &Route, fields: &mut Fields, around: &Around<'_>) -> Result<EntityId, Broken> {
    let id_name = route.schema.id_name();
    let found = match &route.id {
        SourceId::Key | SourceId::SharedKey => return id_of_key(id_name, fields, around),
        SourceId::OwnField => (id_name, fields.remove(id_name)),
        SourceId::Field(name) => (name.as_str(), fields.remove(name)),
    };
    let (field, found) = found;
    if field != id_name && fields.contains_key(id_name) {
        let why = format!("the entry has this field and {field}, which becomes it");
        return Err(around.broken_at(id_name, why));
    }
    let Some(value) = found else {
        return Err(around.broken_at(field, "the id field is missing"));
    };
    let Some(text) = id_text(value) else {
        return Err(around.broken_at(field, "an id is a string or a whole number"));
    };
    EntityId::new(&text).map_err(|error| around.broken_at(field, error.message()))
}

fn id_of_key(id_name: &str, fields: &mut Fields, around: &Around<'_>) -> Result<EntityId, Broken> {
    let Some(key) = around.key else {
        return Err(around.broken("the entry stands in a list, and has no key to be its id"));
    };
    if fields.remove(id_name).is_some_and(|own| own.as_str() != Some(key)) {
        return Err(around.broken_at(id_name, "the id field differs from the key"));
    }
    EntityId::new(key).map_err(|error| around.broken(error.message()))
}

/// Gives fields their new names, all at once: two may change places.
fn rename(route: &Route, fields: &mut Fields, around: &Around<'_>) -> Result<(), Broken> {
    let taken: Vec<(&String, &String, Value)> = route
        .rename
        .iter()
        .filter_map(|(from, to)| Some((from, to, fields.remove(from)?)))
        .collect();
    for (from, to, value) in taken {
        if fields.insert(to.clone(), value).is_some() {
            let why = format!("the entry has this field and {to}, which it is to be called");
            return Err(around.broken_at(from, why));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
