//! Reading `x-repository.upgrades` of a schema file.
//!
//! It is read with the reader for documents, so that the numbers in it are
//! exact and a key that stands twice is refused.

use super::{ConvertTo, Upgrade, UpgradeStep, Upgrades, refuse};
use crate::schema::fields::{Fields, exact, list, suggest};
use crate::{FieldPath, Result, Value};

/// The place of the list in the file.
const PLACE: &str = "/x-repository/upgrades";

/// The names of the steps.
const STEPS: [&str; 4] = ["rename", "default", "remove", "convert"];

/// The upgrades that the text of a schema file declares.
pub(in crate::schema) fn declared(
    text: &str,
    id_field: &FieldPath,
    schema_version: u32,
) -> Result<Upgrades> {
    let mut upgrades = Upgrades::default();
    let Some(value) = exact(refuse, text, "upgrades", PLACE)? else { return Ok(upgrades) };
    let reading = Reading { id_field, schema_version };
    for (place, value) in list(refuse, value, PLACE)? {
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
        let mut fields = Fields::of(refuse, value, place, &["from", "to", "steps"])?;
        let (from, to) = (fields.version("from")?, fields.version("to")?);
        if to > self.schema_version {
            return Err(refuse("an upgrade leads above schemaVersion")
                .with("pointer", format!("{place}/to"))
                .with("to", to)
                .with("schema_version", self.schema_version)
                .hint("raise schemaVersion to the version that the file now describes"));
        }
        let (steps, place_of_steps) = fields.take("steps")?;
        let steps = list(refuse, steps, &place_of_steps)?
            .into_iter()
            .map(|(place, value)| self.step(value, &place))
            .collect::<Result<Vec<_>>>()?;
        Upgrade::by_steps(from, to, steps).map_err(|error| error.with("pointer", place))
    }

    fn step(&self, value: Value, place: &str) -> Result<UpgradeStep> {
        let mut steps = Fields::of(refuse, value, place, &STEPS)?;
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
                let mut fields = Fields::of(refuse, value, &place, &["field", "value"])?;
                let (field, value) = (self.field(&mut fields, "field")?, fields.take("value")?.0);
                Ok(UpgradeStep::Default { field, value })
            }
            "remove" => {
                let mut fields = Fields::of(refuse, value, &place, &["field"])?;
                Ok(UpgradeStep::Remove { field: self.field(&mut fields, "field")? })
            }
            _ => {
                let mut fields = Fields::of(refuse, value, &place, &["field", "to"])?;
                let field = self.field(&mut fields, "field")?;
                Ok(UpgradeStep::Convert { field, to: target(&mut fields)? })
            }
        }
    }

    fn rename(&self, value: Value, place: &str) -> Result<UpgradeStep> {
        let mut fields = Fields::of(refuse, value, place, &["from", "to"])?;
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
