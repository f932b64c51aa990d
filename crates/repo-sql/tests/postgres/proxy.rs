//! A loopback server between client and PostgreSQL that reads the messages of
//! both, breaks connections between them, and holds answers back.
//!
//! A *request* is what the server answers with `ReadyForQuery`: the messages up
//! to a `Sync`, or a simple query. COPY is two: the first one is answered with
//! `CopyInResponse`, the rows are the second.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Forward,
    /// Both connections are closed without the request being passed on.
    Break,
    /// The server answers, and both connections are closed before the answer
    /// is passed back.
    Lose,
    /// The server gets what it does not know instead, and refuses that in its own words.
    Spoil,
}

/// A simple query that no server knows.
const NO_STATEMENT: &str = "THIS IS NO STATEMENT";

/// Decides by all bytes of a request as text.
type Decide = dyn Fn(&str) -> Fate + Send + Sync;

/// What one connection of the proxy shares with the test.
struct Shared {
    decide: Mutex<Box<Decide>>,
    /// Connections that were closed.
    closed: watch::Sender<usize>,
    /// The requests seen, as text.
    seen: watch::Sender<Vec<String>>,
    /// Answers are passed back only once so many requests were seen, turn by
    /// turn.
    turns: Mutex<Vec<usize>>,
}

/// A running proxy; it ends with the runtime of its test.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy before the test server, that passes everything on.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            decide: Mutex::new(Box::new(|_| Fate::Forward)),
            closed: watch::Sender::new(0),
            seen: watch::Sender::new(Vec::new()),
            turns: Mutex::default(),
        });
        let of_connections = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&of_connections);
                tokio::spawn(async move {
                    serve(client, &shared).await;
                    shared.closed.send_modify(|closed| *closed += 1);
                });
            }
        });
        Self { port, shared }
    }

    /// Settings of a store behind this proxy.
    pub(crate) fn settings(&self) -> serde_json::Value {
        serde_json::json!({ "host": "127.0.0.1", "port": self.port, "sslmode": "disable" })
    }

    /// From now on requests that hold `text` have this fate.
    pub(crate) fn when(&self, text: &'static str, fate: Fate) {
        let decide = move |request: &str| if request.contains(text) { fate } else { Fate::Forward };
        *self.shared.decide.lock().unwrap() = Box::new(decide);
    }

    /// Forgets the requests seen, and passes answers back turn by turn: those
    /// to the first `turns[0]` requests once all of these were seen, and so
    /// on. So a client that waits for an answer where it need not never ends.
    pub(crate) fn expect(&self, turns: &[usize]) {
        self.shared.seen.send_modify(Vec::clear);
        *self.shared.turns.lock().unwrap() = turns.to_vec();
    }

    /// Waits until so many connections were closed, by whichever side.
    pub(crate) async fn closed(&self, how_many: usize) {
        let mut closed = self.shared.closed.subscribe();
        closed.wait_for(|closed| *closed >= how_many).await.unwrap();
    }

    /// The requests seen since [`expect`](Self::expect).
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shared.seen.borrow().clone()
    }
}

impl Shared {
    /// How many requests have to be seen before the answer to the one with
    /// this number, from 0, is passed back.
    fn needed(&self, number: usize) -> usize {
        let mut end = 0;
        for turn in self.turns.lock().unwrap().iter() {
            end += turn;
            if number < end {
                return end;
            }
        }
        0
    }
}

/// A request on its way, as the half that reads the answers knows it.
#[derive(Debug, Clone, Copy)]
struct Sent {
    number: usize,
    lose: bool,
}

async fn serve(mut client: TcpStream, shared: &Shared) {
    let Some(start) = startup(&mut client).await else { return };
    let (host, port) = address();
    let Ok(mut server) = TcpStream::connect((host, port)).await else { return };
    if server.write_all(&start).await.is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (sent, sent_here) = tokio::sync::mpsc::unbounded_channel();
    // Whichever ends first closes both sides.
    tokio::select! {
        () = requests(from_client, to_server, shared, sent) => {}
        () = answers(from_server, to_client, shared, sent_here) => {}
    }
}

async fn requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    shared: &Shared,
    sent: tokio::sync::mpsc::UnboundedSender<Sent>,
) {
    let mut request = Vec::new();
    while let Some(message) = read_message(&mut client).await {
        let tag = message[0];
        request.extend(message);
        match tag {
            b'Q' | b'S' => {
                let text = String::from_utf8_lossy(&request).into_owned();
                let fate = shared.decide.lock().unwrap()(&text);
                let mut number = 0;
                shared.seen.send_modify(|seen| {
                    number = seen.len();
                    seen.push(text);
                });
                if fate == Fate::Break {
                    return;
                }
                if fate == Fate::Spoil {
                    request = simple_query(NO_STATEMENT);
                }
                let _ = sent.send(Sent { number, lose: fate == Fate::Lose });
            }
            // A password, or the end: without an answer that ends so.
            b'p' | b'X' => {}
            _ => continue,
        }
        if server.write_all(&std::mem::take(&mut request)).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    shared: &Shared,
    mut sent: tokio::sync::mpsc::UnboundedReceiver<Sent>,
) {
    let mut seen = shared.seen.subscribe();
    let mut answer = Vec::new();
    let mut logged_in = false;
    while let Some(message) = read_message(&mut server).await {
        let ready = matches!(message[0], b'Z' | b'G');
        answer.extend(message);
        if logged_in && !ready {
            continue;
        }
        if logged_in {
            let Some(of) = sent.recv().await else { return };
            if of.lose {
                return;
            }
            let needed = shared.needed(of.number);
            if seen.wait_for(|seen| seen.len() >= needed).await.is_err() {
                return;
            }
        }
        logged_in |= ready;
        if client.write_all(&std::mem::take(&mut answer)).await.is_err() {
            return;
        }
    }
    // What the server said last, such as why it closes the connection.
    drop(client.write_all(&answer).await);
}

fn simple_query(text: &str) -> Vec<u8> {
    let length = u32::try_from(4 + text.len() + 1).unwrap();
    let mut message = vec![b'Q'];
    message.extend(length.to_be_bytes());
    message.extend(text.as_bytes());
    message.push(0);
    message
}

/// The first message of a client; encryption is refused.
async fn startup(client: &mut TcpStream) -> Option<Vec<u8>> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length).await.ok()?;
        let rest = (u32::from_be_bytes(length) as usize).checked_sub(4)?;
        let mut message = length.to_vec();
        message.resize(4 + rest, 0);
        client.read_exact(&mut message[4..]).await.ok()?;
        let asks_for_tls = message[4..] == 80_877_103_u32.to_be_bytes();
        if !asks_for_tls {
            return Some(message);
        }
        client.write_all(b"N").await.ok()?;
    }
}

/// A tag, the length of the rest, and the rest.
async fn read_message(stream: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut message = vec![0; 5];
    stream.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[1..].try_into().ok()?) as usize;
    message.resize(length.checked_add(1)?, 0);
    stream.read_exact(&mut message[5..]).await.ok()?;
    Some(message)
}

/// Host and port of the test server.
pub(crate) fn address() -> (String, u16) {
    let config: tokio_postgres::Config = super::server().parse().unwrap();
    let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else {
        panic!("the tests need a server that listens on an address")
    };
    (host.clone(), config.get_ports()[0])
}
