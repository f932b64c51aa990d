//! A folder of its own for each test, and the programs run in it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod wire;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use repo_testkit::servers::{self, AccessKey};
use serde_json::{Value as Json, json};

/// The stores that every behaviour is tried on. In each [`Place`] they are
/// others: files in its folder, tables in its own part of the test server.
pub const STORES: [&str; 5] =
    ["json:data", "sqlite:data.db", "postgresql:///", "dynamodb:data", OBJECTS];
/// The one among them that has no indexes.
pub const OBJECTS: &str = "object:file:objects";

/// The ordered pairs that a long test goes through: each store once on either side, or
/// every pair with `REPO_TEST_PAIRS=all`.
pub fn pairs<'a>(from: &[&'a str], into: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    if std::env::var("REPO_TEST_PAIRS").is_ok_and(|which| which == "all") {
        return from.iter().flat_map(|from| into.iter().map(|into| (*from, *into))).collect();
    }
    let at = |number: usize| (from[number % from.len()], into[(number + 1) % into.len()]);
    (0..from.len().max(into.len())).map(at).collect()
}

/// A temporary folder; the programs run in it.
pub struct Place {
    folder: tempfile::TempDir,
    /// DynamoDB Local has a database of its own for each.
    pub aws_access_key: AccessKey,
    /// Made when it is first needed.
    postgres_database: OnceLock<String>,
    /// What the programs run here are given beside the servers, or in their place.
    pub variables: Vec<(&'static str, String)>,
}

/// What a program did.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            aws_access_key: servers::new_access_key(),
            postgres_database: OnceLock::new(),
            variables: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A program, not yet started, without any variable of ours or of AWS but
    /// those of the test server.
    pub fn command(&self, program: &str) -> Command {
        let path = match program {
            "repoctl" => env!("CARGO_BIN_EXE_repoctl"),
            "migrateRepository" => env!("CARGO_BIN_EXE_migrateRepository"),
            other => panic!("no program {other}"),
        };
        // Another build of them, for runs with many entities.
        let built = std::env::var_os("REPO_TEST_PROGRAMS");
        let path = built.map_or(PathBuf::from(path), |folder| Path::new(&folder).join(program));
        let mut command = Command::new(path);
        self.at_home(&mut command);
        command
    }

    /// Runs a program here, without any variable of ours or of AWS except those of the test
    /// servers.
    pub fn at_home(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["REPO_", "AWS_", "PG"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        self.aws(command);
        if let Some(database) = self.postgres_database.get() {
            command.envs(postgres_variables(database));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// A database of its own on the PostgreSQL server. Programs started from
    /// now on find it: `postgresql:///`.
    pub fn postgres(&self) -> &str {
        self.postgres_database.get_or_init(|| {
            let name = servers::unique_name();
            psql(&format!("CREATE DATABASE \"{name}\""));
            name
        })
    }

    /// What AWS's default chain finds: DynamoDB Local, and nothing else. No
    /// test may leave this machine.
    fn aws(&self, command: &mut Command) {
        let missing = || "http://127.0.0.1:1/REPO_TEST_DYNAMODB_URL-is-not-set".to_owned();
        let url = std::env::var("REPO_TEST_DYNAMODB_URL").unwrap_or_else(|_| missing());
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_ENDPOINT_URL_DYNAMODB", url)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", &self.aws_access_key)
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret");
    }

    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Run {
        let words: Vec<S> = words.into_iter().collect();
        if words.iter().any(|word| word.as_ref() == "postgresql:///") {
            self.postgres();
        }
        Run::of(self.command("repoctl").args(words))
    }

    /// Runs a line of words divided by spaces.
    pub fn line(&self, line: &str) -> Run {
        self.run(line.split_whitespace())
    }

    /// Runs a line with a change of its environment.
    pub fn line_with(&self, line: &str, change: impl FnOnce(&mut Command)) -> Run {
        let mut command = self.command("repoctl");
        command.args(line.split_whitespace());
        change(&mut command);
        Run::of(&mut command)
    }

    pub fn migrate(&self, line: &str) -> Run {
        Run::of(self.command("migrateRepository").args(line.split_whitespace()))
    }

    pub fn run_with_input(&self, line: &str, input: &str) -> Run {
        self.write("input.tmp", input);
        let file = std::fs::File::open(self.path("input.tmp")).unwrap();
        let run =
            Run::of(self.command("repoctl").args(line.split_whitespace()).stdin(Stdio::from(file)));
        std::fs::remove_file(self.path("input.tmp")).unwrap();
        run
    }

    /// A child with both its streams held by the test.
    pub fn start(&self, line: &str) -> Child {
        self.command("repoctl")
            .args(line.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Every file and folder below, with what each file holds. Files that
    /// SQLite itself makes for reading, and that hold no data, do not count.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(self.folder.path(), &mut found);
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(name) = self.postgres_database.get() {
            psql(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
        }
    }
}

/// Runs a statement on the test server.
fn psql(sql: &str) {
    let run = Run::of(Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", sql]));
    assert!(run.code == Some(0), "{run:?}");
}

/// The variables that name a database of the test server to every tool.
pub fn postgres_variables(database: &str) -> [(&'static str, String); 5] {
    let [host, port, user, password, _] = servers::postgres_parts();
    [
        ("PGHOST", host),
        ("PGPORT", port),
        ("PGUSER", user),
        ("PGPASSWORD", password),
        ("PGDATABASE", database.to_owned()),
    ]
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            collect(&path, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let name = path.to_string_lossy();
            let empty_log = name.ends_with("-wal") && bytes.is_empty();
            if !name.ends_with("-shm") && !empty_log {
                found.insert(path, bytes);
            }
        }
    }
}

impl Run {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Expects an exit code.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Expects success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ends(0)
    }

    /// Expects words on standard error.
    #[track_caller]
    pub fn complains(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words:?} not in {self:#?}");
        self
    }

    /// Expects one error, told once, and nothing else beside its context.
    #[track_caller]
    pub fn one_message(self) -> Self {
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{self:#?}");
        assert!(!self.stderr.contains("WARN") && !self.stderr.contains("ERROR"), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        self
    }

    /// Expects words on standard output.
    #[track_caller]
    pub fn prints(self, words: &str) -> Self {
        assert!(self.stdout.contains(words), "{words:?} not in {self:#?}");
        self
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    /// The last line on standard output where each is an object, else the one
    /// object.
    #[track_caller]
    pub fn ndjson_or_json(&self) -> Json {
        let last = self.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
        last.unwrap_or_else(|| self.json())
    }

    /// The JSON objects on standard output, one a line.
    #[track_caller]
    pub fn ndjson(&self) -> Vec<Json> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {self:#?}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// A machine that belongs to request `r-1` of template `t-1`.
pub fn machine(id: &str, status: &str) -> Json {
    json!({
        "machine_id": id,
        "request_id": "r-1",
        "template_id": "t-1",
        "status": status,
        "created_at": "2026-03-01T08:00:00Z",
    })
}

/// Lines of machines `m-0001` and on, every third of them stopped.
pub fn machine_lines(count: usize) -> String {
    (1..=count)
        .map(|n| {
            let status = if n % 3 == 0 { "stopped" } else { "running" };
            format!("{}\n", machine(&format!("m-{n:04}"), status))
        })
        .collect()
}

/// A store with `count` machines, one request and one template.
pub fn filled(store: &str, count: usize) -> Place {
    let place = Place::new();
    place.line(&format!("init --store {store}")).ok();
    place.run_with_input(&format!("import machines --store {store}"), &machine_lines(count)).ok();
    let request = json!({"request_id": "r-1", "template_id": "t-1", "status": "complete"});
    let template = json!({"template_id": "t-1", "name": "one"});
    place.run_with_input(&format!("put requests --store {store}"), &request.to_string()).ok();
    place.run_with_input(&format!("put templates --store {store}"), &template.to_string()).ok();
    place
}
