//! A loopback server between client and DynamoDB that counts requests, answers
//! some itself, and breaks connections.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Semaphore};

/// What happens to one request.
#[allow(dead_code)]
pub(crate) enum Fate {
    /// The real server answers.
    Forward,
    /// This status and JSON text are the answer.
    Answer(u16, String),
    /// The same, after a while.
    AnswerAfter(Duration, u16, String),
    /// The real server answers, after a while.
    Delay(Duration),
    /// The real server answers, once as many requests wait here as the barrier is for.
    Meet(Arc<Barrier>),
    /// The real server does this instead of what was asked, and then this is the answer.
    Part { passed_on: String, answer: String },
    /// The connection is closed without the request being passed on.
    Break,
    /// The real server answers, but the connection is closed before the answer
    /// is passed back.
    Lose,
    /// The connection is closed at once, and the request is passed on after a
    /// while: to a server that may find its signature too old by then.
    Late(Duration),
}

/// Decides by the operation (`UpdateItem`), how many of it there were before,
/// and the body.
type Decide = dyn Fn(&str, usize, &str) -> Fate + Send + Sync;

/// One request that was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) operation: String,
    pub(crate) body: String,
    /// When it was signed: `20260131T235959Z`.
    pub(crate) date: String,
}

/// A running proxy; it ends with the runtime of its test.
pub(crate) struct Proxy {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    rules: Arc<Rules>,
}

/// What the proxy adds to the server.
#[derive(Debug)]
struct Rules {
    /// How old a signature may be, where that is checked as AWS does.
    oldest: Option<Duration>,
    /// A permit for each late request that was passed on or refused.
    late: Semaphore,
}

impl Proxy {
    /// A proxy before `server`, an address such as `http://127.0.0.1:8000`.
    pub(crate) async fn start(
        server: &str,
        decide: impl Fn(&str, usize, &str) -> Fate + Send + Sync + 'static,
    ) -> Self {
        Self::checking(server, None, decide).await
    }

    /// The same before a server that refuses signatures older than `oldest`.
    pub(crate) async fn checking(
        server: &str,
        oldest: Option<Duration>,
        decide: impl Fn(&str, usize, &str) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (server, decide): (String, Arc<Decide>) =
            (server.trim_start_matches("http://").to_owned(), Arc::new(decide));
        let log = Arc::clone(&seen);
        let rules = Arc::new(Rules { oldest, late: Semaphore::new(0) });
        let kept = Arc::clone(&rules);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, decide, log) = (server.clone(), Arc::clone(&decide), Arc::clone(&log));
                let rules = Arc::clone(&rules);
                tokio::spawn(async move { serve(client, &server, &*decide, (&log, &rules)).await });
            }
        });
        Self { url, seen, rules: kept }
    }

    /// Waits until a late request has reached the server or was refused.
    #[allow(dead_code)]
    pub(crate) async fn late_one(&self) {
        self.rules.late.acquire().await.unwrap().forget();
    }

    /// The operations since the last call.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The names of the operations since the last call.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.take().into_iter().map(|seen| seen.operation).collect()
    }
}

/// Serves one connection, request after request.
async fn serve(
    mut client: TcpStream,
    server: &str,
    decide: &Decide,
    (log, rules): (&Mutex<Vec<Seen>>, &Rules),
) {
    while let Some((head, body)) = read_message(&mut client).await {
        let operation = header(&head, "x-amz-target")
            .and_then(|target| target.rsplit('.').next().map(str::to_owned))
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&body).into_owned();
        let date = header(&head, "x-amz-date").unwrap_or_default();
        let before = {
            let mut log = log.lock().unwrap();
            let (body, date) = (text.clone(), date.clone());
            log.push(Seen { operation: operation.clone(), body, date });
            log.iter().filter(|seen| seen.operation == operation).count() - 1
        };
        match decide(&operation, before, &text) {
            Fate::Break => return,
            Fate::Late(pause) => {
                drop(client);
                tokio::time::sleep(pause).await;
                return rules.pass_on_late(server, &date, (&head, &body)).await;
            }
            Fate::Forward | Fate::Lose if rules.refuse(&date) => {
                let Fate::Answer(status, json) = expired(&date) else { return };
                answer(&mut client, status, &json).await;
            }
            Fate::Answer(status, json) => answer(&mut client, status, &json).await,
            Fate::AnswerAfter(pause, status, json) => {
                tokio::time::sleep(pause).await;
                answer(&mut client, status, &json).await;
            }
            Fate::Part { passed_on, answer: json } => {
                let done =
                    forward(server, &with_length(&head, passed_on.len()), passed_on.as_bytes())
                        .await;
                assert!(done.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&done));
                answer(&mut client, 200, &json).await;
            }
            fate => {
                match &fate {
                    Fate::Delay(pause) => tokio::time::sleep(*pause).await,
                    Fate::Meet(barrier) => {
                        barrier.wait().await;
                    }
                    _ => {}
                }
                let whole = forward(server, &head, &body).await;
                if !matches!(fate, Fate::Lose) {
                    let _ = client.write_all(&whole).await;
                }
                return;
            }
        }
    }
}

impl Rules {
    /// Whether a request that was signed then is too old by now.
    fn refuse(&self, date: &str) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.oldest.is_some_and(|oldest| seconds(date) + oldest.as_secs() < now.as_secs())
    }

    async fn pass_on_late(&self, server: &str, date: &str, (head, body): (&str, &[u8])) {
        if !self.refuse(date) {
            forward(server, head, body).await;
        }
        self.late.add_permits(1);
    }
}

/// The seconds since 1970 of `20260131T235959Z`.
fn seconds(date: &str) -> u64 {
    let part = |from: usize, to: usize| &date[from..to];
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(9, 11),
        part(11, 13),
        part(13, 15)
    );
    let micros = repo_core::Timestamp::parse(&text).unwrap().as_micros();
    u64::try_from(micros / 1_000_000).unwrap()
}

/// The answer of AWS to a signature that is too old.
fn expired(date: &str) -> Fate {
    error(400, "InvalidSignatureException", &format!("Signature expired: {date} is now earlier"))
}

/// The whole answer of the real server, whichever way its end is marked.
async fn forward(server: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut upstream = TcpStream::connect(server).await.unwrap();
    upstream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await.unwrap();
    answer
}

/// A head for a body of another length.
fn with_length(head: &str, length: usize) -> String {
    let is_length = |line: &str| {
        line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("content-length"))
    };
    let lines = head.split("\r\n").map(|line| match is_length(line) {
        true => format!("content-length: {length}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// Sends an answer. The client may have given up.
async fn answer(client: &mut TcpStream, status: u16, json: &str) {
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\n\
         content-length: {}\r\n\r\n{json}",
        json.len()
    );
    let _ = client.write_all(answer.as_bytes()).await;
}

/// Head and body of one HTTP/1.1 message with a length.
async fn read_message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let length = header(&head, "content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The answer that DynamoDB gives for an error.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Fate {
    let json = serde_json::json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": message,
    });
    Fate::Answer(status, json.to_string())
}
