//! Files of other programs that cannot be read, and the schemas that come with the
//! program for those that can.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb", feature = "files"))]

use crate::cli_support::Place;
use serde_json::{Value as Json, json};

const CONNECTOR: &str = "--preset hostfactory-aws-db";
const MIGRATE: &str = "migrate --source files:work --target json:data";

fn with(text: &str) -> Place {
    let place = Place::new();
    place.write("work/aws-db.json", text);
    place
}

/// One request a line, in a list.
fn file(requests: &[&str]) -> String {
    format!("{{\"requests\": [\n  {}\n]}}", requests.join(",\n  "))
}

#[test]
fn a_malformed_file_is_refused_with_its_place_before_anything_is_written() {
    let good = r#"{"requestId": "r-1", "machines": []}"#;
    for (text, pointer, line, why) in [
        (
            file(&[good, r#"{"requestId": "r-2", "machines": [{"machineId": "i-1", "x": }]}"#]),
            "/requests/1/machines/0/x",
            None,
            "not well-formed JSON",
        ),
        (file(&[good, "{"]).replace("\n]}", ""), "", Some("line: 3"), "ends too early"),
        (
            file(&[good, r#"{"requestId": "r-2", "machines": [{"name": "h"}]}"#]),
            "/requests/1/machines/0/machineId",
            None,
            "the id field is missing",
        ),
        (
            file(&[good, r#"{"requestId": "r-2", "machines": "none"}"#]),
            "/requests/1/machines",
            None,
            "an object or a list of entities",
        ),
        (file(&[good, "7"]), "/requests/1", None, "an entity is an object"),
        (file(&[r#"{"requestId": "r", "time": 1e200}"#]), "/requests/0/time", None, "number"),
        (r#"{"machines": []}"#.to_owned(), "/requests", None, "no such place"),
    ] {
        let place = with(&text);
        let before = place.contents();
        for flags in ["--no-backup", "--dry-run"] {
            let run = place.line(&format!("{MIGRATE} {CONNECTOR} {flags}")).ends(1);
            let run = run.complains("work/aws-db.json").complains("byte").complains(pointer);
            let run = run.complains(why);
            assert!(line.is_none_or(|line| run.stderr.contains(line)), "{run:#?}");
        }
        assert_eq!(place.contents(), before, "{text}");
    }
}

#[test]
fn an_id_that_stands_twice_is_named_by_both_places() {
    let place = with(&file(&[
        r#"{"requestId": "r-1", "machines": [{"machineId": "i-1", "status": "one"}]}"#,
        r#"{"requestId": "r-2", "machines": [{"machineId": "i-1", "status": "two"}]}"#,
    ]));
    let before = place.contents();
    let run = place.line(&format!("{MIGRATE} {CONNECTOR}")).ends(1).one_message();
    run.complains("two entities have the same id")
        .complains("pointer: /requests/1/machines/0")
        .complains("line: 3")
        .complains("aws-db.json line 2, byte ")
        .complains("/requests/0/machines/0")
        .complains("onDuplicate");
    assert_eq!(place.contents(), before);
    // A copy of the preset says which one stays.
    place.line("schema presets hostfactory-aws-db --to schemas").ok().prints("written: ");
    let name = "schemas/requests.schema.json";
    let mut schema: Json = serde_json::from_str(&place.read(name)).unwrap();
    schema["x-repository"]["source"]["children"]["machines"]["onDuplicate"] = json!("last");
    place.write(name, schema.to_string());
    let run = place.line(&format!("{MIGRATE} --schemas schemas")).ok().prints("verified");
    run.complains("others of the same id that were left out: 1 machines");
    let found = place.line("get machines i-1 --store json:data --schemas schemas --format json");
    assert_eq!(found.ok().json()["status"], "two");
}

#[test]
fn what_cannot_be_read_is_put_aside_and_the_others_arrive() {
    let place = with(&file(&[
        r#"{"requestId": "r-1", "machines": [{"machineId": "i-1"},
            {"machineId": "i-2", "_version": 1}]}"#,
        r#"{"templateId": "t", "machines": [{"machineId": "i-3"}]}"#,
        r#"{"requestId": "r-3", "time": 1e200, "machines": []}"#,
    ]));
    place.line(&format!("{MIGRATE} {CONNECTOR}")).ends(1).complains("--quarantine");
    let words = format!("{MIGRATE} {CONNECTOR} --quarantine left.jsonl --format json");
    let report = place.line(&words).ends(3).json();
    let totals = &report["totals"];
    assert_eq!((&totals["read"], &totals["quarantined"]), (&json!(6), &json!(3)));
    let left = place.read("left.jsonl");
    let lines: Vec<Json> = left.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["id"] == "i-2"), "{left}");
    // By its id where there is one, else by its place.
    assert!(lines.iter().any(|line| line["id"] == "r-3"), "{left}");
    assert!(lines.iter().any(|line| line["id"] == "/requests/1"), "{left}");
    assert!(lines.iter().all(|line| line["stored"].as_str().unwrap().contains("machines")));
    let count = place.line(&format!("count machines --store json:data {CONNECTOR}")).ok();
    assert_eq!(count.stdout, "2\n");
}

#[test]
fn what_is_not_there_is_told() {
    let place = Place::new();
    place.write("work/notes.txt", "x");
    let run = place.line(&format!("{MIGRATE} {CONNECTOR}")).ends(1).one_message();
    run.complains("the folder holds no such file").complains("*-db.json");
    place
        .line("count machines --store files:nowhere --preset hostfactory-aws-db")
        .ends(1)
        .complains("there is no such folder");
    // The built-in collections say nothing of files.
    place.line(MIGRATE).ends(2).complains("preset");
    place.line("count machines --store files:").ends(2).complains("files:DIR");
}

#[test]
fn presets_are_listed_written_and_chosen_by_name() {
    let place = Place::new();
    let listed = place.line("schema presets --format json").ok().json();
    let names: Vec<&str> = listed["presets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|preset| preset["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "hostfactory-aws-db",
            "hostfactory-cyclecloud",
            "hostfactory-google",
            "hostfactory-templates",
            "open-resource-broker"
        ]
    );
    assert_eq!(listed["presets"][0]["collections"], json!(["machines", "requests"]));
    place.line("schema presets").ok().prints("hostfactory-google").prints("*-db.json");
    let one = place.line("schema presets hostfactory-google --format ndjson").ok();
    assert_eq!(one.ndjson().len(), 1);
    assert!(place.contents().is_empty());

    place.line("schema presets hostfactory-googel").ends(2).complains("`hostfactory-google`");
    place.line("schema presets --to here").ends(2);
    place.line("schema show --preset nothing").ends(2).complains("open-resource-broker");
    place.line("schema show --preset hostfactory-google --schemas here").ends(2);
    let shown = place.line("schema show --preset hostfactory-google --format json").ok().json();
    assert_eq!(shown["collections"][0]["id_field"], "machine_name");

    let line = "schema presets hostfactory-cyclecloud --to made/schemas";
    place.line(line).ok();
    let before = place.contents();
    place.line(line).ends(1).complains("nothing is written over");
    assert_eq!(place.contents(), before);
    place.line("schema show --schemas made/schemas").ok().prints("request_sets");
}

#[test]
fn a_source_that_cannot_be_says_where_it_is_wrong() {
    let place = with(r#"{"requests": []}"#);
    for (source, pointer, words) in [
        (json!({"file": "../x.json", "pointer": "/*"}), "/file", "within the folder"),
        (json!({"file": "x.json", "pointer": "/requests"}), "/pointer", "last step"),
        (json!({"file": "x.json"}), "/pointer", "a key is missing"),
        (json!({"file": "x.json", "pointer": "/*", "idfield": "x"}), "/idfield", "`idField`"),
        (json!({"file": "x.json", "pointer": "/*", "onDuplicate": "lst"}), "/onDuplicate", "last"),
    ] {
        let schema = json!({
            "type": "object",
            "x-repository": {"collection": "hosts", "idField": "host_id", "source": source},
        });
        place.write("schemas/hosts.schema.json", schema.to_string());
        let run = place.line(&format!("{MIGRATE} --schemas schemas")).ends(2).one_message();
        run.complains(&format!("pointer: /x-repository/source{pointer}")).complains(words);
    }
}
