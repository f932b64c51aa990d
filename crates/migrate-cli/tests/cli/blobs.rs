//! Blobs and archives in object storage, as an operator meets them.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "blobs"))]

use std::path::PathBuf;
use std::process::Stdio;

use crate::cli_support::{Place, Run};
use repo_blob::{BlobDigest, BlobKey};

/// A folder of blobs as a store keeps them, and their records in `json:data`.
struct Blobs {
    place: Place,
    all: Vec<(String, Vec<u8>)>,
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

impl Blobs {
    fn new(count: usize) -> Self {
        let place = Place::new();
        let mut all = Vec::new();
        let mut lines = String::new();
        for folder in ["from/.incoming", "from/.parts"] {
            std::fs::create_dir_all(place.path(folder)).unwrap();
        }
        for n in 0..count {
            let key = BlobKey::random().unwrap().to_string();
            let bytes = format!("{n}: {}", "x".repeat(n % 97)).into_bytes();
            let BlobDigest { size, sha256, md5 } = BlobDigest::of(&bytes);
            lines.push_str(&format!(
                "{{\"id\":\"{key}\",\"store\":\"main\",\"state\":\"active\",\"size\":{size},\
                 \"sha256\":\"{sha256}\",\"md5\":\"{md5}\"}}\n"
            ));
            place.write(&format!("from/{}/{key}", &key[..2]), &bytes);
            all.push((key, bytes));
        }
        place.write(
            "schemas/blobs.schema.json",
            r#"{"type": "object", "x-repository": {"collection": "blobs", "idField": "id"}}"#,
        );
        place.line("init --store json:data --schemas schemas").ok();
        place.run_with_input("import blobs --store json:data --schemas schemas", &lines).ok();
        Self { place, all }
    }

    fn file(&self, folder: &str, at: usize) -> PathBuf {
        let key = &self.all[at].0;
        self.place.path(&format!("{folder}/{}/{key}", &key[..2]))
    }

    fn flip(&self, folder: &str, at: usize) {
        let mut bytes = std::fs::read(self.file(folder, at)).unwrap();
        bytes[0] ^= 1;
        std::fs::write(self.file(folder, at), bytes).unwrap();
    }

    fn assert_in(&self, folder: &str) {
        for (at, (_, bytes)) in self.all.iter().enumerate() {
            assert_eq!(std::fs::read(self.file(folder, at)).unwrap(), *bytes);
        }
    }

    fn line(&self, line: &str) -> Run {
        self.place.line(&format!("{line} --schemas schemas"))
    }

    /// With the S3 server of `scripts/services` in the variables of AWS.
    fn with_s3(mut self) -> Self {
        let address = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name}: `scripts/services up`"))
        };
        self.place.variables = vec![
            ("AWS_ENDPOINT_URL", address("REPO_TEST_S3_URL")),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", address("REPO_TEST_S3_ACCESS_KEY")),
            ("AWS_SECRET_ACCESS_KEY", address("REPO_TEST_S3_SECRET_KEY")),
        ];
        self
    }
}

fn bucket() -> String {
    let bucket = std::env::var("REPO_TEST_S3_BUCKET").expect("`scripts/services up`");
    format!("s3://{bucket}/{}", BlobKey::random().unwrap())
}

const MOVE: &str = "migrate --source json:data --target sqlite:target.db --no-backup";

#[test]
fn a_run_says_what_became_of_blobs() {
    let blobs = Blobs::new(12);
    let dry = blobs.line(&format!("{MOVE} --blobs-from from --blobs-to main=to --dry-run")).ok();
    assert!(dry.stdout.contains("12 needed") || dry.stdout.contains("12 ("), "{dry:?}");
    assert!(!blobs.place.path("to").exists() && !blobs.place.path("target.db").exists());
    let run = blobs.line(&format!("{MOVE} --blobs-from from --blobs-to main=to")).ok();
    assert!(run.stdout.contains("verified"), "{run:?}");
    assert!(run.stderr.contains("copying blobs"), "{run:?}");
    blobs.assert_in("to");
    let json = blobs.line(&format!("{MOVE} --blobs-from from --blobs-to to --format json")).json();
    assert_eq!(json["blobs"]["there"]["blobs"], 12);
    assert_eq!(json["blobs"]["verification"]["sound"]["blobs"], 12);
}

#[test]
fn a_flipped_byte_is_named_with_exit_code_4() {
    let blobs = Blobs::new(8);
    blobs.line(&format!("{MOVE} --blobs-from from --blobs-to to")).ok();
    blobs.flip("to", 3);
    let both = "--source json:data --target sqlite:target.db --blobs-from from --blobs-to to";
    let run = blobs.line(&format!("verify {both} --blobs size"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = blobs.line(&format!("verify {both} --blobs full"));
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stdout.contains(&blobs.all[3].0), "{run:?}");
    blobs.flip("from", 5);
    let run = blobs.line(&format!("{MOVE} --blobs-from from --blobs-to other"));
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stdout.contains(&blobs.all[5].0) && run.stdout.contains("SHA-256"), "{run:?}");
    let dry = blobs.line(&format!("{MOVE} --blobs-from from --blobs-to to --dry-run"));
    assert_eq!(dry.code, Some(0), "a dry run reads no bytes: {dry:?}");
}

#[test]
fn what_is_wrong_is_refused_in_words() {
    let blobs = Blobs::new(3);
    let refused = |flags: &str, code: i32, words: &str| {
        let run = blobs.line(&format!("{MOVE} {flags}"));
        assert_eq!(run.code, Some(code), "{flags}: {run:?}");
        assert!(run.stderr.contains(words), "{flags}: {run:?}");
        assert!(!blobs.place.path("target.db").exists(), "{flags}");
    };
    refused("--blobs-from from", 2, "--blobs-to");
    refused("--blobs-from missing --blobs-to to", 1, "missing");
    refused("--blobs-from data --blobs-to to", 1, "no store of blobs");
    refused("--blobs-from from --blobs-to data", 1, "no store of blobs");
    refused("--blobs-from from --blobs-to from", 2, "same store");
    refused("--blobs-from other=from --blobs-to to", 2, "main");
    refused("--blobs-from from --blobs-to s3://x?key=hunter2", 2, "a blob store is");
    refused("--blobs-from from --blobs-to to --collections blobz", 2, "of their records");
    let both = "--source json:data --target sqlite:target.db --blobs-from from --blobs-to to";
    let run = blobs.line(&format!("migrate {both} --cleanup-source"));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("not emptied of blobs"), "{run:?}");
    let run = blobs.line("verify --source json:data --target json:data --blobs full");
    assert_eq!(run.code, Some(2), "{run:?}");
}

/// A configuration says where the blobs of its store are, as the server reads it; a flag asks for
/// them, and one that names a place goes before it.
#[test]
fn a_configuration_names_the_blob_store() {
    let blobs = Blobs::new(5);
    let write = |name: &str, storage: &str, server: &str| {
        let text = format!(r#"{{"storage":{{{storage},"schemas":"schemas"}},"server":{server}}}"#);
        blobs.place.write(name, text);
    };
    let json = r#""strategy":"json","json_strategy":{"base_path":"data"}"#;
    write("old.json", json, r#"{"blobs":"from","secret":"${NOT_SET}","listen":"127.0.0.1:1"}"#);
    let sqlite = r#""strategy":"sqlite","sql_strategy":{"type":"sqlite","name":"target.db"}"#;
    write("new.json", sqlite, r#"{"data":"srv"}"#);
    let both = "--source-config old.json --target-config new.json";
    let line = |line: &str| blobs.place.line(line);
    line(&format!("migrate {both} --no-backup")).ok();
    assert!(!blobs.place.path("srv").exists());
    line(&format!("migrate {both} --no-backup --blobs full")).ok();
    blobs.assert_in("srv/blobs");
    line(&format!("verify {both} --blobs full")).ok();
    blobs.flip("srv/blobs", 2);
    let run = line(&format!("verify {both} --blobs full"));
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stdout.contains(&blobs.all[2].0), "{run:?}");
    line(&format!("verify {both} --blobs full --blobs-from from")).ok();

    let backup = "--config old.json backup --blobs contents --backup-location archives";
    let made = line(&format!("{backup} --format json")).json();
    assert_eq!(made["blobs"]["blobs"], 5);
    let archive = made["archive"].as_str().unwrap();
    let again = r#""strategy":"sqlite","sql_strategy":{"type":"sqlite","name":"again.db"}"#;
    write("again.json", again, r#"{"blobs":"again"}"#);
    line(&format!("--config again.json restore {archive} --blobs full")).ok();
    blobs.assert_in("again");

    // Of a store that is named by URL it says nothing.
    for named in ["--source json:data --target-config new.json", MOVE] {
        let named = named.trim_start_matches("migrate ");
        let run = line(&format!("--config old.json migrate {named} --blobs full"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains("server.blobs"), "{run:?}");
    }
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on() {
    let count = setting("REPO_TEST_BLOBS", 60);
    let blobs = Blobs::new(count);
    let line =
        format!("{MOVE} --blobs-from from --blobs-to to --parallel-workers 2 --schemas schemas");
    for kill in 1..=setting("REPO_TEST_KILLS", 3) {
        let mut command = blobs.place.command("repoctl");
        command.args(line.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // The next kill is when there are more blobs than at the one before.
        let wanted = kill * count / (setting("REPO_TEST_KILLS", 3) + 2);
        while there(&blobs, "to") < wanted && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    let before = there(&blobs, "to");
    assert!(before > 0);
    let json = blobs.line(&format!("{MOVE} --blobs-from from --blobs-to to --format json")).json();
    assert_eq!(json["outcome"], "verified", "{json}");
    assert_eq!(json["blobs"]["there"]["blobs"], before, "nothing is copied twice");
    blobs.assert_in("to");
}

/// Blobs in a folder.
fn there(blobs: &Blobs, folder: &str) -> usize {
    (0..blobs.all.len()).filter(|at| blobs.file(folder, *at).exists()).count()
}

#[test]
fn blobs_move_to_s3_and_back() {
    let blobs = Blobs::new(setting("REPO_TEST_BLOBS", 20)).with_s3();
    let bucket = bucket();
    blobs.line(&format!("{MOVE} --blobs-from from --blobs-to {bucket}")).ok();
    let back = "migrate --source sqlite:target.db --target json:back --no-backup";
    blobs.line(&format!("{back} --blobs-from {bucket} --blobs-to to")).ok();
    blobs.assert_in("to");
    let run = blobs.line(&format!("{MOVE} --blobs-from from --blobs-to s3://no-such-bucket/x"));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("no such bucket") && !run.stderr.contains("SECRET"), "{run:?}");
}

#[test]
fn an_archive_in_s3_is_whole_or_none() {
    let blobs = Blobs::new(9).with_s3();
    let at = format!("--backup-location {}", bucket());
    let backup = format!("backup --store json:data --blobs contents --blobs-from from {at}");
    let made = blobs.line(&format!("{backup} --format json")).json();
    let archive = made["archive"].as_str().unwrap().to_owned();
    assert!(archive.starts_with("s3://"), "{made}");
    assert_eq!(made["blobs"]["blobs"], 9);
    // Two of one second have two names.
    blobs.line(&backup).ok();
    let listed = blobs.line(&format!("backups list {at} --format json")).json();
    assert_eq!(listed["archives"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed["leftovers"].as_array().unwrap().len(), 0, "{listed}");
    blobs.line(&format!("backups verify {at}")).ok();
    blobs.line(&format!("restore {archive} --store sqlite:again.db --blobs-to to")).ok();
    blobs.assert_in("to");
    let both = "--source json:data --target sqlite:again.db --blobs full --blobs-to to";
    blobs.line(&format!("verify {both}")).ok();

    // A migration backs its source up there, too.
    let moved = "migrate --source json:data --target sqlite:moved.db";
    let moved = blobs.line(&format!("{moved} {at} --format json")).json();
    assert!(moved["backup"].as_str().unwrap().starts_with("s3://"), "{moved}");

    damage_and_prune(&blobs, &at, &archive);
}

/// Takes files of archives away, and clears up.
fn damage_and_prune(blobs: &Blobs, at: &str, archive: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let objects = {
        let address = |name: &str| std::env::var(name).unwrap();
        let options = repo_blob::BlobOptions {
            endpoint: Some(address("REPO_TEST_S3_URL").parse().unwrap()),
            credentials: Some(repo_blob::Credentials::new(
                address("REPO_TEST_S3_ACCESS_KEY"),
                address("REPO_TEST_S3_SECRET_KEY"),
            )),
            ..repo_blob::BlobOptions::default()
        };
        repo_blob::NamedObjects::open(archive, &options).unwrap()
    };
    runtime.block_on(objects.replace("blobs.jsonl.zst", "damage".into())).unwrap();
    let run = blobs.line(&format!("backups verify {at}"));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stdout.contains("DAMAGED"), "{run:?}");
    // Without its manifest it is no archive any more, and is never read as one.
    runtime.block_on(objects.delete("manifest.json")).unwrap();
    let run = blobs.line(&format!("restore {archive} --store sqlite:third.db"));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("no archive here"), "{run:?}");
    let listed = blobs.line(&format!("backups list {at} --format json")).json();
    assert_eq!(listed["leftovers"][0]["in_use"], true, "it was written just now: {listed}");
    let pruned = blobs.line(&format!("backups prune --keep 1 {at} --format json"));
    assert_eq!(pruned.json()["in_use"].as_array().unwrap().len(), 1, "{pruned:?}");
}
