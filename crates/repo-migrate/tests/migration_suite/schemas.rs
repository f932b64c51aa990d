//! The published schemas are those of the types, and what is written fits.

use std::path::PathBuf;

use repo_migrate::{
    Archive, MigrationOptions, OnConflict, Silent, VerifyOptions, manifest_schema, migrate,
    report_schema,
};
use serde_json::Value as Json;

use crate::stores::{gone, live, many, schemas, store, with_backup};

fn published(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas").join(file)
}

/// With `UPDATE_SCHEMAS=1` the file is written instead.
fn check(file: &str, schema: &Json) {
    let path = published(file);
    let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == text, "schemas/{file} is out of date: run this test with UPDATE_SCHEMAS=1");
}

#[test]
fn the_published_schemas_are_current() {
    check("report.schema.json", &report_schema());
    check("archive-manifest.schema.json", &manifest_schema());
}

fn assert_fits(schema: &Json, value: &Json) {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[tokio::test]
async fn reports_and_manifests_fit_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let mut held = many(50);
    held[0] = live("m-00000", 9, "\"by\":\"someone\"");
    held.push(gone("only", 2));
    let (source, target) = (store(&many(100)).await, store(&held).await);
    let options =
        MigrationOptions { on_conflict: OnConflict::Overwrite, ..with_backup(folder.path()) };
    let report =
        migrate(&source, &target, &schemas(&["machines"]), &options, &Silent).await.unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_fits(&report_schema(), &json);
    assert_eq!(json["collections"][0]["applied"], 51);
    assert_eq!(json["collections"][0]["only_in_target"]["first"][0], "only");
    assert_eq!(json["outcome"], "partly");

    let report =
        repo_migrate::verify(&source, &target, &VerifyOptions::default(), &Silent).await.unwrap();
    let mut whole = json.clone();
    whole["verification"] = serde_json::to_value(&report).unwrap();
    assert_eq!(whole["verification"]["collections"][0]["differences"][0]["id"], "m-00000");
    assert_fits(&report_schema(), &whole);

    let path = PathBuf::from(json["backup"].as_str().unwrap());
    Archive::open(&path).await.unwrap();
    let manifest = std::fs::read_to_string(path.join("manifest.json")).unwrap();
    assert_fits(&manifest_schema(), &serde_json::from_str(&manifest).unwrap());
}
