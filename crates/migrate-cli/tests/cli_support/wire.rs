//! Servers on loopback that answer only what a test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A server on loopback that gives every request the same answer.
pub struct Stub {
    pub url: String,
    requests: Arc<AtomicUsize>,
    /// Connections that are never answered stay open here.
    _held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Stub {
    /// Answers as DynamoDB refuses.
    pub fn refusing(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
            "message": message,
        });
        Self::start(Some((status, body.to_string())))
    }

    /// Takes every request and answers none.
    pub fn silent() -> Self {
        Self::start(None)
    }

    fn start(answer: Option<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, held) = (Arc::<AtomicUsize>::default(), Arc::default());
        let (count, keep) = (Arc::clone(&requests), Arc::clone(&held));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, count, keep) = (answer.clone(), Arc::clone(&count), Arc::clone(&keep));
                std::thread::spawn(move || serve(stream.unwrap(), answer, &count, &keep));
            }
        });
        Self { url, requests, _held: held }
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(
    mut stream: TcpStream,
    answer: Option<(u16, String)>,
    requests: &AtomicUsize,
    held: &Mutex<Vec<TcpStream>>,
) {
    while read_request(&mut stream).is_some() {
        requests.fetch_add(1, Ordering::SeqCst);
        let Some((status, body)) = &answer else {
            held.lock().unwrap().push(stream);
            return;
        };
        let length = body.len();
        let head = "content-type: application/x-amz-json-1.0";
        let text =
            format!("HTTP/1.1 {status} X\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads one request to its end.
fn read_request(stream: &mut TcpStream) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    stream.read_exact(&mut vec![0; length]).ok()
}

/// The URL of a port of loopback on which nobody listens.
pub fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Sends a request to the test server, past every check of ours. It answers any
/// signature.
pub fn dynamodb(access_key: &str, operation: &str, body: &serde_json::Value) {
    let url = std::env::var("REPO_TEST_DYNAMODB_URL").expect("scripts/services env");
    let address = url.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-amz-json-1.0\r\n\
         x-amz-target: DynamoDB_20120810.{operation}\r\nx-amz-date: 20260101T000000Z\r\n\
         authorization: AWS4-HMAC-SHA256 \
         Credential={access_key}/20260101/eu-central-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, Signature=0\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
