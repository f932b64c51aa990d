//! Files of other programs as the source of a migration, from the outside: a state file
//! of each preset, as its program writes it.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb", feature = "files"))]

use std::collections::BTreeMap;
use std::process::Command;

use crate::cli_support::{Place, Run, STORES};
use serde_json::{Value as Json, json};

const CONNECTOR: &str = "hostfactory-aws-db";
const CYCLECLOUD: &str = "hostfactory-cyclecloud";
const GOOGLE: &str = "hostfactory-google";
const TEMPLATES: &str = "hostfactory-templates";

const REQUESTS: usize = 300;

/// A machine of the `n`th request as a resource connector writes it.
fn connector_machine(n: usize, of: usize) -> String {
    format!(
        r#"{{"machineId": "i-{n:04}-{of}", "name": "host-{n}", "template": "", "result": "succeed",
        "status": "ACTIVE", "message": "", "privateIpAddress": "10.0.0.{of}",
        "publicIpAddress": "", "publicDnsName": "größe.example.com", "rcAccount": "default",
        "launchtime": 1772352000, "ncores": 2, "nthreads": 1, "lifeCycleType": "OnDemand",
        "requestId": "add-{n:04}", "returnId": null, "price": 0.{n:04}10000000000000000001}}"#
    )
}

/// The state file of a resource connector: machines in the requests that made them.
fn connector_file() -> String {
    let requests: Vec<String> = (0..REQUESTS)
        .map(|n| {
            let machines = [connector_machine(n, 1), connector_machine(n, 2)].join(", ");
            format!(
                r#"{{"requestId": "add-{n:04}", "templateId": "T-1", "message": "", "ttl": 0,
    "status": "complete", "time": 1772352000001, "machines": [{machines}],
    "rc_account": "default", "hostAllocationType": "OnDemand"}}"#
            )
        })
        .collect();
    format!("{{\"requests\": [\n  {}\n]}}", requests.join(",\n  "))
}

/// The documents of a collection by id, each of version 1.
fn documents(
    place: &Place,
    store: &str,
    preset: &str,
    [collection, id]: [&str; 2],
) -> BTreeMap<String, Json> {
    let line = format!("export {collection} --store {store} --preset {preset}");
    let mut documents = BTreeMap::new();
    for mut line in place.line(&line).ok().ndjson() {
        let object = line.as_object_mut().unwrap();
        assert_eq!(object.remove("_version"), Some(json!(1)));
        object.retain(|name, _| !name.starts_with('_'));
        documents.insert(line[id].as_str().unwrap().to_owned(), line);
    }
    documents
}

/// Migrates and compares; a second run finds everything equal.
fn migrates(place: &Place, source: &str, target: &str, preset: &str, records: usize) -> Run {
    let sides = format!("--source {source} --target {target} --preset {preset}");
    if target.starts_with("postgresql") {
        place.postgres();
    }
    let run = place.migrate(&sides).ok().prints("verified");
    assert!(!run.stderr.contains("error:"), "{run:?}");
    place.line(&format!("verify {sides}")).ok().prints("equal");
    let again = place.migrate(&format!("{sides} --format json")).ok().json();
    assert_eq!(again["totals"]["equal"], json!(records));
    assert_eq!(again["totals"]["applied"], json!(0));
    run
}

#[test]
fn the_state_file_of_a_resource_connector_migrates_into_each_store() {
    for target in STORES {
        let place = Place::new();
        let text = connector_file();
        place.write("work/aws-db.json", &text);
        // What is beside it is not meant.
        place.write("work/aws-db.json.bkp", "not JSON");
        place.write("work/.aws-db.json.swp", "not JSON");
        let run = migrates(&place, "files:work", target, CONNECTOR, REQUESTS * 3);
        run.complains("the source is files of another program, read as version 1")
            .complains("machines (aws-db.json), requests (aws-db.json)");
        let machines = documents(&place, target, CONNECTOR, ["machines", "machine_id"]);
        assert_eq!(machines.len(), REQUESTS * 2);
        let machine = &machines["i-0007-2"];
        assert_eq!(
            (&machine["request_id"], &machine["return_request_id"], &machine["ncores"]),
            (&json!("add-0007"), &Json::Null, &json!(2))
        );
        assert!(machine.get("requestId").is_none() && machine.get("machineId").is_none());
        assert_eq!(machine["publicDnsName"], "größe.example.com");
        let exact = format!("get machines i-0007-2 --store {target} --preset {CONNECTOR}");
        place.line(&format!("{exact} --format json")).ok().prints("0.000710000000000000000001");
        let requests = documents(&place, target, CONNECTOR, ["requests", "request_id"]);
        assert_eq!(requests.len(), REQUESTS);
        assert_eq!(
            requests["add-0299"],
            json!({
                "request_id": "add-0299", "template_id": "T-1", "message": "", "ttl": 0,
                "status": "complete", "time": 1_772_352_000_001_u64, "rc_account": "default",
                "hostAllocationType": "OnDemand",
            })
        );
        assert_eq!(place.read("work/aws-db.json"), text);
    }
}

#[test]
fn the_files_of_the_cyclecloud_provider_migrate() {
    let place = Place::new();
    let created = json!({
        "c-1": {"requestTime": 1_772_352_000, "lastUpdateTime": 1_772_352_060, "lastNumNodes": 2,
                "completedNodes": [{"hostname": "h-1", "nodeid": "n-1"}],
                "allNodes": ["n-1", "n-2"], "completed": false},
        "c-2": {"requestTime": 1.5, "allNodes": null, "completed": true},
    });
    let terminated = json!({
        "t-1": {"id": "t-1", "machines": {"n-1": "h-1", "n/2": "h-2"}, "requestTime": 7},
        // The same node, given back once more.
        "t-2": {"id": "t-2", "machines": {"n-1": "h-1b"}, "requestTime": 8, "terminated": true},
    });
    let sets = json!({
        "c-1": {"requestId": "c-1", "timestamp": 1_772_352_000,
                "sets": [{"count": 2, "definition": {"templateName": "execute"}}]},
    });
    place.write("work/create_requests.json", created.to_string());
    place.write("work/terminate_requests.json", terminated.to_string());
    place.write("work/azurecc_requests.json", sets.to_string());
    migrates(&place, "files:work", "sqlite:data.db", CYCLECLOUD, 7);
    let of = |names| documents(&place, "sqlite:data.db", CYCLECLOUD, names);
    let requests = of(["requests", "request_id"]);
    let types = requests.iter().map(|(id, document)| (id.as_str(), &document["request_type"]));
    assert_eq!(
        types.collect::<Vec<_>>(),
        [
            ("c-1", &json!("acquire")),
            ("c-2", &json!("acquire")),
            ("t-1", &json!("return")),
            ("t-2", &json!("return")),
        ]
    );
    assert_eq!(requests["c-1"]["completedNodes"], created["c-1"]["completedNodes"]);
    assert!(requests["t-1"].get("machines").is_none());
    let machines = of(["machines", "machine_id"]);
    let machine = |id: &str, name: &str, request: &str| json!({"machine_id": id, "name": name, "return_request_id": request});
    assert_eq!(machines["n-1"], machine("n-1", "h-1b", "t-2"));
    assert_eq!(machines["n/2"], machine("n/2", "h-2", "t-1"));
    assert_eq!(of(["request_sets", "request_id"])["c-1"]["sets"], sets["c-1"]["sets"]);
    // A provider that was never asked to give back has no file of that.
    std::fs::remove_file(place.path("work/terminate_requests.json")).unwrap();
    migrates(&place, "files:work", "json:fresh", CYCLECLOUD, 3);
}

#[test]
fn the_table_of_the_google_provider_migrates() {
    let place = Place::new();
    let sql = "CREATE TABLE machines (machine_name TEXT UNIQUE NOT NULL, request_id TEXT, \
         gcp_zone TEXT, instance_group_manager TEXT, machine_state INTEGER, operation_id TEXT, \
         return_request_id TEXT, internal_ip TEXT, external_ip TEXT, created_at INTEGER, \
         updated_at INTEGER, return_ttl INTEGER); \
         INSERT INTO machines VALUES ('vm-1', 'r-1', 'europe-west3-a', 'group', 2, 'op-1', NULL, \
         '10.0.0.1', NULL, 1772352000, 1772352001, NULL), ('vm-2', 'r-1', 'europe-west3-a', \
         'group', 3, NULL, 'r-2', NULL, NULL, 1772352000, 1772352002, 60)";
    Run::of(Command::new("sqlite3").arg(place.path("google.db")).arg(sql)).ok();
    migrates(&place, "sqlite:google.db", "json:data", GOOGLE, 2);
    let machines = documents(&place, "json:data", GOOGLE, ["machines", "machine_name"]);
    assert_eq!(
        machines["vm-2"],
        json!({
            "machine_name": "vm-2", "request_id": "r-1", "gcp_zone": "europe-west3-a",
            "instance_group_manager": "group", "machine_state": 3, "operation_id": null,
            "return_request_id": "r-2", "internal_ip": null, "external_ip": null,
            "created_at": 1_772_352_000, "updated_at": 1_772_352_002, "return_ttl": 60,
        })
    );
}

#[test]
fn the_templates_of_every_provider_migrate() {
    let place = Place::new();
    let attributes = json!({"type": ["String", "X86_64"], "ncpus": ["Numeric", "2"]});
    let template = |id: &str| json!({"templateId": id, "maxNumber": 10, "attributes": &attributes});
    let file = |ids: &[&str]| {
        json!({"templates": ids.iter().map(|id| template(id)).collect::<Vec<_>>()}).to_string()
    };
    place.write("conf/awsprov_templates.json", file(&["aws-1", "aws-2"]));
    place.write("conf/azureccprov_templates.json", file(&["azure-1"]));
    place.write("conf/awsprov_config.json", "not JSON");
    migrates(&place, "files:conf", "sqlite:data.db", TEMPLATES, 3);
    let templates = documents(&place, "sqlite:data.db", TEMPLATES, ["templates", "template_id"]);
    assert_eq!(
        templates["azure-1"],
        json!({"template_id": "azure-1", "maxNumber": 10, "attributes": attributes})
    );
}

/// One archive, one report: as from any other source.
#[test]
fn dry_run_backup_and_comparison_are_the_same() {
    let place = Place::new();
    place.write("work/aws-db.json", connector_file());
    let sides = format!("--source files:work --target json:data --preset {CONNECTOR}");
    let before = place.contents();
    let dry = place.line(&format!("migrate {sides} --dry-run --format json")).ok().json();
    assert_eq!(dry["totals"]["applied"], json!(REQUESTS * 3));
    assert_eq!(place.contents(), before);

    let line = format!("backup --store files:work --preset {CONNECTOR} --backup-location kept");
    place.line(&line).ok();
    let kept = std::fs::read_dir(place.path("kept")).unwrap().next().unwrap().unwrap();
    let kept = kept.file_name().display().to_string();
    place.line(&format!("restore kept/{kept} --store json:restored --preset {CONNECTOR}")).ok();
    place
        .line(&format!("verify --source files:work --target json:restored --preset {CONNECTOR}"))
        .ok()
        .prints("equal");

    place.line(&format!("migrate {sides} --no-backup --collections machines")).ok();
    let edited = connector_file().replacen("ACTIVE", "TERMINATED", 1);
    place.write("work/aws-db.json", edited);
    let verify = place.line(&format!("verify {sides} --collections machines"));
    verify.ends(4).prints("machines/i-0000-1");
}

#[test]
fn reading_commands_work_on_the_files_and_writing_ones_are_refused() {
    let place = Place::new();
    place.write("work/ibm-db.json", connector_file());
    let store = format!("--store files:work --preset {CONNECTOR}");
    let before = place.contents();
    assert_eq!(place.line(&format!("count machines {store}")).ok().stdout, "600\n");
    place.line(&format!("get machines i-0003-1 {store}")).ok().prints("host-3");
    place.line(&format!("get machines i-9999-1 {store}")).ends(1).complains("i-9999-1");
    let query = format!("query machines {store} --order-by machine_id:desc --limit 2");
    place.line(&format!("{query} --format ndjson")).ok().prints("i-0299-2").prints("i-0299-1");
    let words = format!("query machines {store} --explain --format json --filter");
    let filter = [r#"{"request_id":"add-0001"}"#];
    let explained = place.run(words.split_whitespace().chain(filter)).ok().json();
    assert_eq!(explained["plan"]["kind"], "scan");
    let first = place.line(&format!("query requests {store} --limit 299 --format json")).ok();
    let cursor = first.json()["next"].as_str().unwrap().to_owned();
    let words = format!("query requests {store} --format ndjson --limit 9 --cursor");
    let rest = place.run(words.split_whitespace().chain([cursor.as_str()])).ok();
    rest.prints("add-0299");
    let health = place.line(&format!("health {store}")).ok();
    health.prints("files of another program").prints("is healthy");
    place.line(&format!("schema validate {store}")).ok();
    place.write("x.json", r#"{"machine_id": "x"}"#);
    let put = "put machines x.json --create";
    for command in ["init", put, "delete machines i-0001-1", "checkpoint"] {
        let run = place.line(&format!("{command} {store}")).ends(1).one_message();
        run.complains("only read").complains("source of a migration");
    }
    std::fs::remove_file(place.path("x.json")).unwrap();
    assert_eq!(place.contents(), before);

    place.line(&format!("init --store json:data --preset {CONNECTOR}")).ok();
    let into = format!("migrate --source json:data --target files:work --preset {CONNECTOR}");
    place.line(&into).ends(1).one_message().complains("only read");
    let out = format!("migrate --source files:work --target json:new --preset {CONNECTOR}");
    place.line(&format!("{out} --cleanup-source")).ends(2).complains("never cleaned up");
}
