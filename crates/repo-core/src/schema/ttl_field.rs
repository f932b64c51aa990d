//! Which field `ttlField` may name.

use super::{Expiry, Field, FieldKind};
use crate::strategy::did_you_mean;
use crate::{Error, ErrorKind, FieldPath, Result};

/// The expiry by the field of this name, which has to be one of those declared at the top.
pub(super) fn declared(name: &str, id_field: &FieldPath, fields: &[Field]) -> Result<Expiry> {
    let refuse = |why: &str| {
        Error::new(ErrorKind::ConfigInvalid, "read a collection schema", why)
            .with("ttl_field", name)
    };
    let field = FieldPath::parse(name).map_err(|error| refuse(error.message()))?;
    if field.steps().len() != 1 {
        return Err(refuse("ttlField names a field at the top"));
    }
    if field == *id_field {
        return Err(refuse("ttlField names the field with the id, which is no time"));
    }
    let Some(found) = fields.iter().find(|found| found.name == name) else {
        let error = refuse("ttlField names a field that the schema does not declare");
        return Err(match did_you_mean(name, fields.iter().map(|field| field.name.as_str())) {
            Some(hint) => error.hint(hint),
            None => error.hint(
                "declare it under `properties`: of type string for times such as \
                 2026-03-01T08:00:00Z, of type integer for seconds since 1970",
            ),
        });
    };
    match found.kind {
        FieldKind::Text => Ok(Expiry::text(field)),
        FieldKind::Integer | FieldKind::Number => Ok(Expiry::seconds(field)),
        FieldKind::Boolean | FieldKind::Array | FieldKind::Object | FieldKind::Any => {
            Err(refuse("ttlField names a field that is not declared to hold a time").hint(
                "its type is string, for times such as 2026-03-01T08:00:00Z, or integer or \
                 number, for seconds since 1970; \"null\" may stand beside it",
            ))
        }
    }
}
