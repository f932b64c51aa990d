//! DynamoDB Local keeps a database of its own for each access key. Tests of one
//! database wait for each other and pay for each other's tables; but each
//! database also costs the server ten threads, for ever. So there are few, and
//! each is lent to one test at a time, empty; a lock on a file says whose it is.
//! 10,000 random operations took 140 seconds in a shared database and 36 in one
//! of their own; some hundred databases keep a core busy by themselves.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::address;

/// The URL of DynamoDB Local.
///
/// # Panics
/// Without one.
#[must_use]
pub fn dynamodb() -> String {
    address("REPO_TEST_DYNAMODB_URL")
}

/// An AWS access key that means nothing: an empty database of the test server,
/// nobody else's until this is dropped.
#[derive(Debug)]
pub struct AccessKey {
    key: String,
    _lent: Option<File>,
}

impl Deref for AccessKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.key
    }
}

impl AsRef<std::ffi::OsStr> for AccessKey {
    fn as_ref(&self) -> &std::ffi::OsStr {
        self.key.as_ref()
    }
}

/// Lends a database. Without a server a name that leads nowhere: tests that use
/// it fail by themselves, others need none.
///
/// # Panics
/// When the server does not answer.
#[must_use]
pub fn new_access_key() -> AccessKey {
    let Ok(url) = std::env::var("REPO_TEST_DYNAMODB_URL") else {
        return AccessKey { key: "NOSERVER".to_owned(), _lent: None };
    };
    let port: String = url.chars().filter(char::is_ascii_digit).collect();
    let folder = std::env::temp_dir().join(format!("repo-test-dynamodb-{port}"));
    std::fs::create_dir_all(&folder).expect("a folder for locks");
    for number in 0.. {
        let file = File::create(folder.join(number.to_string())).expect("a lock file");
        if fs2::FileExt::try_lock_exclusive(&file).is_ok() {
            let key = format!("LENT{number}");
            remove_tables(&key);
            return AccessKey { key, _lent: Some(file) };
        }
    }
    unreachable!("there are numbers enough")
}

/// The access key of this process.
///
/// # Panics
/// As [`new_access_key`].
#[must_use]
pub fn access_key() -> &'static str {
    static KEY: LazyLock<AccessKey> = LazyLock::new(new_access_key);
    &KEY
}

/// What an earlier test left.
fn remove_tables(key: &str) {
    loop {
        let tables = call_dynamodb(key, "ListTables", &json!({}));
        let tables = tables["TableNames"].as_array().cloned().unwrap_or_default();
        if tables.is_empty() {
            return;
        }
        for table in tables {
            call_dynamodb(key, "DeleteTable", &json!({ "TableName": table }));
        }
    }
}

/// Makes one request at the test server, as the owner of an access key, by
/// hand: what any client of AWS would see.
///
/// # Panics
/// When it is refused.
pub fn call_dynamodb(access_key: &str, operation: &str, input: &Json) -> Json {
    let server = dynamodb();
    let address = server.trim_start_matches("http://").trim_end_matches('/');
    let body = input.to_string();
    let request = format!(
        "POST / HTTP/1.0\r\nhost: {address}\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 \
         Credential={access_key}/20260101/eu-central-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=none\r\n\r\n{body}",
        body.len()
    );
    let mut stream =
        TcpStream::connect(address).unwrap_or_else(|error| panic!("{server}: {error}"));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{operation}: {answer}");
    serde_json::from_str(body).unwrap()
}
