//! The programs on DynamoDB: where it is, and what stands in the tables.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::process::Command;

use crate::cli_support::wire::closed_port;
use crate::cli_support::{Place, filled, machine};
use repo_testkit::servers::{self, call_dynamodb as call};
use serde_json::{Value as Json, json};

const STORE: &str = "dynamodb:data";

fn configured(place: &Place, settings: &Json) {
    let config = json!({"storage": {"strategy": "dynamodb", "dynamodb_strategy": settings}});
    place.write("repository.json", config.to_string());
}

#[test]
fn a_store_by_configuration_is_that_of_the_url() {
    let place = Place::new();
    configured(
        &place,
        &json!({"region": "eu-central-1", "table_prefix": "data",
                "endpoint_url": servers::dynamodb()}),
    );
    // What the configuration says stands over the environment.
    let line = |line: &str| {
        place.line_with(line, |command| {
            command.env("AWS_ENDPOINT_URL_DYNAMODB", closed_port()).env("AWS_REGION", "us-west-2");
        })
    };
    line("init").ok();
    let text = machine("m-1", "running").to_string();
    place.write("m.json", text);
    line("put machines m.json").ok().prints("version 1");
    line("get machines m-1 --strategy dynamodb").ok().prints("running");
    place.line(&format!("get machines m-1 --store {STORE}")).ok().prints("running");
    let health = line("health").ok();
    let location = format!("dynamodb:{}/eu-central-1/data", servers::dynamodb());
    health.prints(&location);
}

#[test]
fn the_endpoint_of_the_environment_is_used_and_told() {
    let place = filled(STORE, 1);
    let location = format!("dynamodb:{}/eu-central-1/data", servers::dynamodb());
    for name in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"] {
        let run = place.line_with(&format!("health --store {STORE}"), |command| {
            command.env_remove("AWS_ENDPOINT_URL_DYNAMODB").env(name, servers::dynamodb());
        });
        run.ok().prints(&location);
    }
    // The one for DynamoDB counts.
    let run = place.line_with(&format!("health --store {STORE}"), |command| {
        command.env("AWS_ENDPOINT_URL", closed_port());
    });
    run.ok().prints(&location);
    let config = format!(
        "[profile local]\nregion = eu-central-1\nendpoint_url = {}\n\
         aws_access_key_id = {}\naws_secret_access_key = x\n",
        servers::dynamodb(),
        &*place.aws_access_key
    );
    place.write("aws.config", config);
    configured(&place, &json!({"profile": "local", "table_prefix": "data"}));
    let run = place.line_with("count machines", |command| {
        for name in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_REGION", "AWS_ACCESS_KEY_ID"] {
            command.env_remove(name);
        }
        command.env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_CONFIG_FILE", "aws.config");
    });
    assert_eq!(run.ok().stdout, "1\n");
}

/// What `aws dynamodb describe-table` shows is what `schema ddl` prints.
#[test]
fn the_tables_are_those_that_the_ddl_prints() {
    let place = Place::new();
    place.line(&format!("init --store {STORE}")).ok();
    let printed = place.line(&format!("schema ddl --store {STORE} --format json")).ok().json();
    assert_eq!(printed["strategy"], "dynamodb");
    let printed = printed["tables"].as_array().unwrap();
    let names: Vec<&str> = printed.iter().map(|t| t["TableName"].as_str().unwrap()).collect();
    assert_eq!(names, ["data__store", "data_machines", "data_requests", "data_templates"]);
    for table in printed {
        let input = json!({"TableName": table["TableName"]});
        let made = &call(&place.aws_access_key, "DescribeTable", &input)["Table"];
        assert_eq!(made["KeySchema"], table["KeySchema"]);
        assert_eq!(made["BillingModeSummary"]["BillingMode"], table["BillingMode"]);
        let by = |key: &str, list: &Json| -> Vec<Json> {
            let mut list = list.as_array().cloned().unwrap_or_default();
            list.sort_by_key(|entry| entry[key].as_str().unwrap().to_owned());
            list
        };
        let attributes = |table: &Json| by("AttributeName", &table["AttributeDefinitions"]);
        assert_eq!(attributes(made), attributes(table));
        let indexes = |table: &Json| by("IndexName", &table["GlobalSecondaryIndexes"]);
        let (made, printed) = (indexes(made), indexes(table));
        assert_eq!(made.len(), printed.len());
        for (made, printed) in made.iter().zip(&printed) {
            for key in ["IndexName", "KeySchema", "Projection"] {
                assert_eq!(made[key], printed[key]);
            }
        }
    }
    let machines = &printed[1];
    assert_eq!(machines["KeySchema"], json!([{"AttributeName": "machine_id", "KeyType": "HASH"}]));
    let index = machines["GlobalSecondaryIndexes"].as_array().unwrap().iter();
    let index = index.clone().find(|i| i["IndexName"] == "template_id-created_at-index").unwrap();
    assert_eq!(
        index["KeySchema"],
        json!([
            {"AttributeName": "template_id-created_at-index.hash", "KeyType": "HASH"},
            {"AttributeName": "template_id-created_at-index.range", "KeyType": "RANGE"},
        ])
    );
}

/// The definitions need neither server nor AWS, and each is the input of one
/// `aws dynamodb create-table --cli-input-json`.
#[test]
fn the_ddl_needs_no_server() {
    let place = Place::new();
    let bare = |command: &mut Command| {
        for name in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_REGION", "AWS_ACCESS_KEY_ID"] {
            command.env_remove(name);
        }
    };
    let printed = place.line_with("schema ddl machines --strategy dynamodb", bare).ok();
    let mut tables = serde_json::Deserializer::from_str(&printed.stdout).into_iter::<Json>();
    assert_eq!(tables.next().unwrap().unwrap()["TableName"], "hostfactory__store");
    assert_eq!(tables.next().unwrap().unwrap()["TableName"], "hostfactory_machines");
    assert!(tables.next().is_none());
    configured(
        &place,
        &json!({"table_prefix": "mine", "billing_mode": "PROVISIONED", "write_capacity": 9}),
    );
    let printed = place.line_with("schema ddl machines --format json", bare).ok().json();
    let table = &printed["tables"][1];
    assert_eq!(table["TableName"], "mine_machines");
    for part in [table, &table["GlobalSecondaryIndexes"][0]] {
        let units = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 9});
        assert_eq!(part["ProvisionedThroughput"], units);
    }
}

#[test]
fn a_missing_store_and_a_missing_table_name_the_command() {
    let place = Place::new();
    for line in ["get machines m-1", "count machines", "health", "export machines"] {
        let run = place.line(&format!("{line} --store {STORE}"));
        run.ends(1).complains("repoctl init").complains("data__store");
    }
    let place = filled(STORE, 1);
    let input = json!({"TableName": "data_machines"});
    call(&place.aws_access_key, "DeleteTable", &input);
    place.write("m.json", machine("m-1", "x").to_string());
    for line in ["get machines m-1", "count machines", "export machines", "put machines m.json"] {
        let run = place.line(&format!("{line} --store {STORE}"));
        run.ends(1).complains("data_machines").complains("repoctl init");
    }
    let health = place.line(&format!("health --store {STORE}")).ends(1);
    health.prints("data_machines is missing");
    place.line(&format!("init --store {STORE}")).ok();
    place.line(&format!("count machines --store {STORE}")).ok().prints("0");
}

#[test]
fn a_table_of_somebody_else_is_refused() {
    let place = Place::new();
    let input = json!({
        "TableName": "data_machines",
        "KeySchema": [{"AttributeName": "machine_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "machine_id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    call(&place.aws_access_key, "CreateTable", &input);
    let item = json!({"TableName": "data_machines", "Item": {"machine_id": {"S": "theirs"}}});
    call(&place.aws_access_key, "PutItem", &item);
    let run = place.line(&format!("init --store {STORE}"));
    run.ends(1).complains("data_machines").complains("not ours");
    let found = call(&place.aws_access_key, "Scan", &json!({"TableName": "data_machines"}));
    assert_eq!(found["Items"], json!([{"machine_id": {"S": "theirs"}}]));
}

#[test]
fn two_stores_of_different_prefixes_keep_apart() {
    let place = filled("dynamodb:a", 2);
    for store in ["dynamodb:a_b", "dynamodb:a_machines"] {
        place.line(&format!("init --store {store}")).ok();
        assert_eq!(place.line(&format!("count machines --store {store}")).ok().stdout, "0\n");
    }
    // Its table of `machines` would be the one that `a_b` has for `machines`.
    place.line("init b_machines --store dynamodb:a").ends(1).complains("not ours");
    assert_eq!(place.line("count machines --store dynamodb:a").ok().stdout, "2\n");
}

#[test]
fn a_migration_there_and_back_is_verified() {
    let place = filled("json:data", 50);
    place.line("delete machines m-0007 --store json:data").ok();
    for (source, target) in [
        ("json:data", STORE),
        (STORE, "sqlite:back.db"),
        ("sqlite:back.db", "dynamodb:again"),
        (STORE, "dynamodb:third"),
    ] {
        let line = format!("migrate --source {source} --target {target} --backup-location b");
        place.line(&line).ok().prints("verified");
        place.line(&format!("verify --source {source} --target {target}")).ok();
        let again = place.line(&format!("{line} --format json")).ok().json();
        assert_eq!(again["totals"]["applied"], 0, "{again:#}");
    }
    let run = place.line(&format!("migrate --source {STORE} --target {STORE}"));
    run.ends(2).complains("same store");
}

/// Killed while it loads, with records in the target that only it can see.
#[test]
fn a_migration_that_is_killed_in_its_load_loses_nothing() {
    let place = filled("json:data", 1_000);
    let line = format!("migrate --source json:data --target {STORE} --batch-size 1");
    let mut child = place.start(&line);
    let table = json!({"TableName": "data_machines"});
    let is_made = || {
        let tables = call(&place.aws_access_key, "ListTables", &json!({}));
        tables["TableNames"].as_array().unwrap().contains(&table["TableName"])
    };
    let is_filled =
        || call(&place.aws_access_key, "Scan", &table)["Count"].as_u64().unwrap_or(0) > 5;
    while !(is_made() && is_filled()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.line(&format!("count machines --store {STORE}")).ends(1).complains("being loaded");
    let health = place.line(&format!("health --store {STORE}")).ends(1);
    health.prints("machines is being loaded");
    let dry = place.line(&format!("{line} --dry-run"));
    assert!(dry.stderr.contains("a load of machines into the target"), "{dry:#?}");
    let report = place.line(&format!("{line} --format json")).ok().json();
    assert_eq!(report["outcome"], "verified");
    assert_eq!(report["totals"]["read"], 1_002);
    assert_eq!(place.line(&format!("count machines --store {STORE}")).ok().stdout, "1000\n");
    place.line(&format!("health --store {STORE}")).ok();
}
