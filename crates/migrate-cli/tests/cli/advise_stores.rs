//! `repoctl advise --requirements`: refused by what a store can do, else measured, and nothing is
//! left of it.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use serde_json::{Value as Json, json};

use crate::cli_support::{Place, Run};
use repo_testkit::servers::call_dynamodb;

const STORE: &str = "dynamodb:data";

/// A load that every store carries.
fn light() -> Json {
    json!({
        "needs": {"durable": true, "indexes": true, "moves": true},
        "data": {"entities": 1_000_000, "document_bytes": 300},
        "load": {"reads_per_second": 10, "writes_per_second": 4, "queries_per_second": 2,
                 "concurrency": 2, "keys_per_commit": 3, "query_results": 5},
        "latency": {"read_p99_ms": 60_000, "write_p99_ms": 60_000, "query_p99_ms": 60_000},
    })
}

/// A place with these requirements.
fn asking(requirements: &Json) -> Place {
    let place = Place::new();
    place.write("needs.json", requirements.to_string());
    place
}

fn advise(place: &Place, more: &str) -> Run {
    let line = "advise --requirements needs.json --sample 60 --seconds 1 --format json";
    place.line(&format!("{line} {more}"))
}

/// The answer for the only store that was named.
fn only(answer: &Json) -> &Json {
    assert_eq!(answer["candidates"].as_array().unwrap().len(), 1, "{answer}");
    &answer["candidates"][0]
}

#[track_caller]
fn was_measured(candidate: &Json) {
    assert_eq!(candidate["outcome"], "measured", "{candidate}");
    assert!(candidate["filled_per_second"].as_f64().unwrap() > 0.0, "{candidate}");
    for (kind, rate) in [("reads", 10), ("writes", 4), ("queries", 2)] {
        let figures = &candidate[kind];
        assert_eq!(figures["required_per_second"], rate, "{candidate}");
        assert_eq!(figures["failed"], 0, "{candidate}");
        assert!(figures["p99_ms"].is_f64(), "{candidate}");
    }
}

#[test]
fn configured_stores_on_this_machine_are_measured_and_left_as_they_were() {
    let place = asking(&light());
    let config = json!({"storage": {
        "strategy": "json",
        "json_strategy": {"base_path": "data"},
        "sql_strategy": {"type": "sqlite", "name": "data.db"},
    }});
    place.write("repository.json", config.to_string());
    place.line("init --strategy json").ok();
    place.line("init --strategy sql").ok();
    let before = place.contents();

    let answer = advise(&place, "").ok().json();
    assert_eq!(
        answer["sample"],
        json!({
            "entities": 60, "of_entities": 1_000_000, "document_bytes": 300,
        })
    );
    let candidates = answer["candidates"].as_array().unwrap();
    let names: Vec<&Json> = candidates.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["json", "sql"]);
    for candidate in candidates {
        was_measured(candidate);
        let place = candidate["place"].as_str().unwrap();
        assert!(place.contains(".repo_scratch_"), "{place}");
    }
    assert_eq!(place.contents(), before);

    let words = "advise --requirements needs.json --sample 60 --seconds 1 --candidate sql";
    place.line(words).ok().prints("tried with 60 of 1000000 entities of 300 bytes").prints("sql: ");
}

#[test]
fn what_a_store_cannot_do_is_named_and_not_measured() {
    let mut wanted = light();
    wanted["needs"]["hosts"] = json!(2);
    wanted["data"]["largest_document_bytes"] = json!(500_000);
    let place = asking(&wanted);
    let answer = advise(&place, "--candidate memory: --candidate json:data").ok().json();
    let reasons = |at: usize| -> Vec<&str> {
        let candidate = &answer["candidates"][at];
        assert_eq!(candidate["outcome"], "refused", "{candidate}");
        let reasons = candidate["reasons"].as_array().unwrap();
        reasons.iter().map(|one| one["requirement"].as_str().unwrap()).collect()
    };
    let memory = reasons(0);
    assert!(memory.contains(&"needs.durable") && memory.contains(&"needs.hosts"), "{memory:?}");
    assert_eq!(reasons(1), ["needs.hosts", "data.largest_document_bytes"]);
    assert_eq!(place.contents().len(), 1, "nothing but the file of requirements");

    place.write("other/x.json", "{}");
    let files = advise(&place, "--candidate files:other").ok().json();
    assert_eq!(only(&files)["outcome"], "refused");
    assert!(only(&files)["reasons"][0]["reason"].as_str().unwrap().contains("scratch"));
}

#[test]
fn a_server_is_written_to_only_where_that_is_allowed() {
    let mut wanted = light();
    wanted["needs"]["hosts"] = json!(2);
    wanted["needs"]["changes"] = json!(true);
    wanted["needs"]["history"] = json!(true);
    let place = asking(&wanted);
    let schemas = |place: &Place| {
        let find = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'repo_scratch%'";
        let mut psql = std::process::Command::new("psql");
        place.at_home(&mut psql);
        Run::of(psql.args(["-XAtc", find])).ok().stdout.trim().to_owned()
    };
    for allowed in ["", "--measure-servers"] {
        let candidates = "--candidate postgresql:///";
        let answer = advise(&place, &format!("{candidates} {allowed}")).ok().json();
        match allowed {
            "" => assert_eq!(only(&answer)["outcome"], "not_measured", "{answer}"),
            _ => was_measured(only(&answer)),
        }
        assert_eq!(schemas(&place), "0");
    }
}

#[test]
fn the_tables_of_dynamodb_are_removed() {
    let place = asking(&light());
    let tables = || {
        let key = &place.aws_access_key;
        call_dynamodb(key, "ListTables", &json!({}))["TableNames"].clone()
    };
    let answer = advise(&place, &format!("--candidate {STORE}")).ok().json();
    assert_eq!(only(&answer)["outcome"], "not_measured", "{answer}");
    let answer = advise(&place, &format!("--candidate {STORE} --measure-servers")).ok().json();
    was_measured(only(&answer));
    assert_eq!(tables(), json!([]));

    let mut many = light();
    many["load"]["keys_per_commit"] = json!(101);
    place.write("needs.json", many.to_string());
    let answer = advise(&place, &format!("--candidate {STORE}")).ok().json();
    assert_eq!(only(&answer)["reasons"][0]["requirement"], "load.keys_per_commit", "{answer}");
}

#[test]
fn a_store_that_cannot_be_reached_is_a_part_of_the_answer() {
    let place = asking(&light());
    let url = "postgresql://me:hunter2@127.0.0.1:1/d?connect_timeout=1";
    let run = advise(&place, &format!("--candidate {url} --candidate json:data")).ok();
    assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
    let answer = run.json();
    assert_eq!(answer["candidates"][0]["outcome"], "failed", "{answer}");
    assert_eq!(answer["candidates"][0]["error"]["kind"], "Unavailable");
    was_measured(&answer["candidates"][1]);
}

/// A file with other members in a section, or without it.
fn with(section: &str, members: Json) -> Json {
    let mut all = light();
    // So that nothing is measured: only whether the file is read counts.
    all["needs"]["hosts"] = json!(2);
    match members {
        Json::Object(members) => {
            all[section].as_object_mut().unwrap().extend(members);
        }
        other => all[section] = other,
    }
    all
}

fn published() -> jsonschema::Validator {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/requirements.schema.json");
    let schema: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn what_the_published_schema_allows_is_read() {
    let published = published();
    for wanted in [
        with("needs", json!({})),
        with("needs", json!({"processes": 1_000_000, "changes": true, "aggregates": true})),
        with("data", json!({"entities": 1_000_000_000_000_u64, "document_bytes": 64})),
        with("data", json!({"largest_document_bytes": 16_777_216})),
        with("load", json!({"concurrency": 256, "reads_per_second": 100_000})),
        with("load", json!({"query_results": 1_000, "keys_per_commit": 10_000})),
        with("latency", json!({"read_p99_ms": 0.5})),
        with("$schema", json!("requirements.schema.json")),
        json!({"data": {"entities": 1, "document_bytes": 64}, "load": {"reads_per_second": 1}}),
    ] {
        let errors: Vec<String> =
            published.iter_errors(&wanted).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{wanted}: {errors:#?}");
        advise(&asking(&wanted), "--candidate memory:").ok();
    }
}

#[test]
fn what_the_published_schema_refuses_is_refused_with_its_place() {
    let published = published();
    for (wanted, at) in [
        (with("needs", json!({"durble": true})), "needs.durble"),
        (with("needs", json!({"durable": "yes"})), "needs.durable"),
        (with("needs", json!({"hosts": 0})), "needs.hosts"),
        (with("needs", json!([])), "needs"),
        (with("data", json!({"entities": 1.5})), "data.entities"),
        (with("data", json!({"document_bytes": 63})), "data.document_bytes"),
        (with("data", json!({})), ""),
        (with("load", json!({"concurrency": 257})), "load.concurrency"),
        (with("load", json!({"writes_per_second": 100_001})), "load.writes_per_second"),
        (with("load", json!({"query_results": 0})), "load.query_results"),
        (
            with(
                "load",
                json!({"reads_per_second": 0, "writes_per_second": 0,
                                "queries_per_second": 0}),
            ),
            "load",
        ),
        (with("latency", json!({"read_p99_ms": 0})), "latency.read_p99_ms"),
        (with("latency", json!({"write_p99_ms": 3_600_001})), "latency.write_p99_ms"),
        (with("wishes", json!("many")), "wishes"),
    ] {
        // What is left of a section without its required members.
        let wanted = if at.is_empty() { with_empty_data(wanted) } else { wanted };
        assert!(!published.is_valid(&wanted), "{wanted}");
        let run = advise(&asking(&wanted), "--candidate memory:").ends(2);
        let error = &run.json()["error"];
        assert_eq!(error["kind"], "ConfigInvalid", "{run:?}");
        assert_eq!(error["context"]["file"], "needs.json", "{run:?}");
        if !at.is_empty() {
            assert_eq!(error["context"]["at"], at, "{run:?}");
        }
    }
}

fn with_empty_data(mut wanted: Json) -> Json {
    wanted["data"] = json!({});
    wanted
}

#[test]
fn what_no_schema_can_say_is_refused_too() {
    for wanted in [
        with("data", json!({"largest_document_bytes": 299})),
        with("data", json!({"entities": 4})),
        with("load", json!({"concurrency": 11, "keys_per_commit": 10_000})),
    ] {
        let run = advise(&asking(&wanted), "--candidate memory:").ends(2);
        assert!(run.json()["error"]["context"]["at"].is_string(), "{run:?}");
    }
    let place = asking(&light());
    place.write("needs.json", "{\"data\":\n  nonsense}");
    let run = advise(&place, "--candidate memory:").ends(2);
    assert_eq!(run.json()["error"]["context"]["line"], "2", "{run:?}");
    place.line("advise --requirements nowhere --candidate memory:").complains("cannot be read");
}

#[test]
fn questions_that_contradict_each_other_are_wrong_usage() {
    let place = asking(&light());
    for line in [
        "advise",
        "advise machines --requirements needs.json",
        "advise --indexes --recorded x --requirements needs.json",
        "advise --indexes --recorded x --measure-servers",
        "advise --requirements needs.json",
        "advise --requirements needs.json --candidate memory: --seconds 0",
        "advise --requirements needs.json --candidate memory: --sample 100001",
        "advise --requirements needs.json --candidate nonsense",
    ] {
        place.line(line).ends(2);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_measurement_and_nothing_is_left() {
    use std::process::Stdio;

    let place = asking(&light());
    let mut child = place
        .command("repoctl")
        .args(["advise", "--requirements", "needs.json", "--seconds", "60"])
        .args(["--candidate", "json:data"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says so before it writes anything.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("measuring "), "{line}");
    let kill = Run::of(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]));
    kill.ok();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(place.contents().len(), 1, "{:?}", place.contents().keys());
}
