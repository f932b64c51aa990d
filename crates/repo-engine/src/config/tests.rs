use std::num::NonZeroUsize;

use repo_core::ErrorKind;
use repo_core::strategy::MemoryFactory;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

/// A section of a program's own.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Migration {
    batch_size: NonZeroUsize,
    create_backup: bool,
    backup_location: PathBuf,
}

impl Default for Migration {
    fn default() -> Self {
        Self {
            batch_size: NonZeroUsize::MIN,
            create_backup: true,
            backup_location: PathBuf::from("backups"),
        }
    }
}

fn registry() -> Registry {
    Registry::new().with(MemoryFactory)
}

fn load(file: &str, environment: &[(&str, &str)], overrides: &[(&str, Json)]) -> Result<Config> {
    load_with(file, environment, overrides, &[Section::of::<Migration>("migration")])
}

fn load_with(
    file: &str,
    environment: &[(&str, &str)],
    overrides: &[(&str, Json)],
    sections: &[Section],
) -> Result<Config> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("repository.json");
    std::fs::write(&path, file).unwrap();
    let sources = ConfigSources {
        file: Some(path),
        environment: environment.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        overrides: overrides.iter().map(|(k, v)| ((*k).into(), v.clone())).collect(),
    };
    Config::load(&sources, &registry(), sections)
}

fn migration(config: &Config) -> Migration {
    config.section("migration").unwrap()
}

fn origin(config: &Config, path: &str) -> (Json, String) {
    let entry = config.entries().iter().find(|entry| entry.path == path).unwrap();
    (entry.value.clone(), entry.origin.clone())
}

#[test]
fn layers_stand_one_over_the_other_with_their_origin() {
    let file = r#"{"storage":{"strategy":"memory","validate_documents":true},
                   "migration":{"batch_size":7,"backup_location":"b"}}"#;
    let config = load(
        file,
        &[("REPO_MIGRATION__BATCH_SIZE", "8"), ("REPO_LOG", "debug")],
        &[("migration.backup_location", json!("c"))],
    )
    .unwrap();
    assert_eq!(migration(&config).batch_size.get(), 8);
    assert_eq!(migration(&config).backup_location, PathBuf::from("c"));
    assert!(config.storage().validate_documents);
    assert_eq!(origin(&config, "migration.batch_size"), (json!(8), "environment".into()));
    assert_eq!(origin(&config, "migration.backup_location"), (json!("c"), "command line".into()));
    assert_eq!(origin(&config, "migration.create_backup"), (json!(true), "default".into()));
    assert!(origin(&config, "storage.strategy").1.ends_with("repository.json"));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let cases = [
        (r#"{"storage":{"strategie":"memory"}}"#, "strategy"),
        (r#"{"storage":{"strategy":"memory","memory_stratgy":{}}}"#, "memory_strategy"),
        (r#"{"storage":{"strategy":"memory","limits":{"max_entity_byte":1}}}"#, "max_entity_bytes"),
        (r#"{"storage":{"strategy":"memory"},"migration":{"batchsize":1}}"#, "batch_size"),
    ];
    for (file, nearest) in cases {
        let error = load(file, &[], &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{file}");
        assert!(error.hint_text().unwrap().contains(nearest), "{file}: {error}");
    }
}

#[test]
fn a_name_that_is_like_none_gets_no_suggestion() {
    let error = load(r#"{"storage":{"strategy":"memroy"}}"#, &[], &[]).unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean `memory`? known strategies: memory"));
    let error = load(r#"{"storage":{"strategy":"tape"}}"#, &[], &[]).unwrap_err();
    assert_eq!(error.hint_text(), Some("known strategies: memory"));
}

#[test]
fn a_wrong_value_is_described_in_words_of_json() {
    for (file, words) in [
        (r#"{"storage":{"strategy":"memory","limits":5}}"#, "expected an object"),
        (
            r#"{"storage":{"strategy":"memory"},"migration":{"batch_size":0}}"#,
            "whole number above 0",
        ),
        (r#"{"storage":{"strategy":"memory","schemas":5}}"#, "expected a string"),
    ] {
        let error = load(file, &[], &[]).unwrap_err();
        let reason = error.context_value("reason").unwrap();
        assert!(reason.contains(words), "{file}: {reason}");
    }
}

#[test]
fn wrong_values_are_refused() {
    for file in [
        "[]",
        "{",
        r#"{"storage":[]}"#,
        r#"{"storage":{"strategy":"memory","memory_strategy":1}}"#,
        r#"{"storage":{"strategy":"tape"}}"#,
        r#"{"storage":{"strategy":"memory","strategy":"memory"}}"#,
        r#"{"storage":{"strategy":"memory"},"migration":{"batch_size":0}}"#,
        r#"{"storage":{"strategy":"memory"},"migration":{"batch_size":"9"}}"#,
    ] {
        let error = load(file, &[], &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{file}: {error}");
    }
}

#[test]
fn variables_fill_strings_and_stay_strings() {
    let file =
        r#"{"storage":{"strategy":"memory"},"migration":{"backup_location":"a/${N}/$${N}"}}"#;
    let config = load(file, &[("N", "007")], &[]).unwrap();
    assert_eq!(migration(&config).backup_location, PathBuf::from("a/007/${N}"));
    let error = load(file, &[], &[]).unwrap_err();
    assert_eq!(error.context_value("variable"), Some("N"));
    assert_eq!(error.context_value("at"), Some("migration.backup_location"));
}

#[test]
fn other_sections_are_ignored_and_listed() {
    let file = r#"{"storage":{"strategy":"memory"},"logging":{"level":"x"},"json_strategy":{}}"#;
    let config = load(file, &[], &[]).unwrap();
    assert_eq!(config.ignored(), ["json_strategy", "logging"]);
    assert_eq!(config.notices().len(), 1);
}

#[test]
fn a_section_that_the_program_does_not_know_is_not_read() {
    let file = r#"{"storage":{"strategy":"memory"},"migration":{"batchsize":"${NOT_SET}"}}"#;
    let config = load_with(file, &[("REPO_MIGRATION__BATCH_SIZE", "x")], &[], &[]).unwrap();
    assert_eq!(config.ignored(), ["migration"]);
    assert!(config.entries().iter().all(|entry| !entry.path.starts_with("migration")));
    let error = config.section::<Migration>("migration").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let schema = config_schema(&registry(), &[]);
    assert!(schema["properties"].get("migration").is_none());
}

#[test]
fn secrets_are_hidden() {
    let hidden = |path: &str, value: Json| entries::hide(path, &value);
    assert_eq!(hidden("storage.sql_strategy.password", json!("s3")), json!("***"));
    assert_eq!(hidden("storage.sql_strategy.password", json!("${P}")), json!("${P}"));
    assert_eq!(hidden("storage.x.url", json!("pg://u:s3@h/d")), json!("pg://***@h/d"));
    assert_eq!(hidden("storage.x.name", json!("plain")), json!("plain"));
}

#[test]
fn a_wrong_value_is_named_with_its_place() {
    let cases = [
        (
            r#"{"storage":{"strategy":"memory"},"migration":{"batch_size":0}}"#,
            "migration.batch_size",
        ),
        (r#"{"storage":{"strategy":"memory","schemas":1}}"#, "storage.schemas"),
        (r#"{"storage":{"strategy":"memory"},"migration":{"batchsize":1}}"#, "migration.batchsize"),
    ];
    for (file, at) in cases {
        let error = load(file, &[], &[]).unwrap_err();
        assert_eq!(error.context_value("at"), Some(at), "{error}");
    }
}

#[test]
fn layers_are_a_list_with_the_outermost_first() {
    let file = r#"{"storage":{"strategy":"memory","layers":[
        {"layer":"retry","max_attempts":5},{"layer":"timeout","read_ms":50}]}}"#;
    let names = |config: &Config| -> Vec<&str> {
        config.layers().iter().map(|layer| layer.name()).collect()
    };
    let config = load(file, &[], &[]).unwrap();
    assert_eq!(names(&config), ["retry", "timeout"]);
    let (value, origin) = origin(&config, "storage.layers");
    assert_eq!(value[0]["max_attempts"], 5);
    assert!(origin.ends_with("repository.json"), "{origin}");

    // Variables and flags put a list of their own in its place.
    let listed = r#"[{"layer":"validation"},{"layer":"retry"}]"#;
    let config = load(file, &[("REPO_STORAGE__LAYERS", listed)], &[]).unwrap();
    assert_eq!(names(&config), ["validation", "retry"]);
}

#[test]
fn validating_documents_is_the_innermost_layer() {
    let names = |layers: &str| -> Vec<&str> {
        let file = format!(
            r#"{{"storage":{{"strategy":"memory","validate_documents":true,"layers":{layers}}}}}"#
        );
        load(&file, &[], &[]).unwrap().layers().iter().map(|layer| layer.name()).collect()
    };
    assert_eq!(names("[]"), ["validation"]);
    assert_eq!(names(r#"[{"layer":"retry"}]"#), ["retry", "validation"]);
    let both = r#"[{"layer":"validation"},{"layer":"retry"}]"#;
    assert_eq!(names(both), ["validation", "retry"], "the list says where");
}

#[test]
fn layers_that_make_no_sense_are_refused_with_their_place() {
    for (layers, words) in [
        (r#"[{"layer":"caching"}]"#, "unknown variant `caching`"),
        (r#"[{"layer":"retry","attempts":5}]"#, "unknown field `attempts`"),
        (r#"[{"layer":"retry","max_attempts":1}]"#, "2 or more"),
        (r#"[{"layer":"retry"},{"layer":"retry"}]"#, "stands twice"),
    ] {
        let file = format!(r#"{{"storage":{{"strategy":"memory","layers":{layers}}}}}"#);
        let error = load(&file, &[], &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert_eq!(error.context_value("at"), Some("storage.layers"), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// What this program reads of another one's section.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    depth: u32,
}

/// The other keys may be what they like, and need what this program does not have.
#[test]
fn a_section_of_another_program_is_read_in_part() {
    let sections = [Section::part_of::<Place>("server")];
    let load = |server: &str, environment: &[(&str, &str)]| {
        let file = format!(r#"{{"storage":{{"strategy":"memory"}},"server":{server}}}"#);
        load_with(&file, environment, &[], &sections).unwrap()
    };
    let place = |config: &Config| config.section::<Place>("server");
    let given = r#"{"folder":"${HERE}/f","secret":"${UNSET}","listen":5}"#;
    let config = load(given, &[("HERE", "/srv"), ("REPO_SERVER__DEPTH", "3")]);
    let found = Place { folder: Some("/srv/f".to_owned()), depth: 3 };
    assert_eq!(place(&config).unwrap(), found);
    assert_eq!(origin(&config, "server.depth"), (json!(3), "environment".into()));
    assert!(config.entries().iter().all(|entry| !entry.path.contains("secret")));
    assert_eq!(config.ignored(), [] as [&str; 0]);
    for nothing in ["{}", "7", r#""mine""#] {
        assert_eq!(place(&load(nothing, &[])).unwrap(), Place::default(), "{nothing}");
    }
    // What is wrong shows when it is asked for.
    for wrong in [r#"{"folder":5}"#, r#"{"folder":"${UNSET}"}"#] {
        let error = place(&load(wrong, &[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{wrong}");
    }
}
