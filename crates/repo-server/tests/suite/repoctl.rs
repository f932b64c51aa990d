//! `repoctl data` against the server: both are the real programs.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::repoctl::{command, done, failed, program, repoctl, write};
use crate::support::{Place, Server};
use serde_json::json;

const MIB: usize = 1024 * 1024;

fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x1234_5677_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// A way to a server that lets so many bytes through in one direction, and then nothing more.
struct Cut {
    base: String,
    left: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Up,
    Down,
}

impl Cut {
    fn after(server: &Server, direction: Direction, bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (left, address) = (Arc::new(AtomicU64::new(bytes)), server.address().to_owned());
        let shared = Arc::clone(&left);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(&address) else { continue };
                if shared.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                let unlimited = Arc::new(AtomicU64::new(u64::MAX));
                let of = |one| if one == direction { &shared } else { &unlimited };
                let up = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (up_left, down_left) =
                    (Arc::clone(of(Direction::Up)), Arc::clone(of(Direction::Down)));
                std::thread::spawn(move || pump(up.0, up.1, &up_left));
                std::thread::spawn(move || pump(server, client, &down_left));
            }
        });
        Self { base, left }
    }

    fn is_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64) {
    use std::io::{Read as _, Write as _};
    let mut block = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut block) {
        let room = left.load(Ordering::SeqCst);
        let passed = read.min(usize::try_from(room).unwrap_or(usize::MAX));
        if room != u64::MAX {
            left.fetch_sub(passed as u64, Ordering::SeqCst);
        }
        if to.write_all(&block[..passed]).is_err() || passed < read {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_file_goes_up_comes_down_and_is_found_again() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let sha256 = write(&place, "w.bin", &bytes(9 * MIB + 3));
    let line = "put w.bin --tag raw --tag x --description d --content-type a/b";
    let put = done(&repoctl(&place, &server, line));
    assert_eq!((&put["sha256"], &put["status"]), (&json!(sha256), &json!("active")));
    assert_eq!((&put["sent_bytes"], &put["found_bytes"]), (&json!(9 * MIB + 3), &json!(0)));
    let id = put["id"].as_str().unwrap();
    let entry = server.get(&format!("/api/v1/entries/{id}")).expect(200).json();
    assert_eq!((&entry["tags"], &entry["content_type"]), (&json!(["raw", "x"]), &json!("a/b")));
    // The same again is found, and nothing is sent.
    let again = done(&repoctl(&place, &server, line));
    assert_eq!((&again["id"], &again["sent_bytes"]), (&put["id"], &json!(0)));
    let copy = done(&repoctl(&place, &server, "put w.bin --copy 2"));
    assert_ne!(copy["id"], put["id"]);

    // A file that is there is not replaced.
    let get = format!("get {id}");
    assert_eq!(failed(&repoctl(&place, &server, &get)), (1, "AlreadyExists".to_owned()));
    let got = done(&repoctl(&place, &server, &format!("{get} --output out.bin")));
    assert_eq!((&got["sha256"], &got["compared"]), (&json!(sha256), &json!(true)));
    assert!(std::fs::read(place.path("out.bin")).unwrap() == bytes(9 * MIB + 3));
    write(&place, "w.bin", b"other");
    done(&repoctl(&place, &server, &format!("{get} --overwrite")));
    assert_eq!(std::fs::metadata(place.path("w.bin")).unwrap().len(), 9 * MIB as u64 + 3);
    let waiting = std::fs::read_dir(place.path("."))
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(waiting.count(), 0);

    write(&place, "empty", b"");
    let empty = done(&repoctl(&place, &server, "put empty --name nothing"));
    let fetch = format!("get {}", empty["id"].as_str().unwrap());
    done(&repoctl(&place, &server, &fetch));
    assert_eq!(std::fs::metadata(place.path("nothing")).unwrap().len(), 0);
}

#[test]
fn an_upload_that_was_cut_goes_on_by_the_same_command() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let sha256 = write(&place, "w.bin", &bytes(20 * MIB));
    // One piece of 8 MiB passes, and a part of the next.
    let cut = Cut::after(&server, Direction::Up, 12 * MIB as u64);
    let broken =
        command(&place, &cut.base, "data put w.bin --retries 1 --format json").output().unwrap();
    assert!(cut.is_cut());
    assert_eq!(failed(&broken), (1, "Unavailable".to_owned()));
    let put = done(&repoctl(&place, &server, "put w.bin"));
    assert_eq!((&put["found_bytes"], &put["sent_bytes"]), (&json!(8 * MIB), &json!(12 * MIB)));
    assert_eq!(put["sha256"], json!(sha256));
}

#[test]
fn a_download_that_was_cut_goes_on_by_the_same_command() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    write(&place, "w.bin", &bytes(12 * MIB));
    let put = done(&repoctl(&place, &server, "put w.bin"));
    let get = format!("data get {} --output out.bin --format json", put["id"].as_str().unwrap());
    let cut = Cut::after(&server, Direction::Down, 5 * MIB as u64);
    let broken = command(&place, &cut.base, &format!("{get} --retries 1")).output().unwrap();
    assert!(cut.is_cut());
    assert_eq!(failed(&broken), (1, "Unavailable".to_owned()));
    assert!(!place.path("out.bin").exists());
    let got = done(&command(&place, &server.base, &get).output().unwrap());
    let fetched = got["fetched_bytes"].as_u64().unwrap();
    assert!(fetched > 6 * MIB as u64 && fetched < 12 * MIB as u64, "{fetched}");
    assert!(std::fs::read(place.path("out.bin")).unwrap() == bytes(12 * MIB));
}

#[test]
fn what_came_otherwise_is_not_put_in_its_place() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let sha256 = write(&place, "w.bin", b"0123456789");
    let put = done(&repoctl(&place, &server, "put w.bin"));
    // What waits from before has another byte.
    let part = format!(".out.bin.{}.part", &sha256[..16]);
    write(&place, &part, b"01x");
    let get = format!("get {} --output out.bin", put["id"].as_str().unwrap());
    let differs = repoctl(&place, &server, &get);
    assert_eq!(differs.status.code(), Some(4), "{differs:?}");
    assert!(!place.path("out.bin").exists() && !place.path(&part).exists());
    done(&repoctl(&place, &server, &get));
    assert_eq!(std::fs::read(place.path("out.bin")).unwrap(), b"0123456789");
}

#[test]
fn entries_are_listed_removed_restored_and_counted() {
    let place = Place::new();
    let server = place.serve("--store sqlite:store.db");
    let dataset = server.post("/api/v1/datasets", r#"{"name":"d"}"#).expect(201).json();
    let dataset = dataset["id"].as_str().unwrap().to_owned();
    let ids: Vec<String> = (0..5)
        .map(|n| {
            let body = json!({ "name": format!("e{n}"), "text": "abc", "dataset": dataset });
            let made = server.post("/api/v1/entries", &body.to_string()).expect(201).json();
            made["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let listed = done(&repoctl(&place, &server, "list --limit 3"));
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["more"]), (3, &json!(true)));
    let all = done(&repoctl(&place, &server, &format!("list --dataset {dataset} --limit 5")));
    assert_eq!((&all["more"], &all["items"][4]["name"]), (&json!(false), &json!("e4")));
    let lines = command(&place, &server.base, "data list --format ndjson").output().unwrap();
    assert_eq!(String::from_utf8(lines.stdout).unwrap().lines().count(), 5);
    let table = command(&place, &server.base, "data list").output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("e4") && table.contains("3 B"), "{table}");
    assert_eq!(done(&repoctl(&place, &server, "list --datasets"))["items"][0]["name"], "d");

    let removed = done(&repoctl(&place, &server, &format!("rm {} {}", ids[0], ids[1])));
    assert!(removed["deleted"][1]["restorable_until"].is_string());
    let stale = repoctl(&place, &server, &format!("rm {} --expect-version 9", ids[2]));
    assert_eq!(failed(&stale).0, 1);
    let usage = done(&repoctl(&place, &server, "usage"));
    assert_eq!(
        (&usage["items"][0]["bytes"], &usage["items"][0]["condemned_bytes"]),
        (&json!(9), &json!(6))
    );
    done(&repoctl(&place, &server, &format!("restore {} {}", ids[0], ids[1])));
    done(&repoctl(&place, &server, &format!("rm --datasets {dataset}")));
    assert_eq!(done(&repoctl(&place, &server, "list"))["items"], json!([]));
    done(&repoctl(&place, &server, &format!("restore --datasets {dataset}")));
    let usage = done(&repoctl(&place, &server, &format!("usage --scope dataset --name {dataset}")));
    assert_eq!(usage["items"][0]["entries"], 5);
    let gone = repoctl(&place, &server, "rm nowhere");
    assert_eq!(failed(&gone), (1, "NotFound".to_owned()));
}

#[test]
fn a_key_comes_from_a_file_or_a_variable_and_is_never_shown() {
    let place = Place::new();
    let made = place.json("keys create --name ada");
    let key = made["key"].as_str().unwrap();
    let server = place.serve("");
    let list = || command(&place, &server.base, "data list --format json");
    let without = list().output().unwrap();
    assert_eq!(failed(&without), (1, "PermissionDenied".to_owned()));
    done(&list().env("REPO_API_KEY", key).output().unwrap());
    write(&place, "key", format!("{key}\n").as_bytes());
    done(&list().args(["--api-key-file", "key"]).output().unwrap());
    let wrong = list().env("REPO_API_KEY", "no-such-key").output().unwrap();
    assert_eq!(failed(&wrong).0, 1);
    assert!(!format!("{wrong:?}").contains("no-such-key"));
    let broken = list().env("REPO_API_KEY", "two words").output().unwrap();
    assert_eq!(failed(&broken), (2, "ConfigInvalid".to_owned()));
    assert!(!format!("{broken:?}").contains("two words"));
    // A key that may write alone is enough to store something.
    let writer = place.json("keys create --name writer --scopes write");
    write(&place, "f", b"x");
    let mut put = command(&place, &server.base, "data put f --format json");
    done(&put.env("REPO_API_KEY", writer["key"].as_str().unwrap()).output().unwrap());
    // No key goes over plain HTTP to another machine.
    let far = Command::new(program())
        .args("data list --server http://192.0.2.1:9 --format json".split(' '))
        .env_clear()
        .env("REPO_API_KEY", key)
        .output()
        .unwrap();
    assert_eq!(failed(&far), (2, "ConfigInvalid".to_owned()));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let place = Place::new();
    let server = place.serve("");
    let run = |line: &str| failed(&command(&place, &server.base, line).output().unwrap()).0;
    assert_eq!(run("data put nowhere.bin --format json"), 1);
    assert_eq!(run("data put . --format json"), 2);
    assert_eq!(run("data put - --format json"), 2);
    write(&place, "f", b"x");
    assert_eq!(run("data put f --metadata 7 --format json"), 2);
    assert_eq!(run("data put f --dataset nowhere --format json"), 1);
    assert_eq!(run("data get nowhere --format json"), 1);
    assert_eq!(run("data list --limit 0 --format json"), 2);
    assert_eq!(run("data list --limit 100000"), 2);
    for server in ["ftp://x", "nonsense", "http://u:s3cret@127.0.0.1:1", "http://127.0.0.1:1?q"] {
        let refused = command(&place, server, "data list --format json").output().unwrap();
        assert_eq!(failed(&refused), (2, "ConfigInvalid".to_owned()), "{server}");
        assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
    }
    let nobody = command(&place, "http://127.0.0.1:1", "data rm x --format json");
    assert_eq!(failed(&{ nobody }.output().unwrap()), (1, "Unavailable".to_owned()));
    let unnamed = Command::new(program()).args(["data", "list"]).env_clear().output().unwrap();
    assert_eq!(unnamed.status.code(), Some(2));
}

/// Both programs read one configuration.
#[test]
fn the_blobs_of_the_servers_configuration_are_backed_up() {
    let place = Place::new();
    place.write(
        "repository.json",
        r#"{"storage":{"strategy":"sqlite","sql_strategy":{"type":"sqlite","name":"store.db"}},
            "server":{"blobs":"bytes","s3":{"region":"eu"},"console":"off"}}"#,
    );
    let server = place.serve("");
    write(&place, "w.bin", &bytes(MIB));
    done(&repoctl(&place, &server, "put w.bin"));
    drop(server);
    let mut backup = Command::new(program());
    backup.current_dir(place.path(".")).env_clear();
    backup.args("backup --blobs contents --backup-location archives --format json".split(' '));
    assert_eq!(done(&backup.output().unwrap())["blobs"]["blobs"], 1);
}

#[test]
fn a_directory_comes_as_one_zip() {
    let place = Place::new();
    let server = place.serve("");
    let body = r#"{"name":"root","kind":"directory"}"#;
    let root = server.post("/api/v1/entries", body).expect(201).json()["id"].clone();
    let body = json!({ "name": "a.txt", "text": "abc", "parent": root });
    server.post("/api/v1/entries", &body.to_string()).expect(201);
    let got = done(&repoctl(&place, &server, &format!("get {}", root.as_str().unwrap())));
    assert_eq!((&got["file"], &got["compared"]), (&json!("root.zip"), &json!(false)));
    let zip = std::fs::File::open(place.path("root.zip")).unwrap();
    let limits = repo_data::directory::ZipLimits::default();
    let listed = repo_data::directory::list_zip(zip, &limits).unwrap();
    assert_eq!(listed[0].path.as_str(), "a.txt");
}
