//! Migrations: jobs that a store is in the middle of, and its move to another store.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use repo_core::strategy::{
    LiveId, OpenOptions, RoleState, StorageStrategy, StoreRecord, StoreRole,
};
use repo_core::{Error, Result};
use repo_migrate::live::{self, LivePhase, LivePlace, LiveStatus, LiveStores};

use super::failure::Failure;
use super::json::coloured;
use super::page::{Section, page};
use super::parts::{State as How, figure, heading, number, place, tag, time};
use super::session::Viewer;
use crate::state::App;

/// The page. It looks again by itself.
pub(super) async fn show(viewer: Viewer, State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let record = app.store.store_record().await?;
    let role = &record.role;
    let body = html! {
        (heading("Migrations", &html! {}))
        div #live hx-get="/console/migrations" hx-trigger="every 5s" hx-select="#live"
            hx-swap="outerHTML" {
            h2 { "Move to another store" }
            @match role.live {
                Some(_) => (moving(&app, role).await),
                None => (not_moving(&app, role)),
            }
            h2 { "Jobs" }
            (job(&record))
        }
    };
    Ok(page(&viewer, Section::Migrations, "Migrations", &body))
}

fn not_moving(app: &App, role: &RoleState) -> Markup {
    html! {
        div.bar { (role_tag(role.role)) (place(app.store.location())) }
        p.nothing { "The store takes part in no live migration." }
        @if let Some(route) = &role.route {
            p { "It has moved to " span.mono { (route.successor) } "." }
        }
        @if role.epoch > 0 {
            p.soft { "The authority has changed hands " (number(role.epoch)) " times." }
        }
        p.soft { "`repoctl live start` begins one; `repoctl migrate` copies a store at rest." }
    }
}

fn role_tag(role: StoreRole) -> Markup {
    let how = match role {
        StoreRole::Authority => How::Good,
        StoreRole::Fenced => How::Warn,
        _ => How::Plain,
    };
    tag(how, role.as_str())
}

/// One store of a live migration, as the configuration names it.
#[derive(Debug)]
struct Place<'a> {
    chosen: &'a repo_engine::Chosen,
    options: &'a OpenOptions,
}

#[async_trait]
impl LivePlace for Place<'_> {
    async fn open(&self, works_for: Option<LiveId>) -> Result<Arc<dyn StorageStrategy>> {
        self.chosen.open(self.options.clone().with_works_for(works_for)).await
    }
}

/// Where the move stands, by the first configured place that takes part in it.
async fn status(app: &App, role: &RoleState) -> Result<Option<LiveStatus>> {
    // A store that one process may open cannot be looked at a second time.
    if !app.store.capabilities().multi_process {
        return Ok(None);
    }
    let options = &app.moving.options;
    let here = Place { chosen: &app.moving.store, options };
    let mut failed: Option<Error> = None;
    for chosen in &app.moving.routes {
        let other = Place { chosen, options };
        let stores = match role.role {
            StoreRole::Replica => LiveStores { source: &other, target: &here },
            _ => LiveStores { source: &here, target: &other },
        };
        match live::status(stores).await {
            Ok(status) => return Ok(Some(status)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(None), Err)
}

async fn moving(app: &App, role: &RoleState) -> Markup {
    match status(app, role).await {
        Ok(Some(status)) => of_both(&status),
        Ok(None) => html! {
            (of_one(app, role))
            p.soft { "The other store is not known here. With its URL in `storage.routes` this \
                page also has phases, lag and differences." }
        },
        Err(error) => html! {
            (of_one(app, role))
            p { (tag(How::Warn, "the other store cannot be looked at")) " " (error.message()) }
        },
    }
}

/// What the record of this store alone says.
fn of_one(app: &App, role: &RoleState) -> Markup {
    html! {
        div.bar { (role_tag(role.role)) (place(app.store.location())) }
        dl.figures {
            (figure("Epoch", &number(role.epoch)))
            (figure("Attempt", &number(role.attempt)))
            @if let Some(pause) = role.max_pause_ms {
                (figure("Longest pause", &format!("{} ms", number(u64::from(pause)))))
            }
        }
        @if let Some(live) = role.live {
            p.soft { "Live migration " span.mono { (live) } }
        }
        @if let Some(route) = &role.route {
            p { "Its successor is " span.mono { (route.successor) } "." }
        }
    }
}

const PHASES: [&str; 5] = ["Copying", "Following", "Ready", "Handing over", "Switched"];

fn place_of(phase: LivePhase) -> usize {
    match phase {
        LivePhase::Copying => 0,
        LivePhase::Following => 1,
        LivePhase::Ready => 2,
        LivePhase::Fenced | LivePhase::Decided => 3,
        _ => 4,
    }
}

fn of_both(status: &LiveStatus) -> Markup {
    let now = place_of(status.phase);
    html! {
        div.bar {
            (place(&format!("{} → {}", status.source.store, status.target.store)))
        }
        ol.phases {
            @for (at, name) in PHASES.iter().enumerate() {
                @let class = if at < now { "done" } else if at == now { "now" } else { "" };
                li class=(class) aria-current=[(at == now).then_some("step")] {
                    b { (name) }
                    span { (said_of(status, at, now)) }
                }
            }
        }
        @if let Some(copy) = &status.copy {
            progress.wide max=(copy.total.max(1)) value=(copy.records) aria-label="Copied" {}
        }
        (figures(status))
        (sides(status))
        (differences(status))
    }
}

fn said_of(status: &LiveStatus, at: usize, now: usize) -> String {
    match (&status.copy, at) {
        (Some(copy), 0) => format!("{} of {}", number(copy.records), number(copy.total)),
        (_, 1) if now == 1 || now == 2 => format!("lag {}", number(status.lag.behind)),
        (_, 2) => status.differences.map_or_else(
            || "–".to_owned(),
            |differences| format!("{} differences", number(differences)),
        ),
        _ if at < now => "done".to_owned(),
        _ => "–".to_owned(),
    }
}

fn figures(status: &LiveStatus) -> Markup {
    let seconds = |seconds: Option<f64>| {
        seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1} s"))
    };
    let oldest = status.oldest_transaction.as_ref();
    html! {
        dl.figures {
            (figure("Changes behind", &number(status.lag.behind)))
            (figure("Time behind", &seconds(status.lag.behind_seconds)))
            @if let Some(copy) = &status.copy {
                (figure("Copied a second", &format!("{:.0}", copy.per_second)))
                (figure("Left", &seconds(copy.left_seconds)))
            }
            (figure("Oldest transaction", &oldest.map_or_else(
                || "–".to_owned(),
                |oldest| format!("{} s", number(oldest.age_seconds)),
            )))
            (figure("Late writes", &number(status.late_writes)))
        }
        p.soft {
            "Begun " (time(status.started_at))
            @if let Some(at) = status.verified_at { " · compared " (time(at)) }
            " · " span.mono { (status.live) }
        }
    }
}

fn sides(status: &LiveStatus) -> Markup {
    html! {
        div.sheet {
            table {
                thead { tr { th { "Side" } th { "Role" } th.n { "Epoch" } th { "Store" } } }
                tbody {
                    @for (name, side) in [("source", &status.source), ("target", &status.target)] {
                        tr {
                            td { (name) }
                            td { (role_tag(side.role)) }
                            td.n { (side.epoch) }
                            td.id { (side.store) }
                        }
                    }
                }
            }
        }
    }
}

fn differences(status: &LiveStatus) -> Markup {
    if status.named_differences.is_empty() {
        return html! {};
    }
    let version = |version: Option<repo_core::Version>| {
        version.map_or_else(|| "–".to_owned(), |version| version.to_string())
    };
    html! {
        h2 { "The first differences" }
        div.sheet {
            table {
                thead { tr { th { "Record" } th.n { "Authority" } th.n { "Other" } } }
                tbody {
                    @for one in &status.named_differences {
                        tr {
                            td.id { (one.key) }
                            td.n { (version(one.authority)) }
                            td.n { (version(one.other)) }
                        }
                    }
                }
            }
        }
    }
}

fn job(record: &StoreRecord) -> Markup {
    let loading: Vec<&str> = record.loading.keys().map(|name| name.as_str()).collect();
    html! {
        @match &record.job {
            Some(job) => {
                p { (tag(How::Warn, "unfinished")) " " span.mono { (job.id()) } }
                div.sheet { pre.json { (coloured(job.progress())) } }
            }
            None => p.nothing { "No job is unfinished." },
        }
        @if !loading.is_empty() { p { "Being filled: " (loading.join(", ")) } }
    }
}
