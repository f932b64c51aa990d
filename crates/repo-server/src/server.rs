//! Starting and stopping.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use cli_output::signals::Interruption;
use repo_blob::UrlSigner;
use repo_core::strategy::{StorageStrategy, StorageStrategyExt as _};
use repo_core::{Error, ErrorKind, Result, Schemas};
use repo_data::model::StoreName;
use repo_data::{BlobStores, DataOptions, DataService};
use repo_engine::Store;
use repo_layers::ReferenceLayer;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::auth::{Gate, Hosts, KeyRing, Tokens};
use crate::config::{Place, Secret};
use crate::ops::{Bounds, MetricsPage, serve};
use crate::outside::Buckets;
use crate::rehearsal;
use crate::router::router;
use crate::schema::{Check, InUse, declared, files_of};
use crate::state::{App, Moving};
use crate::sweeper::sweep_now_and_then;

/// The name of the store of blobs, in the records of blobs.
const BLOBS: &str = "main";
/// What the key that signs URLs is derived for.
const URLS: &str = "repo-server signed urls 1";

/// An open data service over the store with its layers.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn StorageStrategy>,
    /// All declared collections.
    pub schemas: Arc<Schemas>,
    /// The data service.
    pub data: DataService,
    /// Buckets that are not ours.
    pub buckets: Buckets,
}

/// Opens the store and the blobs: compares the versions, and makes the collections that are
/// missing.
///
/// # Errors
/// `ConfigInvalid` for a store of other versions, with the command that mends it; `Locked` while
/// another server uses the data folder; what the stores report.
pub async fn open(place: &Place) -> Result<Opened> {
    open_with(place, Some(place.data.join("spool"))).await
}

/// As [`open`], without the folder for uploads, which belongs to the server that runs: for what
/// is done beside it.
///
/// # Errors
/// As [`open`].
pub async fn open_beside(place: &Place) -> Result<Opened> {
    open_with(place, None).await
}

async fn open_with(place: &Place, spool: Option<PathBuf>) -> Result<Opened> {
    let schemas = declared(&place.store.declared)?;
    let store = place.store.open(&schemas, false).await?;
    match ready(place, spool, &store, &schemas).await {
        Ok((store, data, buckets)) => Ok(Opened { store, schemas, data, buckets }),
        Err(error) => {
            // The error is what matters; the store is given back as it was.
            let _ = store.close().await;
            Err(error)
        }
    }
}

async fn ready(
    place: &Place,
    spool: Option<PathBuf>,
    store: &Arc<dyn StorageStrategy>,
    schemas: &Arc<Schemas>,
) -> Result<(Arc<dyn StorageStrategy>, DataService, Buckets)> {
    Check::of(&**store, schemas).await?.refuse()?;
    store.prepare_keeping_versions(&ReferenceLayer::prepared_with(schemas)?).await?;
    let clock = rehearsal::clock()?;
    let store = place.store.layered(Arc::clone(store), schemas, Arc::clone(&clock))?;
    let blobs = repo_blob::open(&place.blobs, &place.server.s3.options()?).await?;
    let blobs = BlobStores::new(StoreName::new(BLOBS)?, blobs);
    let engine =
        Store::new(Arc::clone(&store), Arc::clone(schemas), repo_core::RetryPolicy::default());
    let buckets = Buckets::of(&place.server.sources)?;
    let options = DataOptions {
        retention: Duration::from_secs(place.server.retention_hours.get().saturating_mul(3_600)),
        spool,
        spool_quota: place.server.spool_bytes.get(),
        max_blob_bytes: place.server.limits.max_upload_bytes.get(),
        sources: place.server.sources.allow_list()?,
        lister: Some(Arc::new(buckets.clone())),
        clock,
        hooks: rehearsal::hooks()?,
        ..DataOptions::default()
    };
    let data = DataService::open(engine, blobs, options).await?;
    Ok((store, data, buckets))
}

/// Runs the server until a signal asks it to stop.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(place: Place, output: Output) -> Outcome<Ending> {
    place.make_data_folder()?;
    let _in_use = InUse::take(files_of(place.store.engine()).as_deref())?;
    let opened = open(&place).await?;
    let store = Arc::clone(&opened.store);
    let ended = run_on(&place, output, opened).await;
    let closed = store.close().await;
    let ending = ended?;
    output.closed(closed);
    Ok(ending)
}

async fn run_on(place: &Place, output: Output, opened: Opened) -> Outcome<Ending> {
    let interruption = Interruption::listen()?;
    let (stop, stopping) = watch::channel(false);
    let app = app(place, opened, stopping.clone())?;
    refuse_open_to_all(place, &app).await?;
    let metrics = MetricsPage::install()?;
    let listener = listen(place).await?;
    announce(place, output, &app, &listener).await?;
    let sweeper = tokio::spawn(sweep_now_and_then(Arc::clone(&app), stopping.clone()));
    let limits = &place.server.limits;
    let bounds = Bounds {
        connections: limits.max_connections.get(),
        idle: limits.idle_timeout_ms.get(),
        drain: limits.drain_timeout_ms.get(),
    };
    let asked = tokio::spawn(async move {
        interruption.wait().await;
        tracing::info!("asked to stop: requests under way may end");
        let _ = stop.send(true);
    });
    let in_time = serve(listener, router(&app, metrics), bounds, stopping).await;
    asked.abort();
    // It stops by itself.
    let _ = sweeper.await;
    if !in_time {
        output.warning("requests that took too long were broken off");
    }
    Ok(Ending::Done)
}

fn app(place: &Place, opened: Opened, stopping: watch::Receiver<bool>) -> Result<Arc<App>> {
    let Opened { store, schemas, data, buckets } = opened;
    let clock = Arc::clone(&data.options().clock);
    let secret = Secret::load(place.server.secret.as_deref(), &place.data)?;
    let valid = Duration::from_secs(place.server.token_seconds.get());
    let gate = Gate {
        keys: KeyRing::new(Arc::clone(&store), Arc::clone(&clock))?,
        tokens: Tokens::new(&secret, Arc::clone(&clock), valid),
        hosts: Hosts::new(&place.server.allowed_hosts),
        madsci_without_key: place.server.madsci_without_key,
        loopback: place.server.listen.ip().is_loopback(),
    };
    let signer = UrlSigner::new(&secret.derive(URLS))?;
    let (gate, config) = (Arc::new(gate), place.server.clone());
    let moving = Moving {
        store: place.store.engine().clone(),
        routes: place.store.routes()?,
        options: place.store.options(&schemas, false),
    };
    let archives = place.migration.backup_location.clone();
    Ok(Arc::new(App {
        store,
        data,
        buckets,
        signer,
        schemas,
        gate,
        moving,
        archives,
        config,
        clock,
        stopping,
    }))
}

/// Without keys nothing would tell callers apart, so only this machine may be one.
async fn refuse_open_to_all(place: &Place, app: &App) -> Result<()> {
    let listen = place.server.listen;
    if listen.ip().is_loopback() || app.gate.keys.needed().await? {
        return Ok(());
    }
    let why = "without API keys the server listens to this machine alone";
    Err(Error::new(ErrorKind::ConfigInvalid, "start", why)
        .with("listen", listen)
        .hint("make a key with `repo-server keys create`, or listen on 127.0.0.1"))
}

async fn listen(place: &Place) -> Result<TcpListener> {
    TcpListener::bind(place.server.listen).await.map_err(|source| {
        let kind = match source.kind() {
            std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            std::io::ErrorKind::AddrInUse => ErrorKind::Locked,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, "start", "the server cannot listen there")
            .with("listen", place.server.listen)
            .with("reason", &source)
            .caused_by(source)
            .hint("choose another address or port with --listen ADDRESS:PORT")
    })
}

async fn announce(place: &Place, output: Output, app: &App, listener: &TcpListener) -> Outcome<()> {
    let address = listener.local_addr().unwrap_or(place.server.listen);
    let keys = if app.gate.keys.needed().await? { "needed" } else { "none: this machine may ask" };
    let said = serde_json::json!({
        "data": place.data,
        "store": app.store.location(),
        "blobs": place.blobs,
        "keys": keys,
        "listening": format!("http://{address}"),
    });
    output.result(&said, || {
        format!(
            "data folder: {}\nstore: {}\nblobs: {}\nkeys: {keys}\nlistening on http://{address}",
            place.data.display(),
            app.store.location(),
            place.blobs,
        )
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::path::Path;

    use axum::Router;
    use axum::body::Body;
    use axum::http::request::Builder;
    use axum::http::{Request, StatusCode};
    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::BodyExt as _;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use repo_core::strategy::as_stored;
    use repo_core::{Document, Key};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::config::Flags;
    use crate::sweeper::sweep_documents;

    const SESSIONS: &str = r#"{
        "type": "object",
        "x-repository": {"collection": "sessions", "idField": "id", "ttlField": "until"},
        "properties": {"id": {"type": "string"}, "until": {"type": "integer"}}
    }"#;

    /// A configuration in a folder, with a collection whose entities have a time to live.
    fn with_sessions(folder: &Path) -> std::path::PathBuf {
        let schemas = folder.join("schemas");
        std::fs::create_dir(&schemas).unwrap();
        std::fs::write(schemas.join("sessions.schema.json"), SESSIONS).unwrap();
        let config = serde_json::json!({ "storage": { "schemas": schemas } });
        let file = folder.join("repository.json");
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }

    #[tokio::test]
    async fn documents_whose_time_has_passed_are_out_of_sight_and_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (config, store) = (Some(with_sessions(folder.path())), Some("memory:".to_owned()));
        let data = Some(folder.path().join("data"));
        let place = Place::choose(&Flags { config, store, data, ..Flags::default() }).unwrap();
        place.make_data_folder().unwrap();
        let opened = open(&place).await.unwrap();
        let app = app(&place, opened, watch::channel(false).1).unwrap();
        let key = |id: &str| Key::new("sessions".parse().unwrap(), id.parse().unwrap());
        for (id, until) in [("over", 1_000_000_000_u64), ("later", 253_402_300_799)] {
            let text = serde_json::json!({ "id": id, "until": until }).to_string();
            app.store.save(key(id), Document::parse(&text).unwrap()).await.unwrap();
        }
        let (over, later) = (key("over"), key("later"));
        let ids = [over.id.clone(), later.id.clone()];
        let stored = async || {
            let found = as_stored(app.store.get_many(&over.collection, &ids)).await.unwrap();
            found.into_iter().map(|one| one.unwrap().is_live()).collect::<Vec<_>>()
        };
        assert!(app.store.get(&over.collection, &over.id).await.unwrap().is_none());
        assert_eq!(stored().await, [true, true]);
        sweep_documents(&app).await;
        assert_eq!(stored().await, [false, true]);
    }

    /// The routes of a server in a folder.
    async fn served(folder: &Path) -> TowerToHyperService<Router> {
        let store = Some("memory:".to_owned());
        let flags = Flags { store, data: Some(folder.to_owned()), ..Flags::default() };
        let place = Place::choose(&flags).unwrap();
        place.make_data_folder().unwrap();
        let opened = open(&place).await.unwrap();
        let app = app(&place, opened, watch::channel(false).1).unwrap();
        TowerToHyperService::new(router(&app, MetricsPage::install().unwrap()))
    }

    fn tus(method: &str, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(path);
        request.header("host", "127.0.0.1").header("tus-resumable", "1.0.0")
    }

    /// A byte now and then, without end.
    fn dripping(pause: Duration) -> Body {
        Body::from_stream(stream::unfold((), move |()| async move {
            sleep(pause).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
        }))
    }

    /// It never stalls, and is not too large for long: only its time ends it.
    #[tokio::test(start_paused = true)]
    async fn an_upload_takes_no_longer_than_it_may_be_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let server = served(folder.path()).await;
        let new = tus("POST", "/api/v1/uploads").header("upload-length", 1 << 20);
        let new = new.header("upload-metadata", "name Zg==").body(Body::empty()).unwrap();
        let begun = server.call(new).await.unwrap();
        assert_eq!(begun.status(), StatusCode::CREATED);
        let at = begun.headers()["location"].to_str().unwrap();
        let piece = tus("PATCH", at).header("upload-offset", 0);
        let piece = piece.header("content-type", "application/offset+octet-stream");
        let piece = piece.body(dripping(Duration::from_secs(50))).unwrap();
        let start = Instant::now();
        let answer = server.call(piece).await.unwrap();
        let (took, longest) = (start.elapsed(), DataOptions::default().pending_expiry);
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(longest <= took && took < longest + Duration::from_secs(1), "{took:?}");
        let told = answer.into_body().collect().await.unwrap().to_bytes();
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains("OutcomeUnknown") && told.contains("read before writing"), "{told}");
    }
}
