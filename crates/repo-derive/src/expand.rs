//! The implementation that the derive writes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, LitStr, Result};

use crate::declaration::Declaration;
use crate::fields::DocumentFields;

/// `impl Model for` the type.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let declaration = Declaration::of(input)?;
    let fields = DocumentFields::of(input)?;
    let id = id_field(&declaration.id, &fields)?;
    for name in declaration.indexes.iter().flatten() {
        fields.find(name)?;
    }
    for reference in &declaration.references {
        fields.find(&reference.field)?;
    }
    if let Some(name) = &declaration.ttl {
        check_ttl(name, &fields)?;
    }
    let schema = schema(&declaration, &fields);
    let (engine, collection) = (&declaration.engine, &declaration.collection);
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics #engine::Model for #name #arguments #bounds {
            const COLLECTION: &'static str = #collection;

            fn id(&self) -> &str {
                ::core::convert::AsRef::<str>::as_ref(&self.#id)
            }

            fn schema() -> #engine::Result<::core::option::Option<#engine::CollectionSchema>> {
                #schema.build().map(::core::option::Option::Some)
            }
        }
    })
}

/// The field with the id, which is a field of the type itself.
fn id_field(name: &LitStr, fields: &DocumentFields) -> Result<syn::Ident> {
    if name.value().contains('.') {
        return Err(Error::new_spanned(name, "the id is a field at the top"));
    }
    match fields.find(name)? {
        Some(field) => Ok(field.ident.clone()),
        None => Err(Error::new_spanned(name, "the id cannot be in a flattened field")),
    }
}

/// The field with the time to live is one of the type itself, and holds a text or a number.
fn check_ttl(name: &LitStr, fields: &DocumentFields) -> Result<()> {
    if name.value().contains('.') {
        return Err(Error::new_spanned(name, "the time to live is in a field at the top"));
    }
    match fields.find(name)?.map(|field| field.kind) {
        Some("Text" | "Integer" | "Number") => Ok(()),
        Some(_) => Err(Error::new_spanned(
            name,
            "the time to live is in a field whose type is `String`, `Timestamp` or a number, or \
             an `Option` of one",
        )),
        None => Err(Error::new_spanned(name, "the time to live cannot be in a flattened field")),
    }
}

fn schema(declaration: &Declaration, fields: &DocumentFields) -> TokenStream {
    let Declaration { collection, id, engine, schema_version, .. } = declaration;
    let indexes = declaration.indexes.iter().map(|names| quote!(.index(&[#(#names),*])));
    let references = declaration.references.iter().map(|reference| {
        let (field, target) = (&reference.field, &reference.collection);
        quote!(.reference(#field, #target))
    });
    let ttl = declaration.ttl.iter().map(|name| quote!(.ttl_field(#name)));
    let enforced = declaration.enforce_references.then(|| quote!(.enforce_references()));
    let table = declaration.table.iter().map(|name| quote!(.table(#name)));
    let fields = fields.fields.iter().map(|field| {
        let (name, nullable) = (&field.name, field.nullable);
        let kind = format_ident!("{}", field.kind);
        quote!(.field(#name, #engine::FieldKind::#kind, #nullable))
    });
    quote! {
        #engine::CollectionSchema::builder(#collection, #id)
            .schema_version(#schema_version)
            #(#indexes)*
            #(#references)*
            #enforced
            #(#table)*
            #(#ttl)*
            #(#fields)*
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    fn refused(source: &str) -> String {
        expand(&syn::parse_str(source).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn names_are_those_that_serde_writes() {
        let input = syn::parse_str(
            r#"#[model(collection = "machines", id = "machineId", index("Status", "meta.price"))]
               #[model(ttl = "until")]
               #[serde(rename_all = "camelCase", deny_unknown_fields)]
               struct Machine {
                   machine_id: String,
                   #[serde(rename = "Status", default = "running")]
                   status: Status,
                   #[serde(skip_serializing_if = "Option::is_none")]
                   meta: Option<Meta>,
                   until: Option<Timestamp>,
                   #[serde(skip)]
                   cache: u8,
               }"#,
        );
        let made = expand(&input.unwrap()).unwrap().to_string();
        for part in [
            "& self . machine_id",
            r#"builder ("machines" , "machineId")"#,
            r#". index (& ["Status" , "meta.price"])"#,
            r#". ttl_field ("until")"#,
            r#". field ("until" , :: repo_engine :: FieldKind :: Text , true)"#,
            r#". field ("Status" , :: repo_engine :: FieldKind :: Any , true)"#,
            r#". field ("machineId" , :: repo_engine :: FieldKind :: Text , false)"#,
        ] {
            assert!(made.contains(part), "{part}: {made}");
        }
        assert!(!made.contains("cache"), "{made}");
    }

    #[test]
    fn references_are_enforced_where_the_type_says_so() {
        for (part, enforced) in [("", false), (", enforce_references", true)] {
            let reference = r#"reference("owner", collection = "people")"#;
            let source = format!(
                r#"#[model(collection = "m", id = "id", {reference}{part})]
                   struct M {{ id: String, owner: String }}"#
            );
            let made = expand(&syn::parse_str(&source).unwrap()).unwrap().to_string();
            assert!(made.contains(r#". reference ("owner" , "people")"#), "{made}");
            assert_eq!(made.contains(". enforce_references ()"), enforced, "{made}");
        }
    }

    #[test]
    fn what_cannot_be_declared_does_not_compile() {
        let body = "struct M { id: String, status: String, until: Option<Date> }";
        for (attributes, reason) in [
            ("", "collection"),
            (r#"#[model(collection = "m")]"#, "id"),
            (r#"#[model(collection = "M", id = "id")]"#, "lower-case"),
            (r#"#[model(collection = "m", id = "uuid")]"#, "there are: id, status, until"),
            (r#"#[model(collection = "m", id = "id", index("stauts"))]"#, "`stauts`"),
            (r#"#[model(collection = "m", id = "id", index())]"#, "at least one"),
            (r#"#[model(collection = "m", id = "id", reference("x", collection = "n"))]"#, "`x`"),
            (r#"#[model(collection = "m", id = "id", enforce_references)]"#, "no `reference`"),
            (r#"#[model(collection = "m", id = "id", schema_version = 0)]"#, "1 or more"),
            (r#"#[model(collection = "m", id = "id", ttl = "untill")]"#, "`untill`"),
            (r#"#[model(collection = "m", id = "id", ttl = "until")]"#, "or a number"),
            (r#"#[model(collection = "m", id = "id", ttl = "until.at")]"#, "at the top"),
            (r#"#[model(collection = "m", id = "id", key = "x")]"#, "known are"),
            (r#"#[model(collection = "m", id = "id")] #[model(id = "id")]"#, "twice"),
            (r#"#[model(collection = "m", id = "id")] #[serde(into = "N")]"#, "cannot be seen"),
            (r#"#[model(collection = "m", id = "status.x")]"#, "at the top"),
        ] {
            let found = refused(&format!("{attributes} {body}"));
            assert!(found.contains(reason), "{attributes}: {found}");
        }
        let declared = r#"#[model(collection = "m", id = "id")]"#;
        for other in ["enum M { A { id: String } }", "struct M(String);", "struct M;"] {
            assert!(refused(&format!("{declared} {other}")).contains("named fields"), "{other}");
        }
    }
}
