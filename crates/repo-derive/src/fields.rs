//! The fields of a type, as serde writes them.

use syn::meta::ParseNestedMeta;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Result, Token};

use crate::{kinds, rename};

/// The fields of a document.
#[derive(Debug)]
pub(crate) struct DocumentFields {
    pub(crate) fields: Vec<DocumentField>,
    /// Whether a flattened field adds others, which are not known here.
    pub(crate) open: bool,
}

/// One field of a document.
#[derive(Debug)]
pub(crate) struct DocumentField {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// The name of a `FieldKind`.
    pub(crate) kind: &'static str,
    pub(crate) nullable: bool,
}

/// What serde's attributes say of one field.
#[derive(Default)]
struct SerdeField {
    rename: Option<String>,
    skipped: bool,
    flattened: bool,
    converted: bool,
    omitted: bool,
}

impl DocumentFields {
    /// Reads the fields of a struct.
    pub(crate) fn of(input: &DeriveInput) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(refuse(input));
        };
        let Fields::Named(named) = &data.fields else {
            return Err(refuse(input));
        };
        let rule = rename_all(input)?;
        let mut found = Self { fields: Vec::new(), open: false };
        for field in &named.named {
            let serde = SerdeField::of(field)?;
            found.open |= serde.flattened;
            let Some(ident) = &field.ident else { continue };
            if serde.skipped || serde.flattened {
                continue;
            }
            let (kind, nullable) =
                if serde.converted { ("Any", true) } else { kinds::of(&field.ty) };
            found.fields.push(DocumentField {
                name: match serde.rename {
                    Some(name) => name,
                    None => name_of(ident, rule.as_ref())?,
                },
                ident: ident.clone(),
                kind,
                nullable: nullable || serde.omitted,
            });
        }
        Ok(found)
    }

    /// The field of a name in the document.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find(&self, name: &LitStr) -> Result<Option<&DocumentField>> {
        let text = name.value();
        let top = text.split('.').next().unwrap_or_default();
        let found = self.fields.iter().find(|field| field.name == top);
        if found.is_none() && !self.open {
            let known: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
            let why = format!(
                "no field of the document is named `{top}`; there are: {}",
                known.join(", ")
            );
            return Err(Error::new_spanned(name, why));
        }
        Ok(found)
    }
}

fn refuse(input: &DeriveInput) -> Error {
    Error::new_spanned(&input.ident, "a model is a struct with named fields")
}

fn name_of(ident: &Ident, rule: Option<&LitStr>) -> Result<String> {
    let text = ident.to_string();
    let plain = text.strip_prefix("r#").unwrap_or(&text);
    match rule {
        None => Ok(plain.to_owned()),
        Some(rule) => rename::apply(&rule.value(), plain)
            .ok_or_else(|| Error::new_spanned(rule, "serde has no such rule")),
    }
}

/// The rule for the names of all fields.
fn rename_all(input: &DeriveInput) -> Result<Option<LitStr>> {
    let mut rule = None;
    for attribute in input.attrs.iter().filter(|found| found.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename_all") {
                rule = renamed(&meta)?;
                return Ok(());
            }
            if ["into", "from", "try_from", "transparent", "remote"]
                .iter()
                .any(|name| meta.path.is_ident(name))
            {
                return Err(meta.error("the fields of the document cannot be seen behind this"));
            }
            skip_value(&meta)
        })?;
    }
    Ok(rule)
}

impl SerdeField {
    fn of(field: &Field) -> Result<Self> {
        let mut found = Self::default();
        for attribute in field.attrs.iter().filter(|found| found.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    found.rename = renamed(&meta)?.map(|name| name.value());
                    return Ok(());
                }
                let is = |names: &[&str]| names.iter().any(|name| meta.path.is_ident(name));
                found.skipped |= is(&["skip", "skip_serializing"]);
                found.flattened |= is(&["flatten"]);
                found.converted |= is(&["with", "serialize_with"]);
                found.omitted |= is(&["skip_serializing_if"]);
                skip_value(&meta)
            })?;
        }
        Ok(found)
    }
}

/// `= "name"`, or `(serialize = "name", …)`.
fn renamed(meta: &ParseNestedMeta<'_>) -> Result<Option<LitStr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    let mut written = None;
    meta.parse_nested_meta(|inner| {
        let name: LitStr = inner.value()?.parse()?;
        if inner.path.is_ident("serialize") {
            written = Some(name);
        }
        Ok(())
    })?;
    Ok(written)
}

/// Passes over the value of an attribute that means nothing here.
fn skip_value(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| skip_value(&inner))?;
    }
    Ok(())
}
