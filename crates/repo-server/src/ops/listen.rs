//! Listening, and stopping in order.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::limits::StallGuard;

/// Bounds of connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at a time.
    pub connections: usize,
    /// How long one may be idle.
    pub idle: Duration,
    /// How long requests may go on once the server stops.
    pub drain: Duration,
}

/// Connections that are told at a time that there are too many.
const REFUSALS: usize = 64;
/// How long one of them may take.
const REFUSAL: Duration = Duration::from_secs(2);
/// After an error of the listener, which may be that no file is left to open.
const PAUSE: Duration = Duration::from_millis(50);
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 92\r\n\r\n\
    {\"error\":{\"kind\":\"Unavailable\",\"message\":\"too many connections\",\"remedy\":\"try again later\"}}";

/// Serves until `stop` turns true; then takes no more connections, lets the requests under way
/// end, and returns. True if all of them ended in time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) -> bool {
    let open = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&open).try_acquire_owned() {
                Ok(permit) => converse(stream, router.clone(), bounds, permit, &graceful),
                Err(_) => refuse(stream, &refusals),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tokio::time::timeout(bounds.drain, graceful.shutdown()).await.is_ok()
}

fn converse(
    stream: TcpStream,
    router: Router,
    bounds: Bounds,
    permit: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
) {
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also the longest pause between two requests.
        .header_read_timeout(bounds.idle)
        .serve_connection(
            TokioIo::new(StallGuard::new(stream, bounds.idle)),
            TowerToHyperService::new(router),
        );
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _permit = permit;
        // A client that goes away is no error of ours.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
    });
}

/// Says that there are too many connections, unless even those who are told are too many.
fn refuse(mut stream: TcpStream, refusals: &Arc<Semaphore>) {
    let Ok(permit) = Arc::clone(refusals).try_acquire_owned() else { return };
    metrics::counter!("repo_http_connections_refused_total").increment(1);
    tokio::spawn(async move {
        let _permit = permit;
        let told = async {
            stream.write_all(BUSY.as_bytes()).await?;
            stream.shutdown().await?;
            // What is left unread would make the system take the answer back.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
        };
        let _ = tokio::time::timeout(REFUSAL, told).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_whole() {
        let (head, body) = BUSY.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
