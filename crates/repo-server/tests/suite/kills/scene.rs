//! Where servers live one after another: a store, its blobs, a clock that goes on.

use std::collections::BTreeSet;
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::aws::AmazonS3Builder;
use repo_testkit::servers::unique_name;

use crate::support::{Client, Place, Server};

/// The process of a server ended while it was asked something.
#[derive(Debug)]
pub(super) struct Gone;

/// A place with a store that outlives its servers.
pub(super) struct Scene {
    place: Place,
    line: String,
    s3: Option<S3>,
}

/// Blobs in S3, below a prefix of their own.
struct S3 {
    url: String,
    bucket: String,
    prefix: String,
    access_key: String,
    secret_key: String,
}

impl S3 {
    fn of_the_environment() -> Option<Self> {
        let of = |name: &str| std::env::var(format!("REPO_TEST_S3_{name}")).ok();
        Some(Self {
            url: of("URL")?,
            bucket: of("BUCKET")?,
            prefix: unique_name(),
            access_key: of("ACCESS_KEY")?,
            secret_key: of("SECRET_KEY")?,
        })
    }

    /// The names of all objects.
    fn names(&self) -> BTreeSet<String> {
        let client = AmazonS3Builder::new()
            .with_endpoint(&self.url)
            .with_region("us-east-1")
            .with_bucket_name(&self.bucket)
            .with_access_key_id(&self.access_key)
            .with_secret_access_key(&self.secret_key)
            .with_allow_http(true)
            .build()
            .unwrap();
        let below = object_store::path::Path::from(self.prefix.as_str());
        let listed = async { client.list(Some(&below)).try_collect::<Vec<_>>().await };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let objects = runtime.block_on(listed).unwrap();
        let name = |path: &object_store::path::Path| path.filename().unwrap().to_owned();
        objects.iter().map(|object| name(&object.location)).collect()
    }
}

impl Scene {
    /// A store of this kind with its blobs in a folder.
    pub(super) fn in_a_folder(store: &str) -> Self {
        let place = Place::new();
        let line = format!("--store {store} --blobs {}", place.path("blobs").display());
        Self { place, line, s3: None }
    }

    /// A store of this kind with its blobs in S3, where the environment names a server.
    pub(super) fn in_s3(store: &str) -> Option<Self> {
        let s3 = S3::of_the_environment()?;
        let place = Place::new();
        let config = serde_json::json!({ "server": { "s3": {
            "endpoint": s3.url, "region": "us-east-1" } } });
        place.write("repository.json", &config.to_string());
        let line = format!("--store {store} --blobs s3://{}/{}", s3.bucket, s3.prefix);
        Some(Self { place, line, s3: Some(s3) })
    }

    /// How large the parts of an upload are, but for the last one: S3 takes no smaller ones.
    pub(super) fn part_bytes(&self) -> usize {
        if self.s3.is_some() { 5 * 1024 * 1024 } else { 100_000 }
    }

    /// Starts a server whose clock is ahead, and that stops at a step, if one is named.
    pub(super) fn start(&self, hours_ahead: u32, stop: Option<&str>) -> Server {
        let mut command = self.place.command(&format!("--listen 127.0.0.1:0 {}", self.line));
        command.stdout(Stdio::piped());
        command.stderr(File::options().create(true).append(true).open(self.log()).unwrap());
        command.env("REPO_REHEARSAL_HOURS_AHEAD", hours_ahead.to_string());
        if let Some(stop) = stop {
            command.env("REPO_REHEARSAL_STOP_AT", stop);
        }
        if let Some(s3) = &self.s3 {
            command.env("AWS_ACCESS_KEY_ID", &s3.access_key);
            command.env("AWS_SECRET_ACCESS_KEY", &s3.secret_key);
        }
        self.place.started(&mut command)
    }

    /// Starts a server, and lets its sweeper do what is due.
    pub(super) fn sweep(&self, hours_ahead: u32) {
        let server = self.start(hours_ahead, None);
        swept(&server).unwrap();
    }

    /// What all servers logged.
    pub(super) fn log(&self) -> PathBuf {
        self.place.path("log")
    }

    /// Makes everything in the folder of blobs ten days old: what killed processes leave there
    /// is known by its age, which is that of the system.
    pub(super) fn age_files(&self) {
        let then = SystemTime::now() - Duration::from_secs(10 * 24 * 3_600);
        each_below(&self.place.path("blobs"), &mut |path, _| {
            File::open(path).unwrap().set_times(FileTimes::new().set_modified(then)).unwrap();
        });
    }

    /// The names of what is in the store of blobs.
    pub(super) fn stored(&self) -> BTreeSet<String> {
        self.s3.as_ref().map_or_else(|| names(&self.place.path("blobs")), S3::names)
    }

    /// The bytes of a blob, of those in a folder.
    pub(super) fn bytes_of(&self, key: &str) -> Option<Vec<u8>> {
        let mut found = None;
        each_below(&self.place.path("blobs"), &mut |path, is_folder| {
            if !is_folder && path.file_name().unwrap() == key {
                found = Some(std::fs::read(path).unwrap());
            }
        });
        found
    }

    /// The names of what is in the spool.
    pub(super) fn spooled(&self) -> BTreeSet<String> {
        names(&self.place.path("share/repo-server/spool"))
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    each_below(folder, &mut |path, is_folder| {
        if !is_folder {
            names.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    });
    names
}

fn each_below(folder: &Path, see: &mut dyn FnMut(&Path, bool)) {
    let Ok(listed) = std::fs::read_dir(folder) else { return };
    for found in listed {
        let path = found.unwrap().path();
        let is_folder = path.is_dir();
        if is_folder {
            each_below(&path, see);
        }
        see(&path, is_folder);
    }
}

/// Waits until the sweeper of a server has done all that was due when it started.
pub(super) fn swept(client: &Client) -> Result<(), Gone> {
    loop {
        let metrics = client.try_send("GET", "/metrics", &[], None).map_err(|_| Gone)?.text();
        if metrics.contains("repo_sweeps_total{ended=\"whole\"}") {
            return Ok(());
        }
        assert!(!metrics.contains("repo_sweeps_total{"), "a sweep failed: {metrics}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks a server for something while it may come to its step, at which it is killed. Whether it
/// was; in the end the process is gone in any case.
pub(super) fn killed_meanwhile(
    server: Server,
    work: impl FnOnce(&Client) -> Result<(), Gone>,
) -> bool {
    let Server { mut process, lines, client } = server;
    let id = process.id().to_string();
    let watcher = std::thread::spawn(move || {
        let reached = lines.map_while(Result::ok).any(|line| line.starts_with("reached "));
        if reached {
            process.kill();
        }
        reached
    });
    let done = work(&client);
    if done.is_ok() {
        // It may have come to the step in this moment, and be killed already.
        let _ = Command::new("kill").args(["-KILL", &id]).output();
    }
    let reached = watcher.join().unwrap();
    assert!(reached || done.is_ok(), "the server ended by itself");
    reached
}
