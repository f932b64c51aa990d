//! The console from outside: its pages, what is escaped, who may change something.

use crate::support::{Answer, Place, Server};

const HOSTILE: &str = "<script>alert(1)</script>";

/// A form that a page of the server itself sends.
fn send(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let origin = server.base.clone();
    send_from(server, path, fields, &[("origin", origin.as_str())])
}

fn send_from(
    server: &Server,
    path: &str,
    fields: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend_from_slice(headers);
    server.send("POST", path, &all, Some(body.as_bytes()))
}

fn page(server: &Server, path: &str) -> String {
    let answer = server.get(path).expect(200);
    assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    answer.text()
}

fn put(server: &Server, id: &str, document: &str) {
    server.put(&format!("/api/v1/collections/items/documents/{id}"), document).expect(200);
}

#[test]
fn every_page_is_there_and_says_what_it_may_do() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    server.make("items");
    for path in [
        "/console",
        "/console/migrations",
        "/console/archives",
        "/console/entries",
        "/console/datasets",
        "/console/uploads",
        "/console/c",
        "/console/c/items",
        "/console/c/items/new",
        "/console/c/entries",
        "/console/sign-in",
    ] {
        let answer = server.get(path).expect(200);
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        let text = answer.text();
        let forbidden = ["<style", " style=", "onclick=", "javascript:"];
        assert!(!forbidden.iter().any(|part| text.contains(part)), "{path}");
        let script = text.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(server.get(script).expect(200).text().contains("htmx"));
    }
    assert!(page(&server, "/console").contains("sqlite"));
    server.get("/console/nowhere").expect(404);
    server.get("/console/c/api_keys").expect(404);
    server.get("/console/c/idempotency").expect(404);
    server.get("/console/c/items/document?id=missing").expect(404);
    server.get("/console/entries/00000000-0000-4000-8000-000000000000").expect(404);
}

#[test]
fn documents_are_filtered_ordered_and_paged() {
    let place = Place::new();
    let server = place.serve("--store memory:");
    server.make("items");
    for n in 0..60 {
        put(&server, &format!("i{n:02}"), &format!(r#"{{"id":"i{n:02}","n":{n}}}"#));
    }
    let first = page(&server, "/console/c/items?sort=n%3Adesc&limit=25");
    assert!(first.contains(">i59<") && !first.contains(">i34<"));
    assert!(first.contains("aria-sort=\"descending\""));
    let next = first.split("href=\"").map(|part| part.split('"').next().unwrap());
    let next = next.filter(|link| link.contains("cursor=")).last().unwrap().replace("&amp;", "&");
    assert!(page(&server, &next).contains(">i34<"));
    let found = page(&server, "/console/c/items?filter=%7B%22n%22%3A+7%7D&count=1");
    assert!(found.contains(">i07<") && !found.contains(">i08<") && found.contains("1 in all"));
    // The query goes along to the document, and back.
    assert!(found.contains("back=filter%3D"));
    let wrong = server.get("/console/c/items?filter=%7B%22n").expect(400).text();
    assert!(wrong.contains("role=\"alert\"") && wrong.contains("value=\"{&quot;n\""), "{wrong}");
}

#[test]
fn hostile_names_and_values_stay_text() {
    let place = Place::new();
    let server = place.serve("--store memory:");
    server.make("items");
    let id = "<i>&\"x'";
    let document = serde_json::json!({ "id": id, HOSTILE: HOSTILE, "v": "\"><img src=x>" });
    let created = server.post("/api/v1/collections/items/documents", &document.to_string());
    created.expect(201);
    let encoded = "%3Ci%3E%26%22x%27";
    for path in [
        "/console/c/items".to_owned(),
        format!("/console/c/items/document?id={encoded}&back=%22%3E%3Cscript%3E"),
        format!("/console/c/items/edit?id={encoded}&back=%22%3E%3Cscript%3E"),
        "/console/c/items?filter=%22%3E%3Cscript%3Ealert(1)".to_owned(),
        "/console/sign-in?next=%22%3E%3Cscript%3E".to_owned(),
    ] {
        let text = server.get(&path).text();
        for raw in [HOSTILE, "<i>", "\"><script>", "<img src=x"] {
            assert!(!text.contains(raw), "{path}: {raw}");
        }
    }
    let text = server.get("/console/c/items?filter=%22%3E%3Cscript%3Ealert(1)").expect(400).text();
    assert!(text.contains("&lt;script&gt;"));
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let place = Place::new();
    let key = place.json("keys create --name a --scopes admin");
    let key = key["key"].as_str().unwrap().to_owned();
    let server = place.serve("");
    let auth = format!("Bearer {key}");
    let auth = ("authorization", auth.as_str());
    server.send("PUT", "/api/v1/collections/items", &[auth], Some(b"")).expect(204);
    let new = [("document", r#"{"id":"a"}"#)];
    let evil: [&[(&str, &str)]; 5] = [
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[],
    ];
    for from in evil {
        let mut headers = vec![auth];
        headers.extend_from_slice(from);
        send_from(&server, "/console/c/items/new", &new, &headers).expect(403);
        let session = [("api_key", key.as_str())];
        let refused = send_from(&server, "/console/sign-in", &session, from).expect(403);
        assert_eq!(refused.header("set-cookie"), "");
    }
    let items = "/api/v1/collections/items/count";
    assert_eq!(server.send("GET", items, &[auth], None).expect(200).json()["count"], 0);
    let own = [auth, ("sec-fetch-site", "same-origin")];
    send_from(&server, "/console/c/items/new", &new, &own).expect(303);
}

#[test]
fn a_session_is_a_cookie_with_the_scopes_of_its_key() {
    let place = Place::new();
    let make = |name: &str, scopes: &str| {
        let made = place.json(&format!("keys create --name {name} --scopes {scopes}"));
        made["key"].as_str().unwrap().to_owned()
    };
    let (admin, reader) = (make("boss", "admin"), make("reader", "read"));
    let server = place.serve("");
    let asked = server.get("/console/c/items?sort=n").expect(303);
    assert_eq!(asked.header("location"), "/console/sign-in?next=%2Fconsole%2Fc%2Fitems%3Fsort%3Dn");
    send(&server, "/console/sign-in", &[("api_key", "rsk_wrong")]).expect(401);
    let session = |key: &str| {
        let fields = [("api_key", key), ("next", "//evil.example")];
        let answer = send(&server, "/console/sign-in", &fields).expect(303);
        assert_eq!(answer.header("location"), "/console");
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        assert!(!cookie.contains(key));
        cookie.split(';').next().unwrap().to_owned()
    };
    let (boss, guest) = (session(&admin), session(&reader));
    let get = |path: &str, cookie: &str| server.send("GET", path, &[("cookie", cookie)], None);
    assert!(get("/console", &boss).expect(200).text().contains("boss"));
    // The cookie is good for the console alone.
    get("/api/v1/collections", &boss).expect(401);
    let auth = format!("Bearer {admin}");
    let auth = [("authorization", auth.as_str())];
    server.send("PUT", "/api/v1/collections/items", &auth, Some(b"")).expect(204);
    let create = |cookie: &str, id: &str| {
        let document = format!(r#"{{"id":"{id}"}}"#);
        let headers = [("origin", server.base.as_str()), ("cookie", cookie)];
        let fields = [("document", document.as_str())];
        send_from(&server, "/console/c/items/new", &fields, &headers)
    };
    create(&boss, "a").expect(303);
    create(&guest, "b").expect(403);
    create("repo_console=rst_bad.bad", "c").expect(403);
    let shown = get("/console/c/items", &guest).expect(200).text();
    assert!(shown.contains(">a<") && !shown.contains("New document"));
    get("/console/c/items/edit?id=a", &guest).expect(403);
    for page in ["/console", "/console/c", "/console/c/items"] {
        let text = get(page, &boss).expect(200).text();
        assert!(!text.contains(&admin) && !text.contains(boss.split_once('=').unwrap().1));
    }
    let headers = [("origin", server.base.as_str()), ("cookie", boss.as_str())];
    let out = send_from(&server, "/console/sign-out", &[], &headers).expect(303);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
}

#[test]
fn an_edit_that_came_too_late_shows_both_texts() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    server.make("items");
    put(&server, "a", r#"{"id":"a","big":123456789012345678901234567890,"n":1}"#);
    let path = "/console/c/items/edit?id=a&back=sort%3Dn";
    let form = page(&server, path);
    // Numbers are edited as they are stored.
    assert!(form.contains("123456789012345678901234567890"));
    assert!(form.contains("name=\"version\" value=\"1\""));
    let saved = [("version", "1"), ("document", r#"{"id":"a","n":2}"#)];
    let saved = send(&server, path, &saved).expect(303);
    assert_eq!(saved.header("location"), "/console/c/items/document?id=a&back=sort%3Dn");
    let late = [("version", "1"), ("document", r#"{"id":"a","n":3,"mine":true}"#), ("reason", "r")];
    let conflict = send(&server, path, &late).expect(409).text();
    assert!(conflict.contains("Nothing was stored"));
    assert!(conflict.contains("<del>") && conflict.contains("<ins>"), "{conflict}");
    assert!(conflict.contains("mine") && conflict.contains("value=\"r\""));
    assert!(conflict.contains("name=\"version\" value=\"2\""));
    let read = || server.get("/api/v1/collections/items/documents/a").expect(200);
    assert_eq!(read().json()["n"], 2);
    let again = [("version", "2"), ("document", r#"{"id":"a","n":3}"#)];
    send(&server, path, &again).expect(303);
    assert_eq!((read().json()["n"].clone(), read().header("etag")), (3.into(), "\"3\""));
    // What is no document comes back with its text.
    for text in [r#"{"id":"a","#, r#"{"id":"b"}"#] {
        let refused = send(&server, path, &[("version", "3"), ("document", text)]);
        assert!((400..500).contains(&refused.status), "{}", refused.status);
        assert!(refused.text().contains(&text.replace('"', "&quot;")), "{}", refused.text());
    }
    send(&server, "/console/c/items/delete?id=a", &[("version", "2")]).expect(409);
    send(&server, "/console/c/items/delete?id=a", &[("version", "3")]).expect(303);
    let gone = send(&server, path, &again).expect(409).text();
    assert!(gone.contains("was deleted while you changed it"));
    // The records of the data service have rules of their own.
    send(&server, "/console/c/entries/new", &[("document", r#"{"id":"a"}"#)]).expect(403);
}

#[test]
fn a_console_that_only_shows_changes_nothing_and_one_that_is_off_is_not_there() {
    let place = Place::new();
    place.write("repository.json", r#"{"server":{"console":"read_only"}}"#);
    let server = place.serve("--store memory:");
    server.make("items");
    put(&server, "a", r#"{"id":"a"}"#);
    let text = page(&server, "/console/c/items/document?id=a");
    assert!(text.contains("reading only") && !text.contains(">Edit<"));
    server.get("/console/c/items/edit?id=a").expect(403);
    let fields = [("version", "1"), ("document", r#"{"id":"a","n":1}"#), ("older", "1")];
    for path in ["new", "edit?id=a", "delete?id=a", "restore?id=a"] {
        send(&server, &format!("/console/c/items/{path}"), &fields).expect(403);
    }
    drop(server);
    place.write("repository.json", r#"{"server":{"console":"off"}}"#);
    let server = place.serve("--store memory:");
    server.get("/console").expect(404);
    server.get("/console/sign-in").expect(404);
}

#[test]
fn entries_are_looked_into_and_nothing_of_them_runs() {
    let place = Place::new();
    let server = place.serve("--store memory:");
    let entry = |name: &str, content: &str| {
        let body = serde_json::json!({ "name": name, "content": content, "is_collection": false });
        let made = server.post("/v0.1/data-storage/data-entries", &body.to_string()).expect(200);
        let id = made.json()["data_storage"]["id"].as_str().unwrap().to_owned();
        server.get(&format!("/console/entries/{id}")).expect(200)
    };
    let table = entry("a.csv", "name,n\n<b>x</b>,1.50\n").text();
    assert!(table.contains("<td class=\"n\">1.50</td>"), "{table}");
    assert!(table.contains("&lt;b&gt;x") && !table.contains("<b>x"));
    let json = entry("a.json", r#"{"a":[1,"<b>"]}"#).text();
    assert!(json.contains("<span class=\"d\">1</span>"), "{json}");
    let text = entry(HOSTILE, HOSTILE).text();
    assert!(text.contains("&lt;script&gt;") && !text.contains(HOSTILE));
    assert!(page(&server, "/console/entries").contains("a.csv"));
}
