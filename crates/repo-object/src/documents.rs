//! Reading documents from the objects that hold them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use repo_core::{Document, Error, ErrorKind, Result};

use crate::hex::Hex16;
use crate::objects::{AT_ONCE, Objects};
use crate::slot::Place;

/// Documents at most this far apart are read together, in bytes.
const GAP: u64 = 64 * 1_024;
/// Most bytes that are read together.
const RUN: u64 = 8 * 1_024 * 1_024;
/// Above this many bytes documents are parsed where that holds nobody up.
const MUCH: u64 = 256 * 1_024;

/// A document that is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The object that it is in.
    pub(crate) object: Arc<str>,
    pub(crate) place: Place,
}

/// What was found in its place.
#[derive(Debug)]
pub(crate) enum Fetched {
    Document(Document),
    /// Something else, or nothing: the object is not there, or was written anew. It may be
    /// that a checkpoint has put the document elsewhere.
    Other {
        stored: Option<Vec<u8>>,
        error: Error,
    },
}

/// A range of an object, and which of the wanted documents are in it.
struct Job {
    object: Arc<str>,
    range: Range<u64>,
    wanted: Vec<(usize, Place)>,
}

/// Reads documents, in the order in which they are wanted. Those that are near each other are
/// read by one request, several requests at a time.
///
/// # Errors
/// `Unavailable` and what else a request may fail with. What is found in a place is no error.
pub(crate) async fn fetch(objects: &Objects, wanted: &[Wanted]) -> Result<Vec<Fetched>> {
    let mut found: Vec<Option<Fetched>> = Vec::new();
    found.resize_with(wanted.len(), || None);
    let mut parts =
        stream::iter(jobs(wanted)).map(|job| read(objects, job)).buffer_unordered(AT_ONCE);
    while let Some(part) = parts.try_next().await? {
        for (at, fetched) in part {
            if let Some(slot) = found.get_mut(at) {
                *slot = Some(fetched);
            }
        }
    }
    Ok(found.into_iter().map(|found| found.unwrap_or_else(nothing)).collect())
}

fn nothing() -> Fetched {
    Fetched::Other { stored: None, error: other("", "the document was not read") }
}

/// Which ranges are read.
fn jobs(wanted: &[Wanted]) -> Vec<Job> {
    let mut by_object: BTreeMap<&Arc<str>, Vec<(usize, Place)>> = BTreeMap::new();
    for (at, wanted) in wanted.iter().enumerate() {
        by_object.entry(&wanted.object).or_default().push((at, wanted.place));
    }
    let mut jobs: Vec<Job> = Vec::new();
    for (object, mut places) in by_object {
        places.sort_by_key(|(_, place)| place.offset);
        for (at, place) in places {
            let (from, to) = bounds(&place);
            match jobs.last_mut() {
                Some(job)
                    if job.object == *object
                        && from <= job.range.end + GAP
                        && to.saturating_sub(job.range.start) <= RUN =>
                {
                    job.range.end = job.range.end.max(to);
                    job.wanted.push((at, place));
                }
                _ => jobs.push(Job {
                    object: Arc::clone(object),
                    range: from..to,
                    wanted: vec![(at, place)],
                }),
            }
        }
    }
    jobs
}

fn bounds(place: &Place) -> (u64, u64) {
    let from = u64::from(place.offset);
    (from, from + u64::from(place.len.get()))
}

async fn read(objects: &Objects, job: Job) -> Result<Vec<(usize, Fetched)>> {
    let bytes = match objects.read_range(&job.object, job.range.clone()).await {
        Ok(bytes) => bytes,
        // The object may be shorter than it was, for which each server has its own words.
        Err(error) if error.kind() == ErrorKind::Unexpected => {
            objects.read(&job.object).await?.map(|whole| part_of(&whole, &job.range))
        }
        Err(error) => return Err(error),
    };
    let Some(bytes) = bytes else {
        let gone = |(at, _): (usize, Place)| {
            let error = other(&job.object, "the object that held a document is not there");
            (at, Fetched::Other { stored: None, error })
        };
        return Ok(job.wanted.iter().copied().map(gone).collect());
    };
    if job.range.end - job.range.start <= MUCH {
        return Ok(parse_all(&bytes, &job));
    }
    tokio::task::spawn_blocking(move || parse_all(&bytes, &job)).await.map_err(|source| {
        Error::new(ErrorKind::Unavailable, "read documents", "the reading task ended early")
            .caused_by(source)
    })
}

/// What there is of a range.
fn part_of(whole: &Bytes, range: &Range<u64>) -> Bytes {
    let end = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
    whole.slice(end(range.start)..end(range.end))
}

fn parse_all(bytes: &Bytes, job: &Job) -> Vec<(usize, Fetched)> {
    job.wanted.iter().map(|(at, place)| (*at, parse(bytes, job, place))).collect()
}

fn parse(bytes: &Bytes, job: &Job, place: &Place) -> Fetched {
    let (from, to) = bounds(place);
    let at = |byte: u64| usize::try_from(byte - job.range.start).unwrap_or(usize::MAX);
    let text = bytes.get(at(from)..at(to)).unwrap_or_default();
    let found = Document::from_slice(text).ok();
    match found.filter(|document| Hex16::of(&document.digest()) == place.digest) {
        Some(document) => Fetched::Document(document),
        None => {
            let error = other(&job.object, "a document is not the one that was stored")
                .with("byte", place.offset);
            Fetched::Other { stored: Some(text.to_vec()), error }
        }
    }
}

fn other(object: &str, why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "read a document", why)
        .with("object", object)
        .hint("put the object back as it was; a bucket with versions has it")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::slot::Source;

    fn wanted(object: &str, offset: u32, len: u32) -> Wanted {
        let place = Place {
            source: Source::part(0),
            offset,
            len: NonZeroU32::new(len).unwrap(),
            digest: Hex16::of_text(""),
        };
        Wanted { object: Arc::from(object), place }
    }

    #[test]
    fn what_is_near_is_read_together_and_never_too_much() {
        let gap = u32::try_from(GAP).unwrap();
        let of = |wanted: &[Wanted]| {
            let jobs = jobs(wanted);
            jobs.iter()
                .map(|job| (job.object.to_string(), job.range.clone(), job.wanted.len()))
                .collect::<Vec<_>>()
        };
        let near = [wanted("a", 500, 10), wanted("a", 0, 10), wanted("b", 5, 10)];
        assert_eq!(of(&near), [("a".to_owned(), 0..510, 2), ("b".to_owned(), 5..15, 1)]);
        let far = [wanted("a", 0, 10), wanted("a", gap + 11, 10)];
        assert_eq!(of(&far).len(), 2);
        let twice = [wanted("a", 3, 10), wanted("a", 3, 10)];
        assert_eq!(of(&twice), [("a".to_owned(), 3..13, 2)]);
        let row: Vec<Wanted> = (0..20).map(|n| wanted("a", n * 1_048_576, 1_048_576)).collect();
        let jobs = of(&row);
        assert_eq!(jobs.len(), 3);
        assert!(jobs.iter().all(|(_, range, _)| range.end - range.start <= RUN));
    }
}
