//! The attribute `#[model(…)]`.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{DeriveInput, Error, Ident, LitInt, LitStr, Path, Result, Token, parenthesized};

/// The declaration of a collection.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) collection: LitStr,
    pub(crate) id: LitStr,
    pub(crate) indexes: Vec<Vec<LitStr>>,
    pub(crate) references: Vec<Reference>,
    pub(crate) enforce_references: bool,
    pub(crate) schema_version: u32,
    pub(crate) table: Option<LitStr>,
    pub(crate) ttl: Option<LitStr>,
    pub(crate) engine: Path,
}

/// `reference("template_id", collection = "templates")`.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) field: LitStr,
    pub(crate) collection: LitStr,
}

/// One part of the attribute.
enum Part {
    Collection(LitStr),
    Id(LitStr),
    Index(Vec<LitStr>),
    Reference(Reference),
    EnforceReferences(Ident),
    SchemaVersion(u32),
    Table(LitStr),
    Ttl(LitStr),
    Engine(Path),
}

impl Declaration {
    /// Reads the attributes of a type.
    pub(crate) fn of(input: &DeriveInput) -> Result<Self> {
        let (mut collection, mut id, mut schema_version) = (None, None, None);
        let (mut table, mut ttl, mut engine) = (None, None, None);
        let (mut indexes, mut references) = (Vec::new(), Vec::new());
        let mut enforced = None;
        for attribute in input.attrs.iter().filter(|found| found.path().is_ident("model")) {
            let parts =
                attribute.parse_args_with(Punctuated::<Part, Token![,]>::parse_terminated)?;
            for part in parts {
                let doubled = match part {
                    Part::Collection(name) => collection.replace(check_collection(name)?).is_some(),
                    Part::Id(field) => id.replace(field).is_some(),
                    Part::SchemaVersion(version) => schema_version.replace(version).is_some(),
                    Part::Table(name) => table.replace(name).is_some(),
                    Part::Ttl(field) => ttl.replace(field).is_some(),
                    Part::Engine(path) => engine.replace(path).is_some(),
                    Part::EnforceReferences(name) => enforced.replace(name).is_some(),
                    Part::Index(fields) => {
                        indexes.push(fields);
                        false
                    }
                    Part::Reference(reference) => {
                        references.push(reference);
                        false
                    }
                };
                if doubled {
                    return Err(Error::new_spanned(attribute, "a part is given twice"));
                }
            }
        }
        let missing = |what: &str| {
            Error::new_spanned(&input.ident, format!("add `#[model({what} = \"…\")]`"))
        };
        if let Some(name) = enforced.as_ref().filter(|_| references.is_empty()) {
            return Err(Error::new_spanned(name, "there is no `reference` to enforce"));
        }
        Ok(Self {
            collection: collection.ok_or_else(|| missing("collection"))?,
            id: id.ok_or_else(|| missing("id"))?,
            indexes,
            references,
            enforce_references: enforced.is_some(),
            schema_version: schema_version.unwrap_or(1),
            table,
            ttl,
            engine: engine.map_or_else(|| syn::parse_str("::repo_engine"), Ok)?,
        })
    }
}

impl Parse for Part {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Token![crate]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            return input.parse::<LitStr>()?.parse().map(Self::Engine);
        }
        let name: Ident = input.parse()?;
        match name.to_string().as_str() {
            "index" => strings(input).and_then(|fields| match fields.is_empty() {
                true => Err(Error::new_spanned(&name, "an index names at least one field")),
                false => Ok(Self::Index(fields)),
            }),
            "reference" => reference(input).map(Self::Reference),
            "enforce_references" => Ok(Self::EnforceReferences(name)),
            "collection" => value(input).map(Self::Collection),
            "id" => value(input).map(Self::Id),
            "table" => value(input).map(Self::Table),
            "ttl" => value(input).map(Self::Ttl),
            "schema_version" => {
                let version: LitInt = value(input)?;
                match version.base10_parse()? {
                    0 => Err(Error::new_spanned(&version, "a schema version is 1 or more")),
                    number => Ok(Self::SchemaVersion(number)),
                }
            }
            _ => Err(Error::new_spanned(
                &name,
                "known are `collection`, `id`, `index`, `reference`, `enforce_references`, \
                 `schema_version`, `table`, `ttl` and `crate`",
            )),
        }
    }
}

/// `= value`.
fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// `("a", "b")`.
fn strings(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let inner;
    parenthesized!(inner in input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&inner)?.into_iter().collect())
}

fn reference(input: ParseStream<'_>) -> Result<Reference> {
    let inner;
    parenthesized!(inner in input);
    let field = inner.parse()?;
    inner.parse::<Token![,]>()?;
    let name: Ident = inner.parse()?;
    if name != "collection" {
        return Err(Error::new_spanned(name, "write `collection = \"…\"`"));
    }
    Ok(Reference { field, collection: check_collection(value(&inner)?)? })
}

/// The rule of `CollectionName`, at compile time.
fn check_collection(name: LitStr) -> Result<LitStr> {
    let text = name.value();
    let mut bytes = text.bytes();
    let starts_well = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    let continues_well = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts_well && continues_well && text.len() <= 48 {
        return Ok(name);
    }
    Err(Error::new_spanned(
        name,
        "a collection name is a lower-case letter followed by at most 47 lower-case letters, \
         digits or underscores",
    ))
}
