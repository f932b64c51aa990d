//! What may be said of a record, and what it may refer to.

use repo_core::{EntityId, Error, ErrorKind, Result};

use crate::model::{Dataset, DatasetState, Entry, EntryKind, EntryStatus, Fields, Json, Share};
use crate::records::Tx;
use crate::refusal::Refusal;

const KIB: usize = 1024;

/// `Invalid` for texts, tags and metadata out of bounds.
pub(crate) fn name(text: &str) -> Result<()> {
    length("name", text, 1, 1_000)
}

pub(crate) fn description(text: Option<&str>) -> Result<()> {
    length("description", text.unwrap_or_default(), 0, 16 * KIB)
}

pub(crate) fn short(what: &'static str, text: Option<&str>) -> Result<()> {
    length(what, text.unwrap_or_default(), 0, 1_000)
}

pub(crate) fn metadata(json: Option<&Json>) -> Result<()> {
    length("metadata", json.map_or("", Json::as_str), 0, 64 * KIB)
}

pub(crate) fn tags(tags: &[String]) -> Result<()> {
    if tags.len() > 100 {
        return Err(invalid("there are at most 100 tags").with("tags", tags.len()));
    }
    tags.iter().try_for_each(|tag| length("tag", tag, 1, 256))
}

pub(crate) fn share(share: &Share) -> Result<()> {
    if share.users.len() > 100 || share.organizations.len() > 100 {
        return Err(invalid("something is shared with at most 100 users and 100 organizations"));
    }
    let names = share.users.iter().chain(&share.organizations);
    names.into_iter().try_for_each(|name| length("name", name, 1, 256))
}

pub(crate) fn extra(fields: &Fields) -> Result<()> {
    let bytes: usize = fields.iter().map(|(name, json)| name.len() + json.as_str().len()).sum();
    if bytes > 64 * KIB {
        return Err(invalid("further fields are at most 64 KiB").with("bytes", bytes));
    }
    Ok(())
}

fn length(what: &'static str, text: &str, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&text.len()) && !text.contains('\0') {
        return Ok(());
    }
    Err(invalid("a text is too short, too long, or holds U+0000")
        .with("field", what)
        .with("bytes", text.len())
        .with("least", least)
        .with("most", most))
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "check a request", why)
}

/// A dataset that takes entries. It is read, so the commit finds out when that changes.
pub(crate) async fn usable_dataset(tx: &mut Tx, id: &EntityId) -> Result<Dataset> {
    let dataset = tx.get::<Dataset>(id.as_str()).await?.value;
    if dataset.state != DatasetState::Active {
        return Err(Refusal::Deleted
            .error("use a dataset", "the dataset is deleted, or is being deleted")
            .with("dataset", id));
    }
    Ok(dataset)
}

/// The ancestors of an entry in a directory.
pub(crate) async fn ancestors_in(tx: &mut Tx, parent: &EntityId) -> Result<Vec<EntityId>> {
    let parent = tx.get::<Entry>(parent.as_str()).await?.value;
    let refuse = |refusal: Refusal, why: &str| {
        Err(refusal.error("use a directory", why).with("parent", &parent.id))
    };
    if parent.status == EntryStatus::Deleted {
        return refuse(Refusal::Deleted, "the directory is deleted");
    }
    if !matches!(parent.kind, EntryKind::Directory | EntryKind::Collection) {
        return refuse(Refusal::WrongState, "what is to be the parent is no directory");
    }
    let mut ancestors = parent.ancestors;
    ancestors.push(parent.id);
    if ancestors.len() > 64 {
        return Err(invalid("directories are at most 64 deep"));
    }
    Ok(ancestors)
}
