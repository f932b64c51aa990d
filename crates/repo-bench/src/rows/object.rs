//! Stores of objects against creating objects on condition, which each commit is at least: on a
//! server that speaks S3, and in a folder.

use std::path::Path;

use repo_core::Result;
use serde_json::{Value as Json, json};

use super::servers::unique;
use crate::bench::Bench;
use crate::data;
use crate::errors;
use crate::grouping::grouped;
use crate::ours::{self, Store};
use crate::plan::Book;
use crate::raw::object::{Raw, Server};
use crate::row::{Bound, Measure, Row};

static COMMIT: Row = Row {
    name: "object.commit",
    what: "one commit of one conditional update",
    against: "one conditional PUT of as many bytes",
    measure: Measure::Time,
    bound: Some(Bound::AtMost(1.3)),
};
static GROUPED: Row = Row {
    name: "object.commit_grouped",
    what: "commits of 64 callers at the same time",
    against: "of one caller",
    measure: Measure::Rate,
    bound: Some(Bound::AtLeast(20.0)),
};
static FOLDER_COMMIT: Row = Row {
    name: "object_folder.commit",
    what: "one commit of one conditional update",
    against: "one object of as many bytes, created and synced with its name",
    measure: Measure::Time,
    bound: None,
};
static FOLDER_GROUPED: Row = Row {
    name: "object_folder.commit_grouped",
    what: "commits of 64 callers at the same time",
    against: "of one caller",
    measure: Measure::Rate,
    bound: None,
};

pub(super) static ON_S3: [&Row; 2] = [&COMMIT, &GROUPED];
pub(super) static IN_FOLDER: [&Row; 2] = [&FOLDER_COMMIT, &FOLDER_GROUPED];

/// Machines in the store: the cost of a commit does not depend on them.
const MACHINES: usize = 10_000;
/// Bytes of a frame beside its document, about.
const FRAME_BYTES: usize = 320;

/// Measures the rows on a server.
pub(super) async fn run(bench: &mut Bench, server: &Server) -> Result<()> {
    let prefix = unique("objects");
    let raw = Raw::on_s3(server, &format!("{prefix}/raw"))?;
    let settings = json!({
        "location": format!("s3://{}/{prefix}/store", server.bucket),
        "endpoint": server.url,
        "region": "us-east-1",
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
    });
    let done = measure(bench, ON_S3, &settings, &raw).await;
    let removed = raw.remove(&prefix).await;
    done.and(removed)
}

/// Measures the rows in a folder.
pub(super) async fn run_in_folder(bench: &mut Bench) -> Result<()> {
    if !bench.wants_any(&IN_FOLDER) {
        return Ok(());
    }
    let folder = bench.path("objects");
    std::fs::create_dir(&folder).map_err(errors::raw("make a folder"))?;
    let raw = Raw::in_folder(&folder)?;
    measure(bench, IN_FOLDER, &settings_in(&folder.join("store")), &raw).await
}

fn settings_in(folder: &Path) -> Json {
    json!({ "location": format!("file:{}", folder.display()) })
}

async fn measure(
    bench: &mut Bench,
    [commit, at_once]: [&'static Row; 2],
    settings: &Json,
    raw: &Raw,
) -> Result<()> {
    let scale = bench.scale();
    let machines = MACHINES.min(scale.store);
    let store: Store = ours::open(&repo_object::ObjectFactory, settings, false).await?;
    ours::fill(&store, machines).await?;
    let mut mine = Book::new(machines);

    let bytes = data::document_text(0, 1).len() + FRAME_BYTES;
    let at = format!("{} entities", grouped(machines));
    let ours = async || ours::updates(&store, &mine.updates(scale.commits)).await;
    let by_hand = async || raw.create(bytes, scale.commits).await;
    bench.compare_finely(commit, at, ours, by_hand).await?;

    let (callers, count) = (scale.callers, scale.callers * scale.commits_each);
    // Both sides write to one store, so they plan from one book, in turn.
    let planned = std::cell::RefCell::new(mine);
    let together = async || {
        let plan = planned.borrow_mut().updates(count);
        ours::updates_at_once(&store, plan, callers).await
    };
    let alone = async || {
        let plan = planned.borrow_mut().updates(scale.commits);
        ours::updates(&store, &plan).await
    };
    bench.compare_finely(at_once, format!("{callers} callers"), together, alone).await?;
    store.close().await
}
