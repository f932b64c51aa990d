//! The real program on a free port of this machine, in a folder of its own.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod data;
pub mod files;
pub mod repoctl;
pub mod tls;

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;

use repo_testkit::Process;
use repo_testkit::servers::{self, AccessKey};
use serde_json::Value as Json;
use ureq::http::{HeaderMap, Request};

/// A folder, and what programs in it find.
pub struct Place {
    folder: tempfile::TempDir,
    aws_access_key: AccessKey,
    postgres: OnceLock<String>,
}

/// A server that runs until it is dropped.
pub struct Server {
    pub process: Process,
    /// What it prints after it has begun to listen.
    pub lines: Lines<BufReader<ChildStdout>>,
    pub client: Client,
}

/// Who asks a server.
#[derive(Clone)]
pub struct Client {
    pub base: String,
    agent: ureq::Agent,
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

/// The stores that a behaviour is tried on: those of databases where the environment names
/// their servers.
pub fn stores() -> Vec<&'static str> {
    let mut stores = vec!["memory:", "sqlite:store.db", "json:store"];
    let named = |variable: &str| std::env::var_os(variable).is_some();
    if named("REPO_TEST_POSTGRES_URL") {
        stores.push("postgresql:///");
    }
    if named("REPO_TEST_DYNAMODB_URL") {
        stores.push("dynamodb:store");
    }
    stores
}

/// Runs a behaviour on every store.
pub fn on_every_store(behaviour: impl Fn(&Server)) {
    for store in stores() {
        let place = Place::new();
        let server = place.serve(&format!("--store {store}"));
        behaviour(&server);
    }
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            aws_access_key: servers::new_access_key(),
            postgres: OnceLock::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The program with the words of a line, not yet started.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repo-server"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["REPO_", "AWS_", "PG"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("XDG_DATA_HOME", self.path("share")).env_remove("HOME");
        command.args(line.split_whitespace());
        if line.contains("postgresql:///") {
            self.postgres(&mut command);
        }
        let unset = || "http://127.0.0.1:1/not-set".to_owned();
        let url = std::env::var("REPO_TEST_DYNAMODB_URL").unwrap_or_else(|_| unset());
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_ENDPOINT_URL_DYNAMODB", url)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", &self.aws_access_key)
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret");
        command
    }

    /// A database of its own.
    fn postgres(&self, command: &mut Command) {
        let database = self.postgres.get_or_init(|| {
            let name = servers::unique_name();
            psql(&format!("CREATE DATABASE \"{name}\""));
            name
        });
        let [host, port, user, password, _] = servers::postgres_parts();
        command
            .env("PGHOST", host)
            .env("PGPORT", port)
            .env("PGUSER", user)
            .env("PGPASSWORD", password)
            .env("PGDATABASE", database);
    }

    /// Runs the program to its end.
    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs it and reads the JSON that it prints.
    pub fn json(&self, line: &str) -> Json {
        let output = self.run(&format!("{line} --format json"));
        assert!(output.status.success(), "{line}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts a server on a free port.
    pub fn serve(&self, line: &str) -> Server {
        self.serve_on("127.0.0.1:0", line)
    }

    pub fn serve_on(&self, listen: &str, line: &str) -> Server {
        let mut command = self.command(&format!("--listen {listen} {line}"));
        self.started(command.stdout(Stdio::piped()))
    }

    /// Starts a server whose output is a pipe.
    pub fn started(&self, command: &mut Command) -> Server {
        let mut process = Process::start(command);
        let mut lines = BufReader::new(process.stdout()).lines();
        let base =
            lines.find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned));
        let base = base.expect("the server did not start");
        Server { process, lines, client: Client::of(&base.replace("0.0.0.0", "127.0.0.1")) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(name) = self.postgres.get() {
            psql(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
        }
    }
}

/// Runs a statement on the PostgreSQL server of the tests.
pub fn psql(sql: &str) {
    let run = Command::new("psql").args(["-Xqd", &servers::postgres(), "-c", sql]).output();
    let run = run.unwrap();
    assert!(run.status.success(), "{sql}: {run:?}");
}

impl Client {
    /// Of the server at an address, `http://HOST:PORT`.
    pub fn of(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // 308 is an answer of its own to a part of an upload.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build();
        Self { base: base.to_owned(), agent: config.into() }
    }

    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let sent = self.try_send(method, path, headers, body);
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same of a server that may not answer.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, ureq::Error> {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body.to_vec()).unwrap())?,
            None => self.agent.run(request.body(()).unwrap())?,
        };
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        let status = response.status().as_u16();
        Ok(Answer { status, headers: response.headers().clone(), bytes })
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub fn put(&self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, &[], Some(body.as_bytes()))
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], Some(body.as_bytes()))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    /// Makes a collection.
    pub fn make(&self, collection: &str) {
        self.put(&format!("/api/v1/collections/{collection}"), "").expect(204);
    }

    /// Sends bytes as they are, and reads until the server ends the connection.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(bytes).unwrap();
        read_to_end(&mut stream)
    }
}

/// What arrives until the connection ends, however it ends.
pub fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Answer {
    /// Expects a status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The kind of an error of the one shape.
    #[track_caller]
    pub fn kind(&self) -> String {
        let error = &self.json()["error"];
        assert!(error["message"].is_string() && error.get("remedy").is_some(), "{error}");
        error["kind"].as_str().unwrap().to_owned()
    }
}
