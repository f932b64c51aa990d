//! `/metrics`, in the text of Prometheus.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use repo_core::{Error, ErrorKind, Result};

use crate::auth::{Need, Read};

/// Seconds; from a read of a page in the cache to the usual time limit.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// How often old samples are folded.
const UPKEEP: Duration = Duration::from_secs(10);

/// What was counted in this process.
#[derive(Clone)]
pub struct MetricsPage(PrometheusHandle);

impl std::fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricsPage")
    }
}

impl MetricsPage {
    /// Installs the recorder of the process, and keeps it tidy.
    ///
    /// # Errors
    /// `Unexpected` where the process has one already.
    pub fn install() -> Result<Self> {
        let failed = |source: metrics_exporter_prometheus::BuildError| {
            Error::new(ErrorKind::Unexpected, "start", "metrics cannot be recorded")
                .with("reason", &source)
                .caused_by(source)
        };
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS);
        let handle = builder.and_then(PrometheusBuilder::install_recorder).map_err(failed)?;
        let kept = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                kept.run_upkeep();
            }
        });
        Ok(Self(handle))
    }
}

/// The route.
pub fn metrics_routes(page: MetricsPage) -> Router {
    Router::new().route("/metrics", get(show)).with_state(page)
}

async fn show(_: Need<Read>, State(page): State<MetricsPage>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, page.0.render()).into_response()
}
