//! `repoctl schema show`: what the engine knows of each collection.

use clap::Args;
use cli_output::exit_code::Ending;
use cli_output::failure::{Outcome, wrong_usage};
use cli_output::output::{draw, table};
use repo_core::{CollectionSchema, Error, FieldKind, Schemas};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::cli::context::{Context, collection};

/// What can be typed after `schema show`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collection, with its whole JSON Schema [default: all, in short]
    collection: Option<String>,
}

#[derive(Debug, Serialize)]
struct View<'a> {
    collection: &'a str,
    id_field: &'a str,
    schema_version: u32,
    /// Each as its two schema versions.
    upgrades: Vec<[u32; 2]>,
    indexes: Vec<Vec<String>>,
    references: Vec<Reference>,
    enforce_references: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_field: Option<String>,
    fields: Vec<FieldView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<&'a Json>,
}

#[derive(Debug, Serialize)]
struct Reference {
    field: String,
    collection: String,
}

#[derive(Debug, Serialize)]
struct FieldView<'a> {
    name: &'a str,
    kind: &'static str,
    nullable: bool,
}

impl<'a> View<'a> {
    fn new(schema: &'a CollectionSchema) -> Self {
        let text =
            |paths: &Vec<repo_core::FieldPath>| paths.iter().map(ToString::to_string).collect();
        let reference = |(field, target): (&repo_core::FieldPath, &repo_core::CollectionName)| {
            Reference { field: field.to_string(), collection: target.to_string() }
        };
        Self {
            collection: schema.collection.as_str(),
            id_field: schema.id_name(),
            schema_version: schema.schema_version,
            upgrades: schema.upgrades.iter().map(|one| [one.from(), one.to()]).collect(),
            indexes: schema.indexes.iter().map(text).collect(),
            references: schema.references.iter().map(reference).collect(),
            enforce_references: schema.enforce_references,
            ttl_field: schema.expiry.as_ref().map(|expiry| expiry.field().to_string()),
            fields: schema
                .fields
                .iter()
                .map(|field| FieldView {
                    name: &field.name,
                    kind: kind(field.kind),
                    nullable: field.nullable,
                })
                .collect(),
            json_schema: None,
        }
    }
}

fn kind(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "string",
        FieldKind::Integer => "integer",
        FieldKind::Number => "number",
        FieldKind::Boolean => "boolean",
        FieldKind::Array => "array",
        FieldKind::Object => "object",
        FieldKind::Any => "any",
    }
}

impl Arguments {
    pub(crate) fn run(&self, context: &Context) -> Outcome<Ending> {
        let schemas = context.schemas_without_store()?;
        match &self.collection {
            None => all(context, &schemas),
            Some(name) => one(context, &schemas, name),
        }
    }
}

fn all(context: &Context, schemas: &Schemas) -> Outcome<Ending> {
    let views: Vec<View<'_>> = schemas.iter().map(View::new).collect();
    context.output.list(&json!({ "collections": views }), &views, || human(&views))?;
    Ok(Ending::Done)
}

fn one(context: &Context, schemas: &Schemas, name: &str) -> Outcome<Ending> {
    let name = collection(name)?;
    let schema = schemas.declared(&name).ok_or_else(|| undeclared(schemas, &name))?;
    let mut view = View::new(schema);
    view.json_schema = schema.json_schema.as_deref();
    context.output.result(&view, || {
        let text = view.json_schema.map(|schema| format!("{schema:#}"));
        text.unwrap_or_else(|| human(std::slice::from_ref(&view)))
    })?;
    Ok(Ending::Done)
}

fn undeclared(schemas: &Schemas, name: &repo_core::CollectionName) -> Error {
    let known: Vec<&str> = schemas.iter().map(|schema| schema.collection.as_str()).collect();
    wrong_usage("schema show", "no schema declares this collection")
        .with("collection", name)
        .hint(format!("declared: {}", known.join(", ")))
}

fn human(views: &[View<'_>]) -> String {
    let mut table =
        table(&["collection", "id field", "version", "fields", "indexes", "references"]);
    for view in views {
        let indexes: Vec<String> = view.indexes.iter().map(|fields| fields.join(" + ")).collect();
        let enforced = if view.enforce_references { " (enforced)" } else { "" };
        let arrow = |r: &Reference| format!("{} → {}{enforced}", r.field, r.collection);
        let references: Vec<String> = view.references.iter().map(arrow).collect();
        table.add_row([
            view.collection.to_owned(),
            view.id_field.to_owned(),
            view.schema_version.to_string(),
            view.fields.len().to_string(),
            indexes.join("\n"),
            references.join("\n"),
        ]);
    }
    draw(&table)
}
