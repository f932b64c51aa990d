//! The stores, and whether they are well.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use futures_util::future::join_all;
use maud::{Markup, html};
use repo_blob::PageLimit;
use repo_core::strategy::StoreRecord;
use repo_core::{Health, HealthDepth};
use repo_data::model::{Scope, Usage};

use super::failure::Failure;
use super::page::{Section, page};
use super::parts::{self, State as How, bytes, count, heading, number, place, tag};
use super::session::Viewer;
use crate::state::App;

/// The page.
pub(super) async fn show(viewer: Viewer, State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let health = app.store.health(&HealthDepth::Quick).await;
    let record = app.store.store_record().await?;
    let blobs = blobs(&app).await;
    let well = health.as_ref().is_ok_and(Health::is_ok) && blobs.iter().all(|one| one.well);
    let word = if well { tag(How::Good, "well") } else { tag(How::Bad, "not well") };
    let body = html! {
        (heading("Stores", &word))
        h2 { "Documents" }
        div.bar { (place(app.store.location())) }
        (about(&app, &record))
        (checks(&health))
        h2 { "Blobs" }
        (blob_table(&blobs))
        (features(&app))
    };
    Ok(page(&viewer, Section::Stores, "Stores", &body))
}

fn about(app: &App, record: &StoreRecord) -> Markup {
    let id = record.id.map_or_else(|| "–".to_owned(), |id| id.to_string());
    let captured = if record.capture.is_on() { "on" } else { "off" };
    let most = u64::try_from(app.store.capabilities().max_entity_bytes).unwrap_or(u64::MAX);
    html! {
        dl.figures {
            (parts::figure("Role", record.role.role.as_str()))
            (parts::figure("Collections", &number(record.collections.len() as u64)))
            (parts::figure("With history", &number(record.history.len() as u64)))
            (parts::figure("Change feed", captured))
            (parts::figure("Layout", &record.layout_version.to_string()))
            (parts::figure("Largest document", &bytes(most)))
        }
        p.soft { "Id " span.mono { (id) } }
        @if let Some(job) = &record.job {
            p { (tag(How::Warn, "unfinished job")) " " span.mono { (job.id()) } }
        }
    }
}

fn checks(health: &repo_core::Result<Health>) -> Markup {
    html! {
        div.sheet {
            table {
                thead { tr { th { "Check" } th { "State" } th { "Seen" } } }
                tbody {
                    @match health {
                        Ok(health) => {
                            @for check in &health.checks {
                                tr { td { (check.name) } td { (state(check.ok, &check.detail)) }
                                    td.wide { (check.detail) } }
                            }
                        }
                        Err(error) => {
                            tr { td { "store" } td { (tag(How::Bad, "failed")) }
                                td.wide { (error.message()) } }
                        }
                    }
                }
            }
        }
    }
}

fn state(ok: bool, detail: &str) -> Markup {
    match ok {
        true if detail.starts_with("warning") => tag(How::Warn, "warning"),
        true => tag(How::Good, "well"),
        false => tag(How::Bad, "failed"),
    }
}

/// What is known of a store of blobs.
struct Blobs {
    name: String,
    location: String,
    default: bool,
    well: bool,
    usage: Option<Usage>,
}

async fn blobs(app: &App) -> Vec<Blobs> {
    let stores = app.data.blob_stores();
    let all = stores.iter().map(async |(name, store)| Blobs {
        name: name.to_string(),
        location: store.location(),
        default: name == stores.default_name(),
        well: store.list(None, PageLimit::clamped(1)).await.is_ok(),
        usage: app.data.usage(Scope::Store, name.as_str()).await.ok(),
    });
    join_all(all).await
}

fn blob_table(blobs: &[Blobs]) -> Markup {
    html! {
        div.sheet {
            table {
                thead {
                    tr { th { "Name" } th { "State" } th.n { "In use" } th.n { "Can be restored" }
                        th { "Place" } }
                }
                tbody {
                    @for one in blobs {
                        tr {
                            td { (one.name) @if one.default { span.soft { " default" } } }
                            td {
                                @if one.well { (tag(How::Good, "reachable")) }
                                @else { (tag(How::Bad, "not reachable")) }
                            }
                            @match one.usage {
                                Some(usage) => {
                                    td.n { (size(usage.bytes)) }
                                    td.n { (size(usage.condemned_bytes)) }
                                }
                                None => { td.n { "–" } td.n { "–" } }
                            }
                            td.id { (one.location) }
                        }
                    }
                }
            }
        }
    }
}

fn size(number: i64) -> String {
    bytes(u64::try_from(number).unwrap_or(0))
}

fn features(app: &App) -> Markup {
    let can = app.store.capabilities();
    let keys = can.max_commit_keys.map_or_else(|| "any".to_owned(), |most| most.to_string());
    let named = [
        ("survives the process", can.durable),
        ("several processes", can.multi_process),
        ("indexes", can.indexes),
        ("change feed", can.changes),
        ("history", can.history),
        // The store of a route follows the one behind it, and is not moved itself.
        ("can be moved live", can.fence || !app.moving.routes.is_empty()),
    ];
    html! {
        h2 { "What the store can do" }
        ul.features {
            @for (name, has) in named {
                li { (tag(if has { How::Good } else { How::Plain }, name))
                    @if !has { span.soft { " no" } } }
            }
            li { (tag(How::Plain, "documents in one commit")) " " span.mono { (keys) } }
        }
        (usage_note(app))
    }
}

fn usage_note(app: &App) -> Markup {
    let hours = i64::try_from(app.config.retention_hours.get()).unwrap_or(i64::MAX);
    html! { p.soft { "What is deleted can be restored for " (count(hours)) " hours." } }
}
