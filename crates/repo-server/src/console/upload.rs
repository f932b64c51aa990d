//! A file that is uploaded with a form.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::multipart::Field;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use repo_core::EntityId;
use repo_data::model::{Owner, UploadId, UploadKind};
use repo_data::{NewContent, NewEntry, NewUpload, Piece};

use super::entries::link;
use super::failure::Failure;
use super::page::{Section, page};
use super::parts::heading;
use super::session::{Editor, Viewer};
use crate::bytes::{base_name, field_stream, form_of, next_field, none, small_field};
use crate::http::ApiError;
use crate::state::App;

/// Where the form goes.
pub(super) const RECEIVE: &str = "/console/upload";
/// The field with the file. It comes last: what the others say is known when it begins.
const FILE: &str = "file";
/// The other fields.
const ABOUT: [&str; 3] = ["name", "tags", "description"];
/// Most bytes of one of them; the longest of what they become is a description.
const MAX_FIELD_BYTES: u64 = 16 * 1_024;

/// The page with the form.
pub(super) async fn form(Editor(viewer): Editor) -> Response {
    let body = html! {
        p.trail { a href="/console/entries" { "← Entries" } }
        (heading("Upload a file", &html! {}))
        form.fields method="post" action=(RECEIVE) enctype="multipart/form-data" {
            label { "Name" input name="name" maxlength="1000" autocomplete="off"
                placeholder="that of the file"; }
            label { "Tags" input name="tags" autocomplete="off" placeholder="one, another"; }
            label { "Description" textarea name="description" rows="3" {} }
            label { "File" input type="file" name=(FILE) required; }
            button.main { "Upload" }
        }
    };
    page(&viewer, Section::Entries, "Upload a file", &body)
}

/// Takes the form, and shows the entry that it became.
pub(super) async fn receive(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Failure> {
    let id = entry_of(&app, &viewer, request).await?;
    Ok(Redirect::to(&link(id.as_str())).into_response())
}

async fn entry_of(app: &App, viewer: &Viewer, request: Request) -> Result<EntityId, ApiError> {
    let owner = viewer.caller.owner()?;
    let mut form = form_of(request).await?;
    let mut about = BTreeMap::new();
    while let Some(field) = next_field(&mut form).await? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == FILE {
            return store(app, owner, &about, field).await;
        }
        if !ABOUT.contains(&name.as_str()) {
            return Err(ApiError::bad_request("the form has a field that is not known"));
        }
        let text = small_field(field, MAX_FIELD_BYTES, || too_long(&name)).await?;
        let text = String::from_utf8(text);
        let text = text.map_err(|_| ApiError::bad_request("a field of the form is no text"))?;
        about.insert(name, text.trim().to_owned());
    }
    Err(ApiError::bad_request("the form has no file"))
}

fn too_long(name: &str) -> ApiError {
    ApiError::bad_request("a field of the form is too long")
        .with("field", name)
        .with("most_bytes", MAX_FIELD_BYTES)
        .close()
}

async fn store(
    app: &App,
    owner: Owner,
    about: &BTreeMap<String, String>,
    field: Field<'_>,
) -> Result<EntityId, ApiError> {
    let chosen = field.file_name().unwrap_or_default();
    if chosen.is_empty() {
        return Err(ApiError::bad_request("no file is chosen"));
    }
    let given = |name: &str| about.get(name).filter(|text| !text.is_empty()).cloned();
    let file = base_name(chosen).to_owned();
    let name = given("name").unwrap_or_else(|| file.clone());
    let mut new = NewEntry::new(name, owner, NewContent::File);
    new.file_path = Some(file);
    new.content_type = field.content_type().map(str::to_owned);
    new.description = given("description");
    let tags = given("tags").unwrap_or_default();
    let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
    new.tags = tags.map(str::to_owned).collect();
    let id = app.data.create_entry(new).await?.value.id;
    let new = NewUpload::new(id.clone(), UploadKind::Gcs);
    let upload = app.data.begin_upload(&new).await?.value.id;
    if let Err(error) = fill(app, &id, &upload, field).await {
        give_up(app, &id).await;
        return Err(error);
    }
    Ok(id)
}

/// Stores the bytes of an entry and makes it active. How many they are is known at their end.
async fn fill(
    app: &App,
    id: &EntityId,
    upload: &UploadId,
    field: Field<'_>,
) -> Result<(), ApiError> {
    let all = Piece { start: 0, total: None, checksum: None, bytes: field_stream(field) };
    let offset = app.data.append(upload, all).await?.offset;
    let end = Piece { start: offset, total: Some(offset), checksum: None, bytes: none() };
    app.data.append(upload, end).await?;
    app.data.activate_entry(id, None).await?;
    Ok(())
}

/// Removes what broke off: a form is sent as a whole, so nobody will send the rest. What cannot
/// be removed now expires, and stands on the page of uploads until then.
async fn give_up(app: &App, id: &EntityId) {
    if let Err(error) = app.data.delete_entry(id, None).await {
        tracing::warn!(entry = id.as_str(), %error, "a broken upload is left to expire");
    }
}
