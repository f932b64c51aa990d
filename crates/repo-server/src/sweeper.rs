//! What is done now and then while the server runs.

use std::sync::Arc;
use std::time::Duration;

use repo_layers::{SweepOptions, sweep};
use tokio::sync::watch;

use crate::api::remove_expired;
use crate::state::App;

/// How often what has expired is removed.
const SWEEP: Duration = Duration::from_secs(600);
/// In which of these rounds documents are looked at as well, whose time to live has passed: a
/// store without an index for it reads the whole collection, and they are out of sight anyway.
const ROUNDS: u64 = 6;

/// Removes what has expired: at once, since a server that is often restarted would never come to
/// it, and then now and then. What it is at when the server stops is as safe as in a crash.
pub(crate) async fn sweep_now_and_then(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let swept = async {
        for round in 0_u64.. {
            sweep_once(&app).await;
            if round.is_multiple_of(ROUNDS) {
                sweep_documents(&app).await;
            }
            tokio::time::sleep(SWEEP).await;
        }
    };
    tokio::select! {
        _ = stopping.wait_for(|stop| *stop) => {}
        () = swept => {}
    }
}

async fn sweep_once(app: &App) {
    let ended = match app.data.sweep().await {
        Ok(report) if report.failed == 0 => {
            tracing::debug!(?report, "swept");
            "whole"
        }
        Ok(report) => {
            tracing::warn!(failed = report.failed, errors = ?report.errors, "swept in part");
            "in_part"
        }
        Err(error) => {
            tracing::warn!(%error, "what is due could not be swept");
            "failed"
        }
    };
    match remove_expired(&app.store, app.clock.now()).await {
        Ok(0) => {}
        Ok(removed) => tracing::debug!(removed, "idempotency keys have expired"),
        Err(error) => tracing::warn!(%error, "expired idempotency keys could not be removed"),
    }
    metrics::counter!("repo_sweeps_total", "ended" => ended).increment(1);
}

/// Removes documents whose time to live has passed.
pub(crate) async fn sweep_documents(app: &App) {
    let options = SweepOptions::default();
    let swept = match sweep(&*app.store, &app.schemas, &*app.clock, &options).await {
        Ok(swept) => swept,
        Err(error) => {
            tracing::warn!(%error, "documents whose time has passed could not be removed");
            return;
        }
    };
    for one in swept {
        let collection = one.collection.as_str();
        if one.removed > 0 {
            tracing::debug!(collection, removed = one.removed, "removed what has passed");
        }
        if one.no_time > 0 {
            let (count, ids) = (one.no_time, one.first_without_time);
            tracing::warn!(collection, count, ?ids, "left what says no time");
        }
    }
}
