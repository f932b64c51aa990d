//! Archives in the folder that the configuration names.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use repo_core::ErrorKind;
use repo_migrate::{Archive, ArchiveDirectory, Role};

use super::failure::Failure;
use super::page::{Section, page};
use super::parts::{self, State as How, bytes, heading, number, place, tag, time};
use super::session::Viewer;
use crate::state::App;

/// Archives that are shown, the newest of all.
const MOST: usize = 200;

/// The page.
pub(super) async fn show(viewer: Viewer, State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let folder = &app.archives;
    let found = match ArchiveDirectory::read(folder).await {
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let body = html! {
        (heading("Archives", &place(&folder.display().to_string())))
        @match &found {
            None => (parts::nothing("The folder of `migration.backup_location` is not there yet.")),
            Some(found) if found.archives.is_empty() => (parts::nothing("There is none yet.")),
            Some(found) => (table(found)),
        }
        @if let Some(found) = &found { (others(found)) }
        p.soft { "`repoctl backup` makes one; `repoctl archives prune` removes old ones." }
    };
    Ok(page(&viewer, Section::Archives, "Archives", &body))
}

fn table(found: &ArchiveDirectory) -> Markup {
    html! {
        div.sheet {
            table {
                thead { tr { th { "Name" } th { "Made" } th { "Of" } th.n { "Collections" }
                    th.n { "Records" } th.n { "Versions" } th.n { "Size" } th { "Store" } } }
                tbody {
                    @for archive in found.archives.iter().rev().take(MOST) { (row(archive)) }
                }
            }
        }
        @if found.archives.len() > MOST {
            p.soft { "The newest " (MOST) " of " (number(found.archives.len() as u64)) "." }
        }
    }
}

fn row(archive: &Archive) -> Markup {
    let manifest = archive.manifest();
    let of = match manifest.role {
        Role::Source => "source",
        Role::Target => "target",
        Role::Store => "store",
    };
    html! {
        tr {
            td.id { (name(archive.path())) }
            td { (time(manifest.created_at)) }
            td { (of) }
            td.n { (number(manifest.collections.len() as u64)) }
            td.n { (number(manifest.records())) }
            td.n { (number(manifest.versions())) }
            td.n { (bytes(manifest.file_bytes())) }
            td.id { (manifest.location) }
        }
    }
}

fn others(found: &ArchiveDirectory) -> Markup {
    if found.damaged.is_empty() && found.leftovers.is_empty() {
        return html! {};
    }
    html! {
        h2 { "To be looked at" }
        div.sheet {
            table {
                tbody {
                    @for one in &found.damaged {
                        tr { td.id { (name(&one.path)) } td { (tag(How::Bad, "damaged")) }
                            td.wide { (one.error.message()) } }
                    }
                    @for one in &found.leftovers {
                        tr {
                            td.id { (name(&one.path)) }
                            td { (tag(How::Warn, if one.in_use { "being made" } else { "left over" })) }
                            td {}
                        }
                    }
                }
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
