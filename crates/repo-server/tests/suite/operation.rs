//! Starting, keys, limits, stopping: the real program from outside.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;

use crate::support::{Place, read_to_end};

fn said(output: &std::process::Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn it_serves_with_nothing_configured_and_keeps_its_data_private() {
    let place = Place::new();
    let server = place.serve("");
    let health = server.get("/health").expect(200).json();
    assert_eq!((&health["healthy"], &health["db_connected"]), (&true.into(), &true.into()));
    server.get("/health/live").expect(200);
    let metrics = server.get("/metrics").expect(200).text();
    assert!(metrics.contains("repo_http_requests_total{"), "{metrics}");
    assert!(metrics.contains("repository_operations_total{"), "{metrics}");
    assert!(metrics.contains("repo_http_request_duration_seconds_bucket"), "{metrics}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("share/repo-server"), 0o700);
        assert_eq!(mode("share/repo-server/secret"), 0o600);
    }
    let answer = server.get("/health");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[test]
fn without_keys_it_is_for_this_machine_alone() {
    let place = Place::new();
    let refused = place.run("--listen 0.0.0.0:0");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("repo-server keys create"), "{}", said(&refused));
    let server = place.serve("");
    let ask = |host: &str, more: &str| {
        server.raw(format!("GET /api/v1/collections HTTP/1.1\r\nhost: {host}\r\n{more}connection: close\r\n\r\n").as_bytes())
    };
    let own = server.address().to_owned();
    assert!(ask(&own, "").starts_with("HTTP/1.1 200"));
    assert!(ask("evil.example", "").starts_with("HTTP/1.1 421"));
    assert!(ask("localhost.evil.example", "").starts_with("HTTP/1.1 421"));
    assert!(ask(&own, "origin: http://evil.example\r\n").starts_with("HTTP/1.1 403"));
    assert!(ask(&own, "sec-fetch-site: cross-site\r\n").starts_with("HTTP/1.1 403"));
}

#[test]
fn keys_are_shown_once_asked_for_and_revoked() {
    let place = Place::new();
    let create = |name: &str, scopes: &str| {
        place.json(&format!("keys create --name {name} --scopes {scopes}"))
    };
    let (reader, admin) = (create("reader", "read"), create("admin", "admin"));
    let text = |key: &serde_json::Value| key["key"].as_str().unwrap().to_owned();
    let listed = place.json("keys list");
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&text(&reader)) && !listed.to_string().contains("hash"));
    let store = std::fs::read(place.path("share/repo-server/store.db")).unwrap();
    let holds = |needle: &str| store.windows(needle.len()).any(|part| part == needle.as_bytes());
    assert!(!holds(&text(&reader)));

    let server = place.serve_on("0.0.0.0:0", "");
    let with = |key: &str, method: &str, path: &str, body: Option<&[u8]>| {
        server.send(method, path, &[("authorization", &format!("Bearer {key}"))], body)
    };
    server.get("/health").expect(200);
    assert!(server.get("/health").json().get("checks").is_none());
    let unknown = server.get("/api/v1/collections").expect(401);
    assert_eq!(
        (unknown.kind().as_str(), unknown.header("www-authenticate")),
        ("Unauthenticated", "Bearer")
    );
    let made = "/api/v1/collections/items";
    with(&text(&reader), "GET", "/api/v1/collections", None).expect(200);
    with(&text(&reader), "PUT", made, Some(b"")).expect(403);
    with(&text(&admin), "PUT", made, Some(b"")).expect(204);
    let mut wrong = text(&admin);
    wrong.pop();
    with(&wrong, "GET", "/api/v1/collections", None).expect(401);
    server.get("/metrics").expect(401);

    let login =
        |key: &str| server.post("/auth/login", &serde_json::json!({ "api_key": key }).to_string());
    login("nonsense").expect(401);
    let token = login(&text(&reader)).expect(200).json();
    assert_eq!(token["expires_in"], 3_600);
    let token = token["access_token"].as_str().unwrap().to_owned();
    with(&token, "GET", "/api/v1/collections", None).expect(200);
    with(&token, "PUT", made, Some(b"")).expect(403);
    with(&format!("{token}x"), "GET", "/api/v1/collections", None).expect(401);

    place.json(&format!("keys revoke {}", reader["id"].as_str().unwrap()));
    // What was read before the revocation is believed for two seconds.
    let begun = std::time::Instant::now();
    while with(&token, "GET", "/api/v1/collections", None).status != 401 {
        assert!(begun.elapsed().as_secs() < 30, "the key is still good");
    }
    with(&text(&reader), "GET", "/api/v1/collections", None).expect(401);
    // With the last key it does not become open to all.
    place.json(&format!("keys revoke {}", admin["id"].as_str().unwrap()));
    server.get("/api/v1/collections").expect(401);
}

#[test]
fn a_body_that_is_too_large_is_refused_early_and_nothing_is_written() {
    let place = Place::new();
    let server = place.serve("");
    server.make("items");
    let head = format!(
        "PUT /api/v1/collections/items/documents/a HTTP/1.1\r\nhost: {}\r\n",
        server.address()
    );
    // Two gigabytes are announced, and not one byte of them is sent.
    let declared = server.raw(format!("{head}content-length: 2147483648\r\n\r\n").as_bytes());
    assert!(
        declared.starts_with("HTTP/1.1 413") && declared.contains("LimitExceeded"),
        "{declared}"
    );
    // Two gigabytes come in chunks; the server ends that long before.
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let answer = std::thread::spawn(move || read_to_end(&mut reader));
    let mut chunk = b"100000\r\n".to_vec();
    chunk.extend(vec![b' '; 1 << 20]);
    chunk.extend(b"\r\n");
    let sent = (0..2_048).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 64, "{sent} MiB were taken");
    let answer = answer.join().unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    server.get("/api/v1/collections/items/documents/a").expect(404);
}

#[test]
fn a_slow_client_is_given_up_and_too_many_are_told() {
    let place = Place::new();
    place.write(
        "repository.json",
        r#"{"storage": {"strategy": "sqlite", "sql_strategy": {"type": "sqlite", "name": "a.db"}},
            "server": {"limits": {"idle_timeout_ms": 300, "max_connections": 2}}}"#,
    );
    let server = place.serve("");
    server.make("items");
    let head = format!(
        "PUT /api/v1/collections/items/documents/a HTTP/1.1\r\nhost: {}\r\n",
        server.address()
    );
    let stalled = server.raw(format!("{head}content-length: 5\r\n\r\nab").as_bytes());
    assert!(!stalled.starts_with("HTTP/1.1 2"), "{stalled}");
    // A header that never ends.
    let silent = server.raw(head.as_bytes());
    assert!(silent.is_empty() || silent.starts_with("HTTP/1.1 408"), "{silent}");
    let _first = TcpStream::connect(server.address()).unwrap();
    let _second = TcpStream::connect(server.address()).unwrap();
    let third = read_to_end(&mut TcpStream::connect(server.address()).unwrap());
    assert!(third.starts_with("HTTP/1.1 503") && third.contains("retry-after: 1"), "{third}");
}

#[cfg(unix)]
#[test]
fn it_stops_in_order() {
    let place = Place::new();
    let mut server = place.serve("");
    server.make("items");
    let mut under_way = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "PUT /api/v1/collections/items/documents/a HTTP/1.1\r\nhost: {}\r\ncontent-length: 10\r\n\r\n",
        server.address()
    );
    // Half of a request is there when the signal comes.
    under_way.write_all(head.as_bytes()).unwrap();
    under_way.write_all(b"{\"id\":").unwrap();
    // An answer on another connection says that the server has taken what came before.
    server.get("/health").expect(200);
    let id = server.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    // It takes nobody new.
    while TcpStream::connect(server.address()).is_ok() {}
    under_way.write_all(b"\"a\"}").unwrap();
    let answer = read_to_end(&mut under_way);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(server.process.wait().success());
    let server = place.serve("");
    server.get("/api/v1/collections/items/documents/a").expect(200);
}

#[test]
fn no_log_line_holds_a_document_a_query_or_a_key() {
    let place = Place::new();
    let key = place.json("keys create --name a --scopes admin");
    let key = key["key"].as_str().unwrap();
    let log = place.path("log");
    let mut command = place.command("--listen 127.0.0.1:0");
    command.stdout(std::process::Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
    let server = place.started(&mut command);
    let headers = [("authorization", &*format!("Bearer {key}"))];
    server.send("PUT", "/api/v1/collections/items", &headers, Some(b"")).expect(204);
    let at = "/api/v1/collections/items/documents/secret-id";
    server.send("PUT", at, &headers, Some(br#"{"id":"secret-id","a":"secret-text"}"#)).expect(200);
    let query = "/api/v1/collections/items/documents?filter=%7B%22a%22:%22secret-text%22%7D";
    server.send("GET", query, &headers, None).expect(200);
    drop(server);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("/api/v1/collections/{collection}/documents/{id}"), "{log}");
    for secret in ["secret-id", "secret-text", key] {
        assert!(!log.contains(secret), "{log}");
    }
}
