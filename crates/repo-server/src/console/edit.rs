//! Changing documents: new ones, edits, deletions, older versions that come back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use repo_core::strategy::StorageStrategyExt as _;
use repo_core::{CollectionName, Document, EntityId, Key, Precondition, Version, Write};
use repo_history::{History, OlderState};

use super::collections::find;
use super::diff::diff;
use super::document::{Asked, missing};
use super::failure::Failure;
use super::form::Form;
use super::frame::{respond, said};
use super::json::{coloured, pretty};
use super::links;
use super::page::{Section, framed};
use super::parts::{heading, time};
use super::session::{Editor, Viewer};
use crate::api::writable;
use crate::http::{ApiError, NamePath, Params};
use crate::state::App;

/// What stands in the form.
struct Draft<'a> {
    collection: &'a CollectionName,
    /// Of a new document there is none yet.
    id: Option<&'a EntityId>,
    back: &'a str,
    text: &'a str,
    reason: &'a str,
    /// The version that it is a change of.
    version: Option<Version>,
}

/// The form for a new document.
pub(super) async fn new(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
) -> Result<Response, Failure> {
    writable(&name)?;
    let id_field = find(&app, &name).await?.id_field;
    let text = format!("{{\n  {}: \"\"\n}}", serde_json::Value::from(id_field));
    let draft =
        Draft { collection: &name, id: None, back: "", text: &text, reason: "", version: None };
    Ok(draft.page(&viewer, StatusCode::OK, &html! {}))
}

/// Stores a new document.
pub(super) async fn create(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    form: Form,
) -> Result<Response, Failure> {
    writable(&name)?;
    let (text, reason) = (form.text("document"), form.text("reason"));
    let draft = Draft { collection: &name, id: None, back: "", text, reason, version: None };
    match stored(&app, &viewer, &draft).await {
        Ok(id) => Ok(to_document(&name, &id, "")),
        Err(error) => draft.refused(&viewer, error),
    }
}

/// The form for a change.
pub(super) async fn form(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(asked): Params<Asked>,
) -> Result<Response, Failure> {
    writable(&name)?;
    let id = EntityId::new(&asked.id)?;
    let entity = app.store.get(&name, &id).await?.ok_or_else(|| missing(&name, &id))?;
    let text = pretty(entity.document.as_str());
    let draft = Draft {
        collection: &name,
        id: Some(&id),
        back: &asked.back,
        text: &text,
        reason: "",
        version: Some(entity.version),
    };
    Ok(draft.page(&viewer, StatusCode::OK, &html! {}))
}

/// Stores a change, if the document still has the version that it is a change of.
pub(super) async fn save(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(asked): Params<Asked>,
    form: Form,
) -> Result<Response, Failure> {
    writable(&name)?;
    let id = EntityId::new(&asked.id)?;
    let draft = Draft {
        collection: &name,
        id: Some(&id),
        back: &asked.back,
        text: form.text("document"),
        reason: form.text("reason"),
        version: Some(form.version("version")?),
    };
    match stored(&app, &viewer, &draft).await {
        Ok(_) => Ok(to_document(&name, &id, &asked.back)),
        Err(error) if error.names_preconditions() => conflict(&app, &viewer, &draft).await,
        Err(error) => draft.refused(&viewer, error),
    }
}

async fn stored(app: &App, viewer: &Viewer, draft: &Draft<'_>) -> Result<EntityId, ApiError> {
    let document = Document::parse(draft.text)?;
    let id = app.schema(draft.collection).id_of(&document)?;
    if draft.id.is_some_and(|before| *before != id) {
        return Err(ApiError::bad_request("an edit cannot change the id of a document")
            .remedy("make a new document, and delete this one"));
    }
    let precondition = draft.version.map_or(Precondition::Absent, Precondition::Version);
    let key = Key::new(draft.collection.clone(), id.clone());
    commit(app, viewer, Write::put(key, document, precondition), draft.reason).await?;
    Ok(id)
}

async fn commit(app: &App, viewer: &Viewer, write: Write, reason: &str) -> Result<(), ApiError> {
    let reason = Some(reason.trim()).filter(|reason| !reason.is_empty());
    let write = write.attributed_to(viewer.caller.attribution_for(reason)?);
    app.store.commit(vec![write]).await?;
    Ok(())
}

fn to_document(name: &CollectionName, id: &EntityId, back: &str) -> Response {
    Redirect::to(&links::document(name.as_str(), "document", id.as_str(), back)).into_response()
}

/// Somebody else was quicker: both texts, and a form that goes on from the stored one.
async fn conflict(app: &App, viewer: &Viewer, draft: &Draft<'_>) -> Result<Response, Failure> {
    let Some(id) = draft.id else { return Err(ApiError::bad_request("there is no id").into()) };
    let Some(entity) = app.store.get(draft.collection, id).await? else {
        let note = html! {
            div.said role="alert" {
                p { "The document was deleted while you changed it. Nothing was stored." }
                p.soft { "Your text is below; make a new document of it to bring it back." }
            }
        };
        return Ok(draft.page(viewer, StatusCode::CONFLICT, &note));
    };
    let stored = pretty(entity.document.as_str());
    let note = html! {
        div.said role="alert" {
            p { "The document was changed while you changed it: version " (entity.version)
                ", " (time(entity.updated_at)) ". Nothing was stored." }
            p.soft { "Below is your text. Take over what you want to keep of the other one; \
                saving again replaces version " (entity.version) "." }
        }
        h2 { "From what is stored to your text" }
        div.sheet { (diff(&stored, &laid_out(draft.text))) }
        h2 { "What is stored" }
        div.sheet { pre.json { (coloured(entity.document.as_str())) } }
        h2 { "Your text" }
    };
    let again = Draft { version: Some(entity.version), ..*draft };
    Ok(again.page(viewer, StatusCode::CONFLICT, &note))
}

/// A draft on the same lines as what is stored, where it is JSON.
fn laid_out(text: &str) -> String {
    Document::parse(text).map_or_else(|_| text.to_owned(), |found| pretty(found.as_str()))
}

/// Deletes a document, if it still has the version that was looked at.
pub(super) async fn delete(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(asked): Params<Asked>,
    form: Form,
) -> Result<Response, Failure> {
    writable(&name)?;
    let id = EntityId::new(&asked.id)?;
    let condition = Precondition::Version(form.version("version")?);
    let write = Write::delete(Key::new(name.clone(), id), condition);
    commit(&app, &viewer, write, form.text("reason")).await.map_err(seen_again)?;
    Ok(Redirect::to(&links::collection(name.as_str(), &asked.back)).into_response())
}

/// Stores an older version again, as a new one.
pub(super) async fn restore(
    Editor(viewer): Editor,
    State(app): State<Arc<App>>,
    NamePath(name): NamePath,
    Params(asked): Params<Asked>,
    form: Form,
) -> Result<Response, Failure> {
    writable(&name)?;
    let id = EntityId::new(&asked.id)?;
    let history = History::of(Arc::clone(&app.store), name.clone());
    let older = history.at_version(&id, form.version("older")?).await?;
    let OlderState::Live { document, .. } = older.state else {
        return Err(ApiError::bad_request("this version has no document").into());
    };
    let condition = match form.given("version") {
        Some(_) => Precondition::Version(form.version("version")?),
        None => Precondition::Absent,
    };
    let write = Write::put(Key::new(name.clone(), id.clone()), document, condition);
    commit(&app, &viewer, write, form.text("reason")).await.map_err(seen_again)?;
    Ok(to_document(&name, &id, &asked.back))
}

fn seen_again(error: ApiError) -> ApiError {
    if !error.names_preconditions() {
        return error;
    }
    error.with_status(StatusCode::CONFLICT).remedy("go back, and look at the document again")
}

impl Draft<'_> {
    fn refused(&self, viewer: &Viewer, error: ApiError) -> Result<Response, Failure> {
        if !error.status().is_client_error() {
            return Err(error.into());
        }
        Ok(self.page(viewer, error.status(), &said(&error)))
    }

    fn page(&self, viewer: &Viewer, status: StatusCode, note: &Markup) -> Response {
        let name = self.collection.as_str();
        let title = self.id.map_or("New document", EntityId::as_str);
        let (action, leave) = match self.id {
            Some(id) => (
                links::document(name, "edit", id.as_str(), self.back),
                links::document(name, "document", id.as_str(), self.back),
            ),
            None => (format!("/console/c/{name}/new"), links::collection(name, "")),
        };
        let body = html! {
            p.trail { a href=(leave) { "← " (self.id.map_or(name, EntityId::as_str)) } }
            (heading(title, &html! {
                @if let Some(version) = self.version { span.where { "change of version " (version) } }
            }))
            (note)
            form.edit method="post" action=(action) {
                @if let Some(version) = self.version {
                    input type="hidden" name="version" value=(version);
                }
                textarea #document name="document" aria-label="The document, as JSON"
                    spellcheck="false" rows=(rows(self.text)) { "\n" (self.text) }
                div.line {
                    input name="reason" aria-label="Reason, kept with the version"
                        placeholder="reason, kept with the version" maxlength="1000"
                        value=(self.reason);
                    button.main { "Save" }
                    a.button href=(leave) { "Leave" }
                }
            }
        };
        respond(status, &framed(viewer, Section::Collection(name), title, &body))
    }
}

fn rows(text: &str) -> usize {
    text.lines().count().saturating_add(1).clamp(8, 32)
}
