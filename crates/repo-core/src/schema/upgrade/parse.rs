//! Reading `x-repository.upgrades` of a schema file.
//!
//! It is read with the reader for documents, so that the numbers in it are
//! exact and a key that stands twice is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ConvertTo, Upgrade, UpgradeStep, Upgrades, refuse};
use crate::strategy::did_you_mean;
use crate::{Error, FieldPath, Result, Value};

/// The place of the list in the file.
const PLACE: &str = "/x-repository/upgrades";

/// The names of the steps.
const STEPS: [&str; 4] = ["rename", "default", "remove", "convert"];

#[derive(Deserialize)]
struct File<'a> {
    #[serde(rename = "x-repository", borrow)]
    block: Block<'a>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(default, borrow)]
    upgrades: Option<&'a RawValue>,
}

/// The upgrades that the text of a schema file declares.
pub(in crate::schema) fn declared(
    text: &str,
    id_field: &FieldPath,
    schema_version: u32,
) -> Result<Upgrades> {
    let file: File<'_> = serde_json::from_str(text)
        .map_err(|source| refuse("not JSON").with("reason", &source).caused_by(source))?;
    let mut upgrades = Upgrades::default();
    let Some(raw) = file.block.upgrades else { return Ok(upgrades) };
    let value = Value::parse(raw.get()).map_err(|error| {
        refuse("the list breaks a rule for documents")
            .with("rule", error.rule)
            .with("pointer", format!("{PLACE}{}", error.pointer))
    })?;
    let reading = Reading { id_field, schema_version };
    for (place, value) in list(value, PLACE)? {
        let upgrade = reading.upgrade(value, &place)?;
        upgrades.insert(upgrade).map_err(|error| error.with("pointer", &place))?;
    }
    Ok(upgrades)
}

/// What has to be known to read an upgrade.
struct Reading<'a> {
    id_field: &'a FieldPath,
    schema_version: u32,
}

impl Reading<'_> {
    fn upgrade(&self, value: Value, place: &str) -> Result<Upgrade> {
        let mut fields = Fields::of(value, place, &["from", "to", "steps"])?;
        let (from, to) = (fields.version("from")?, fields.version("to")?);
        if to > self.schema_version {
            return Err(refuse("an upgrade leads above schemaVersion")
                .with("pointer", format!("{place}/to"))
                .with("to", to)
                .with("schema_version", self.schema_version)
                .hint("raise schemaVersion to the version that the file now describes"));
        }
        let (steps, place_of_steps) = fields.take("steps")?;
        let steps = list(steps, &place_of_steps)?
            .into_iter()
            .map(|(place, value)| self.step(value, &place))
            .collect::<Result<Vec<_>>>()?;
        Upgrade::by_steps(from, to, steps).map_err(|error| error.with("pointer", place))
    }

    fn step(&self, value: Value, place: &str) -> Result<UpgradeStep> {
        let mut steps = Fields::of(value, place, &STEPS)?;
        let name = match steps.names().as_slice() {
            [name] => name.clone(),
            _ => {
                return Err(refuse("a step is one of rename, default, remove, convert")
                    .with("pointer", place));
            }
        };
        let (value, place) = steps.take(&name)?;
        match name.as_str() {
            "rename" => self.rename(value, &place),
            "default" => {
                let mut fields = Fields::of(value, &place, &["field", "value"])?;
                let (field, value) = (self.field(&mut fields, "field")?, fields.take("value")?.0);
                Ok(UpgradeStep::Default { field, value })
            }
            "remove" => {
                let mut fields = Fields::of(value, &place, &["field"])?;
                Ok(UpgradeStep::Remove { field: self.field(&mut fields, "field")? })
            }
            _ => {
                let mut fields = Fields::of(value, &place, &["field", "to"])?;
                let field = self.field(&mut fields, "field")?;
                Ok(UpgradeStep::Convert { field, to: target(&mut fields)? })
            }
        }
    }

    fn rename(&self, value: Value, place: &str) -> Result<UpgradeStep> {
        let mut fields = Fields::of(value, place, &["from", "to"])?;
        let (from, to) = (self.field(&mut fields, "from")?, self.field(&mut fields, "to")?);
        let (a, b) = (from.steps(), to.steps());
        if a.starts_with(b) || b.starts_with(a) {
            return Err(refuse("a field is not renamed to itself, or to a field that contains it")
                .with("pointer", place)
                .with("from", &from)
                .with("to", &to));
        }
        Ok(UpgradeStep::Rename { from, to })
    }

    /// A field that may be changed: any but the id field.
    fn field(&self, fields: &mut Fields, name: &'static str) -> Result<FieldPath> {
        let (text, place) = fields.text(name)?;
        let path = FieldPath::parse(&text).map_err(|error| {
            refuse(error.message()).with("pointer", &place).with("field", &text)
        })?;
        if path.steps().first() == self.id_field.steps().first() {
            return Err(refuse("the id field cannot be changed")
                .with("pointer", &place)
                .with("field", &path));
        }
        Ok(path)
    }
}

fn target(fields: &mut Fields) -> Result<ConvertTo> {
    let (name, place) = fields.text("to")?;
    let known = ConvertTo::ALL.into_iter().find(|target| target.name() == name);
    known.ok_or_else(|| {
        let error = refuse("no such type").with("pointer", &place).with("type", &name);
        suggest(error, &name, &ConvertTo::ALL.map(ConvertTo::name))
    })
}

/// An object in the file, its fields taken out one by one.
struct Fields {
    place: String,
    fields: BTreeMap<String, Value>,
}

impl Fields {
    fn of(value: Value, place: &str, known: &[&str]) -> Result<Self> {
        let Value::Object(fields) = value else {
            return Err(refuse("not an object").with("pointer", place));
        };
        if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let error =
                refuse("an unknown key").with("pointer", format!("{place}/{}", escaped(unknown)));
            return Err(suggest(error, unknown, known));
        }
        Ok(Self { place: place.to_owned(), fields })
    }

    fn names(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// A field that has to be there, with its place.
    fn take(&mut self, name: &str) -> Result<(Value, String)> {
        let place = format!("{}/{name}", self.place);
        match self.fields.remove(name) {
            Some(value) => Ok((value, place)),
            None => Err(refuse("a key is missing").with("pointer", &place)),
        }
    }

    fn text(&mut self, name: &str) -> Result<(String, String)> {
        match self.take(name)? {
            (Value::String(text), place) => Ok((text, place)),
            (_, place) => Err(refuse("not a string").with("pointer", &place)),
        }
    }

    fn version(&mut self, name: &str) -> Result<u32> {
        let (value, place) = self.take(name)?;
        let number = match value {
            Value::Number(number) => number.to_i64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        };
        number.filter(|version| *version > 0).ok_or_else(|| {
            refuse("a schema version is a whole number of 1 or more").with("pointer", &place)
        })
    }
}

/// The entries of a list with their places.
fn list(value: Value, place: &str) -> Result<Vec<(String, Value)>> {
    match value {
        Value::Array(items) => Ok(items
            .into_iter()
            .enumerate()
            .map(|(at, item)| (format!("{place}/{at}"), item))
            .collect()),
        _ => Err(refuse("not a list").with("pointer", place)),
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn suggest(error: Error, unknown: &str, known: &[&str]) -> Error {
    match did_you_mean(unknown, known.iter().copied()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
