//! What the Open Resource Broker keeps as the source of a migration, from the outside:
//! its JSON files with the section that all kinds share, and its DynamoDB items.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb", feature = "files"))]

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Child;

use crate::cli_support::Place;
use crate::existing::documents;
use repo_testkit::servers::call_dynamodb as call;
use serde_json::{Value as Json, json};

const MACHINES: usize = 60;

fn machine(n: usize) -> Json {
    json!({
        "machine_id": format!("i-{n:03}"), "request_id": "req-1", "template_id": "t-1",
        "name": format!("Größe {n}"), "status": "running", "return_request_id": null,
        "price_type": "ondemand", "tags": {"Owner": "hf"}, "security_group_ids": ["sg-1"],
        "metadata": {"spot": 0.25, "nested": {"list": [1, 2.5, null, true]}},
        "created_at": "2026-11-28T17:08:40.035855+00:00",
        "updated_at": "2026-11-28T17:08:41.035855+00:00", "version": 0,
    })
}

fn request() -> Json {
    json!({"request_id": "req-1", "template_id": "t-1", "status": "complete", "version": 2})
}

fn template() -> Json {
    json!({"template_id": "t-1", "name": "one", "max_instances": 10, "is_active": true})
}

fn machines() -> Json {
    let machines = (0..MACHINES).map(machine);
    let by_id = |machine: Json| (machine["machine_id"].as_str().unwrap().to_owned(), machine);
    Json::Object(machines.map(by_id).collect())
}

fn assert_moved(place: &Place, target: &str) {
    let found = documents(place, target, "machines", "machine_id");
    assert_eq!(found.len(), MACHINES);
    for n in 0..MACHINES {
        assert_eq!(found[&format!("i-{n:03}")], machine(n));
    }
    assert_eq!(documents(place, target, "requests", "request_id")["req-1"], request());
    assert_eq!(documents(place, target, "templates", "template_id")["t-1"], template());
}

/// Migrates, compares, and finds everything equal the second time.
fn migrates(place: &Place, source: &str, target: &str) {
    let sides = format!("--source {source} --target {target}");
    place.migrate(&sides).ok().prints("verified");
    assert_moved(place, target);
    place.line(&format!("verify {sides}")).ok().prints("equal");
    let again = place.migrate(&format!("{sides} --format json")).ok().json();
    assert_eq!(again["totals"]["equal"], json!(MACHINES + 2));
    assert_eq!(again["totals"]["applied"], json!(0));
}

/// What the broker leaves beside its files.
fn leftovers(place: &Place, file: &str) {
    place.write(&format!("work/.{file}.json.lock"), "");
    place.write(&format!("work/backups/{file}.backup_20261128_170840.json"), "not JSON");
}

#[test]
fn one_file_and_files_of_collections_migrate() {
    let single = json!({
        "templates": {"t-1": template()}, "requests": {"req-1": request()},
        "machines": machines(),
    });
    let place = Place::new();
    place.write("work/request_database.json", single.to_string());
    leftovers(&place, "request_database");
    migrates(&place, "json:work", "sqlite:data.db");

    let place = Place::new();
    for (name, section) in single.as_object().unwrap() {
        place.write(&format!("work/{name}.json"), json!({ name: section }).to_string());
        leftovers(&place, name);
    }
    migrates(&place, "json:work", "sqlite:data.db");
    assert_eq!(place.read("work/backups/machines.backup_20261128_170840.json"), "not JSON");
}

#[test]
fn the_section_that_all_kinds_share_goes_to_their_collections() {
    let mut generic = machines();
    let entries = generic.as_object_mut().unwrap();
    entries.insert("req-1".to_owned(), request());
    let mut newer = machine(0);
    newer["updated_at"] = json!("2026-11-28T18:08:41.035855+01:00");
    let mut older = machine(1);
    older["updated_at"] = json!("2026-11-28T17:08:40Z");
    older["status"] = json!("pending");
    newer["status"] = json!("stale");
    // `newer` is the same moment, so its version decides.
    newer["version"] = json!(-1);
    let own = json!({"i-000": newer, "i-001": older});
    let file = json!({"templates": {"t-1": template()}, "machines": own, "generic": generic});
    let text = file.to_string();
    let place = Place::new();
    place.write("work/request_database.json", &text);
    leftovers(&place, "request_database");
    let before = place.contents();
    let line = "migrate --source json:work --target json:data";
    let run = place.line(&format!("{line} --dry-run")).ok();
    run.complains("section that they share: 60 machines, 1 requests")
        .complains("left out: 2 machines");
    assert_eq!(place.contents(), before);
    migrates(&place, "json:work", "json:data");
    // It is a source, and no store.
    let run = place.run_with_input("put machines --store json:work", &machine(0).to_string());
    run.ends(1).complains("generic");
    assert_eq!(place.read("work/request_database.json"), text);

    // A collection of that name is one.
    let schema = json!({"type": "object",
        "x-repository": {"collection": "generic", "idField": "id"}});
    place.write("schemas/generic.schema.json", schema.to_string());
    place.write("own/request_database.json", r#"{"generic": {"a": {"id": "a"}}}"#);
    let count = place.line("count generic --store json:own --schemas schemas").ok();
    assert_eq!(count.stdout, "1\n");
}

#[test]
fn entities_of_one_id_of_which_neither_is_newer_are_refused_by_name() {
    let place = Place::new();
    let other = json!({"machine_id": "m", "status": "other"});
    let file = json!({
        "machines": {"m": {"machine_id": "m", "status": "one"}}, "generic": {"m": other},
    });
    place.write("work/request_database.json", file.to_string());
    let before = place.contents();
    let run = place.line("migrate --source json:work --target json:data").ends(1).one_message();
    run.complains("neither is newer")
        .complains("/machines/m")
        .complains("/generic/m")
        .complains("compared: updated_at, version");
    assert_eq!(place.contents(), before);
}

/// Whether a process has a file open.
fn has_open(child: &Child, file: &Path) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
    open.flatten().any(|one| std::fs::read_link(one.path()).is_ok_and(|path| path == file))
}

/// How often the threads of a process have gone to sleep.
fn sleeps(child: &Child) -> u64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", child.id())) else { return 0 };
    let of_thread = |folder: &Path| -> Option<u64> {
        let status = std::fs::read_to_string(folder.join("status")).ok()?;
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        count.trim().parse().ok()
    };
    threads.flatten().filter_map(|thread| of_thread(&thread.path())).sum()
}

/// Returns once a process waits for a lock: it holds the file open, and has looked at it and
/// slept many times. Only who waits does so; who goes on ends, or closes the file.
fn waits_for(child: &mut Child, lock: &Path) {
    const LOOKS: u64 = 20;
    let lock = lock.canonicalize().unwrap();
    let mut first = None;
    loop {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the lock was given back");
        if has_open(child, &lock) {
            let slept = sleeps(child);
            if slept >= *first.get_or_insert(slept) + LOOKS {
                return;
            }
        } else {
            assert!(first.is_none(), "it does not wait for the lock any more");
        }
        std::thread::yield_now();
    }
}

/// The broker holds its lock while it writes: a reader waits for it, and reads nothing of
/// a change that is half done.
#[test]
fn a_file_that_the_broker_writes_is_waited_for() {
    let place = Place::new();
    let file = json!({"templates": {"t-1": template()}, "requests": {"req-1": request()},
        "machines": machines()});
    let text = file.to_string();
    place.write("work/request_database.json", &text.as_bytes()[..text.len() / 2]);
    leftovers(&place, "request_database");
    let lock = place.path("work/.request_database.json.lock");
    let theirs = OpenOptions::new().read(true).write(true).open(&lock).unwrap();
    fs2::FileExt::lock_exclusive(&theirs).unwrap();
    let mut child = place.start("count machines --store json:work");
    waits_for(&mut child, &lock);
    place.write("work/request_database.json", &text);
    fs2::FileExt::unlock(&theirs).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "60\n");
    // Readers share it, and give it back.
    fs2::FileExt::try_lock_exclusive(&theirs).unwrap();
}

/// A value as the broker writes it: numbers as numbers, null as NULL.
fn attribute(value: &Json) -> Json {
    match value {
        Json::Null => json!({"NULL": true}),
        Json::Bool(truth) => json!({"BOOL": truth}),
        Json::Number(number) => json!({"N": number.to_string()}),
        Json::String(text) => json!({"S": text}),
        Json::Array(items) => {
            json!({"L": items.iter().map(attribute).collect::<Vec<_>>()})
        }
        Json::Object(fields) => json!({"M": attributes(fields)}),
    }
}

fn attributes(fields: &serde_json::Map<String, Json>) -> Json {
    let fields = fields.iter().map(|(name, value)| (name.clone(), attribute(value)));
    Json::Object(fields.collect())
}

/// A table of the broker with these documents.
fn table(place: &Place, collection: &str, id: &str, documents: &[Json]) {
    let name = format!("hf-{collection}");
    let input = json!({
        "TableName": name,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    call(&place.aws_access_key, "CreateTable", &input);
    for document in documents {
        let mut item = attributes(document.as_object().unwrap());
        item["id"] = json!({"S": document[id]});
        call(&place.aws_access_key, "PutItem", &json!({"TableName": name, "Item": item}));
    }
}

fn broker_tables() -> Place {
    let place = Place::new();
    let machines: Vec<Json> = (0..MACHINES).map(machine).collect();
    table(&place, "machines", "machine_id", &machines);
    table(&place, "requests", "request_id", &[request()]);
    table(&place, "templates", "template_id", &[template()]);
    place
}

#[test]
fn the_items_of_the_broker_migrate_into_each_store() {
    for target in ["json:data", "sqlite:data.db", "postgresql:///", "dynamodb:data"] {
        let place = broker_tables();
        if target.starts_with("postgresql") {
            place.postgres();
        }
        migrates(&place, "dynamodb:hf", target);
    }
}

#[test]
fn the_items_are_read_and_never_written() {
    let place = broker_tables();
    let store = "--store dynamodb:hf";
    assert_eq!(place.line(&format!("count machines {store}")).ok().stdout, "60\n");
    place.line(&format!("get machines i-007 {store}")).ok().prints("Größe 7");
    let query = format!("query machines {store} --order-by machine_id:desc --limit 2");
    place.line(&format!("{query} --format ndjson")).ok().prints("i-059").prints("i-058");
    let health = place.line(&format!("health {store}")).ok();
    health.prints("hf-machines").prints("is healthy");
    place.write("m.json", machine(1).to_string());
    for command in ["put machines m.json", "delete machines i-001"] {
        place.line(&format!("{command} {store}")).ends(1).one_message();
    }
    let line = "migrate --source dynamodb:hf --target json:data --cleanup-source";
    place.line(line).ends(2).complains("never cleaned up");
    let found = call(&place.aws_access_key, "Scan", &json!({"TableName": "hf-machines"}));
    assert_eq!(found["Count"], MACHINES);
    let tables = call(&place.aws_access_key, "ListTables", &json!({}));
    assert_eq!(tables["TableNames"], json!(["hf-machines", "hf-requests", "hf-templates"]));
}

#[test]
fn an_item_that_is_no_document_stops_the_run_or_is_put_aside() {
    let place = broker_tables();
    let item = json!({"id": {"S": "i-bad"}, "machine_id": {"S": "i-bad"}, "key": {"B": "AQI="}});
    call(&place.aws_access_key, "PutItem", &json!({"TableName": "hf-machines", "Item": item}));
    let before = place.contents();
    let line = "migrate --source dynamodb:hf --target json:data";
    let run = place.line(line).ends(1).complains("machines/i-bad").complains("a binary value");
    run.complains("--quarantine");
    assert_eq!(place.contents(), before);
    let words = format!("{line} --quarantine left.jsonl --format json");
    let report = place.line(&words).ends(3).json();
    assert_eq!(report["totals"]["quarantined"], json!(1));
    assert!(place.read("left.jsonl").contains("\"id\":\"i-bad\""));
    assert_moved(&place, "json:data");
}
