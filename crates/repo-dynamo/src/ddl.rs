//! The tables that `prepare` makes, as `CreateTable` requests in JSON: what
//! `aws dynamodb create-table --cli-input-json` takes.

use repo_core::{CollectionSchema, Result};
use serde_json::{Value as Json, json};

use crate::config::{BillingMode, DynamoSettings};
use crate::layout::{Index, STORE_KEY, store_table_name, table_name};

/// The requests for the store's own table and for each collection, in the
/// order in which `prepare` makes them. Tables made so by hand are not taken
/// for ours by `prepare`, which has to make them itself.
///
/// # Errors
/// Those of [`DynamoSettings::read`].
pub fn table_definitions(settings: &Json, schemas: &[CollectionSchema]) -> Result<Vec<Json>> {
    let settings = DynamoSettings::read(settings)?;
    let prefix = &settings.table_prefix;
    let mut tables = vec![definition(&settings, &store_table_name(prefix), STORE_KEY, &[])];
    tables.extend(schemas.iter().map(|schema| {
        let table = table_name(prefix, &schema.collection);
        definition(&settings, &table, schema.id_name(), &Index::of_schema(schema))
    }));
    Ok(tables)
}

fn definition(settings: &DynamoSettings, table: &str, key: &str, indexes: &[Index]) -> Json {
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let derived = indexes.iter().flat_map(|index| [index.hash.as_str(), &index.range]);
    let attributes: Vec<Json> = std::iter::once(key).chain(derived).map(attribute).collect();
    let mut table = json!({
        "TableName": table,
        "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
        "AttributeDefinitions": attributes,
    });
    let indexes: Vec<Json> =
        indexes.iter().map(|index| index_definition(settings, index)).collect();
    if !indexes.is_empty() {
        table["GlobalSecondaryIndexes"] = indexes.into();
    }
    table["BillingMode"] = match settings.billing_mode {
        BillingMode::PayPerRequest => "PAY_PER_REQUEST".into(),
        BillingMode::Provisioned => "PROVISIONED".into(),
    };
    with_throughput(settings, table)
}

fn index_definition(settings: &DynamoSettings, index: &Index) -> Json {
    let definition = json!({
        "IndexName": index.name,
        "KeySchema": [
            { "AttributeName": index.hash, "KeyType": "HASH" },
            { "AttributeName": index.range, "KeyType": "RANGE" },
        ],
        "Projection": { "ProjectionType": "ALL" },
    });
    with_throughput(settings, definition)
}

fn with_throughput(settings: &DynamoSettings, mut definition: Json) -> Json {
    if settings.billing_mode == BillingMode::Provisioned {
        definition["ProvisionedThroughput"] = json!({
            "ReadCapacityUnits": settings.read_capacity,
            "WriteCapacityUnits": settings.write_capacity,
        });
    }
    definition
}
