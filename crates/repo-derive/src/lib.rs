//! `#[derive(Model)]`: a model and the schema of its collection from one type, so
//! that the two cannot disagree. Used through `repo-engine`, which re-exports it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod declaration;
mod expand;
mod fields;
mod kinds;
mod rename;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct with named fields a `Model`, and declares its collection.
///
/// Names of fields are those in the document: as serde writes them, after `rename`
/// and `rename_all`.
///
/// | in `#[model(…)]` | declares |
/// |---|---|
/// | `collection = "machines"` | the name of the collection; required |
/// | `id = "machine_id"` | the field with the id, whose type is `AsRef<str>`; required |
/// | `index("status", "created_at")` | an index over these fields, as dotted paths; repeatable |
/// | `reference("template_id", collection = "templates")` | whose ids the field holds; repeatable |
/// | `enforce_references` | that no reference may lead to what is not there |
/// | `schema_version = 2` | the version of the shape of the documents, 1 without this |
/// | `table = "Machines"` | the table of another program that holds the collection |
/// | `ttl = "expires_at"` | the field that says until when an entity lives: text or a number |
/// | `crate = "repo_core"` | where the engine's types are found, `repo_engine` without this |
///
/// A name that no field has does not compile. Other types than structs with named
/// fields, and types that serde converts (`into`, `transparent`), are refused.
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
