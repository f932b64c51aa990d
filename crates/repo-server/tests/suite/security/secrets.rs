//! No secret is in a log, an answer or a page, however much is logged.

use std::fs::File;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use repo_testkit::servers;
use serde_json::json;

use crate::support::files::{ENTRIES, awaited, put_range};
use crate::support::{Answer, Place, Server, psql};

const SECRET: &str = "hunter2-of-the-server-hunter2-of-the-server";
const PASSWORD: &str = "hunter2OfPostgresql";
const S3_SECRET: &str = "hunter2OfS3hunter2OfS3";

/// A secret, as it stands or in the usual disguises.
fn is_in(text: &str, secret: &str) -> bool {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    let forms = [
        secret.to_owned(),
        BASE64_STANDARD.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        hex,
        decimal.join(", "),
    ];
    forms.iter().any(|form| text.contains(form.as_str()))
}

/// What a browser and the clients ask for, and a few things that fail.
const READ: [&str; 22] = [
    "/",
    "/health",
    "/metrics",
    "/settings?include_defaults=true&include_schema=true",
    "/api/v1/collections",
    "/api/v1/collections/api_keys/documents",
    "/api/v1/collections/api_keys/export",
    "/api/v1/collections/entries/export",
    "/api/v1/collections/blobs/export",
    "/api/v1/collections/uploads/export",
    "/api/docs",
    "/api/openapi.json",
    "/datapoints",
    "/datapoint/o/value",
    "/console",
    "/console/migrations",
    "/console/archives",
    "/console/entries",
    "/console/uploads",
    "/console/c",
    "/console/c/api_keys",
    "/v0.1/organizations",
];

/// Uses everything with a key and with a token; all that was answered but the token itself.
fn all_answers(server: &Server, key: &str) -> (String, String) {
    let login = server.post("/auth/login", &json!({ "api_key": key }).to_string()).expect(200);
    let token = login.json()["access_token"].as_str().unwrap().to_owned();
    let mut said = String::new();
    let mut note = |answer: Answer| {
        said.push_str(&format!("{:?}\n{}\n", answer.headers, answer.text()));
        answer
    };
    for bearer in [key, &token] {
        let auth = format!("Bearer {bearer}");
        let auth = [("authorization", auth.as_str())];
        for path in READ {
            note(server.send("GET", path, &auth, None));
        }
        let outside = r#"datapoint={"datapoint_id":"o","data_type":"object_storage",
            "data_timestamp":"2026","bucket_name":"theirs","object_name":"in/k"}"#;
        let kind = ("content-type", "application/x-www-form-urlencoded");
        note(server.send("POST", "/datapoint", &[auth[0], kind], Some(outside.as_bytes())));
        note(server.send("POST", ENTRIES, &auth, Some(br#"{"name":"t","content":"c"}"#)));
        note(server.send("POST", ENTRIES, &auth, Some(b"{")));
        note(server.send("POST", "/datapoints/query", &auth, Some(br#"{"a":{"$where":1}}"#)));
    }
    // A key that is almost right, in each of its places.
    let wrong = &key[..key.len() - 1];
    note(server.send("GET", "/datapoints", &[("x-api-key", wrong)], None));
    note(server.post("/auth/login", &json!({ "api_key": wrong }).to_string()));
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("api_key", key).finish();
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("origin", server.base.as_str())];
    let mut session = server.send("POST", "/console/sign-in", &headers, Some(form.as_bytes()));
    session.headers.remove("set-cookie");
    note(session);
    (said, token)
}

/// Starts a server that logs everything, with its output in files.
fn loud(place: &Place, line: &str, more: &[(&str, &str)]) -> Server {
    let mut command = place.command(&format!("--listen 127.0.0.1:0 {line}"));
    command.env("REPO_LOG", "trace").env("REPO_SERVER__SECRET", SECRET).envs(more.iter().copied());
    command.stdout(Stdio::piped()).stderr(File::create(place.path("log")).unwrap());
    place.started(&mut command)
}

/// Searches the log of a server, and what it said otherwise.
fn holds_none(place: &Place, said: &str, secrets: &[&str]) {
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("repo_server::access"), "nothing was logged");
    for secret in secrets {
        for (of, text) in [("the log", log.as_str()), ("the answers", said)] {
            let line = text.lines().find(|line| is_in(line, secret));
            assert_eq!(line, None, "{secret} is in {of}");
        }
    }
}

#[test]
fn no_secret_is_logged_or_shown() {
    let place = Place::new();
    let made = place.json("keys create --name boss --scopes admin --store sqlite:store.db");
    let key = made["key"].as_str().unwrap();
    // A bucket that cannot be reached: what fails is logged in full.
    let config = json!({ "server": { "sources": { "buckets": [{ "name": "theirs",
        "prefix": "in/", "s3": { "endpoint": "http://127.0.0.1:1", "region": "x" } }] } } });
    place.write("repository.json", &config.to_string());
    let aws = [("AWS_SECRET_ACCESS_KEY", S3_SECRET), ("AWS_ACCESS_KEY_ID", "AKIAOFATEST")];
    let server = loud(&place, "--store sqlite:store.db", &aws);
    let (said, token) = all_answers(&server, key);
    drop(server);
    assert!(said.contains("\"secret\":\"***\""), "the settings were not asked for");
    holds_none(&place, &said, &[SECRET, S3_SECRET, key, &token]);
    // What is kept of the key is its hash.
    for file in ["store.db", "store.db-wal"] {
        let Ok(stored) = std::fs::read(place.path(file)) else { continue };
        assert!(!is_in(&String::from_utf8_lossy(&stored), key), "the key is in {file}");
    }
}

#[test]
fn a_server_that_does_not_start_says_no_secret() {
    let place = Place::new();
    let url = format!("postgresql://me:{PASSWORD}@127.0.0.1:1/none");
    place.write("repository.json", r#"{"server":{"secret":"hunter2","nonsense":1}}"#);
    let wrong = [
        format!("--listen 127.0.0.1:0 --config /dev/null --store {url}"),
        format!("keys list --config /dev/null --store {url} --format json"),
        format!("--listen 127.0.0.1:0 --config /dev/null --blobs s3://me:{PASSWORD}@bucket"),
        "--listen 127.0.0.1:0".to_owned(),
    ];
    place.write("empty.json", "{}");
    for line in wrong {
        let line = line.replace("/dev/null", place.path("empty.json").to_str().unwrap());
        let output = place.command(&line).env("REPO_LOG", "trace").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!output.status.success() && !said.is_empty(), "{line}");
        assert!(!is_in(&said, PASSWORD) && !is_in(&said, "hunter2"), "{line}: {said}");
    }
}

/// With a role of its own in PostgreSQL, where the environment names a server.
#[test]
fn the_password_of_postgresql_is_not_logged_or_shown() {
    if std::env::var_os("REPO_TEST_POSTGRES_URL").is_none() {
        return;
    }
    let (place, name) = (Place::new(), servers::unique_name());
    psql(&format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"));
    psql(&format!("CREATE DATABASE {name} OWNER {name}"));
    let [host, port, ..] = servers::postgres_parts();
    let store = format!("--store postgresql://{name}:{PASSWORD}@{host}:{port}/{name}");
    let made = place.json(&format!("keys create --name boss --scopes admin {store}"));
    let key = made["key"].as_str().unwrap();
    let server = loud(&place, &store, &[]);
    let (said, token) = all_answers(&server, key);
    drop(server);
    psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    psql(&format!("DROP ROLE {name}"));
    holds_none(&place, &said, &[PASSWORD, SECRET, key, &token]);
}

/// With blobs in S3, where the environment names a server.
#[test]
fn the_secret_of_s3_is_not_logged_or_shown() {
    let of = |name: &str| std::env::var(format!("REPO_TEST_S3_{name}"));
    let (Ok(url), Ok(bucket)) = (of("URL"), of("BUCKET")) else { return };
    let (id, secret) = (of("ACCESS_KEY").unwrap(), of("SECRET_KEY").unwrap());
    let place = Place::new();
    let config = json!({ "server": { "s3": { "endpoint": url, "region": "us-east-1" } } });
    place.write("repository.json", &config.to_string());
    let line = format!("--store memory: --blobs s3://{bucket}/{}", servers::unique_name());
    let aws = [("AWS_ACCESS_KEY_ID", id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret.as_str())];
    let server = loud(&place, &line, &aws);
    let file = awaited(&server, "f.bin");
    put_range(&server, &file.begin(&server), 0, b"abc", 3).expect(200);
    file.activate(&server).expect(200);
    assert_eq!(server.get(&file.download(&server)).expect(200).bytes, b"abc");
    let mut said = String::new();
    for path in READ {
        let answer = server.get(path);
        said.push_str(&format!("{:?}\n{}\n", answer.headers, answer.text()));
    }
    drop(server);
    holds_none(&place, &said, &[SECRET, &secret]);
}
