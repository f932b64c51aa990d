//! What a scratch place is filled with: fewer entities than there will be, of their size.

use fastrand::Rng;
use repo_core::strategy::{Capabilities, StorageStrategy};
use repo_core::{
    CollectionName, CollectionSchema, Document, EntityId, Error, ErrorKind, Filter, Key,
    Precondition, Query, Result, Version, Write,
};
use serde::Serialize;

use super::requirements::Requirements;

const COLLECTION: &str = "advice";
const ID: &str = "id";
/// The field that queries ask for.
const GROUP: &str = "group";

/// Most bytes of all documents together.
const MOST_BYTES: usize = 256 * 1_024 * 1_024;
/// Most entities that one commit fills in.
const FILLED_AT_ONCE: usize = 100;
/// About as many bytes one commit fills in.
const BYTES_AT_ONCE: usize = 1_024 * 1_024;

/// The entities of a scratch place.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sample {
    /// How many are measured.
    pub(super) entities: usize,
    /// How many there will be.
    pub(super) of_entities: u64,
    /// Bytes of each document.
    pub(super) document_bytes: usize,
    #[serde(skip)]
    results: usize,
    #[serde(skip)]
    collection: CollectionName,
}

impl Sample {
    /// At most `most` of the entities, of 256 MiB together; more than `most` where commits
    /// hold more at one moment, or one query finds more.
    ///
    /// # Errors
    /// `LimitExceeded` where even the fewest are more than 256 MiB.
    pub(super) fn of(wanted: &Requirements, most: usize) -> Result<Self> {
        let document_bytes = wanted.data.document_bytes.size();
        let results = match wanted.load.queries_per_second.get() {
            0 => 1,
            _ => wanted.load.query_results.size(),
        };
        let least = wanted.load.at_once().max(results);
        let room = MOST_BYTES / document_bytes;
        if least > room {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                "choose a sample",
                "what is written at a moment takes more than 256 MiB",
            )
            .with("entities", least)
            .with("document_bytes", document_bytes)
            .hint("measure with a lower load.concurrency or load.keys_per_commit"));
        }
        let all = usize::try_from(wanted.data.entities.get()).unwrap_or(usize::MAX);
        Ok(Self {
            entities: most.min(all).min(room).max(least),
            of_entities: wanted.data.entities.get(),
            document_bytes,
            results,
            collection: CollectionName::new(COLLECTION)?,
        })
    }

    pub(super) fn collection(&self) -> &CollectionName {
        &self.collection
    }

    /// With an index on what queries ask for.
    ///
    /// # Errors
    /// None for these names.
    pub(super) fn schema(&self) -> Result<CollectionSchema> {
        CollectionSchema::builder(COLLECTION, ID).index(&[GROUP]).build()
    }

    /// The id of an entity by its number.
    ///
    /// # Errors
    /// None for these names, as of the methods below.
    pub(super) fn id(number: usize) -> Result<EntityId> {
        EntityId::new(&format!("e{number:08}"))
    }

    /// A new document of an entity: of its id and its group, with other text each time.
    pub(super) fn document(&self, number: usize, rng: &mut Rng) -> Result<Document> {
        let id = format!("e{number:08}");
        let group = Self::group(number % self.groups());
        let with = |text: &str| {
            let text = format!(r#"{{"{ID}":"{id}","{GROUP}":"{group}","text":"{text}"}}"#);
            Document::parse(&text)
        };
        let missing = self.document_bytes.saturating_sub(with("")?.size());
        let text: String = (0..missing).map(|_| rng.alphanumeric()).collect();
        with(&text)
    }

    /// A write of a new document.
    pub(super) fn write(
        &self,
        number: usize,
        precondition: Precondition,
        rng: &mut Rng,
    ) -> Result<Write> {
        let key = Key::new(self.collection.clone(), Self::id(number)?);
        Ok(Write::put(key, self.document(number, rng)?, precondition))
    }

    /// A page of the entities of one group.
    pub(super) fn query(&self, rng: &mut Rng) -> Result<Query> {
        let group = Self::group(rng.usize(..self.groups()));
        let filter = Filter::parse(&format!(r#"{{"{GROUP}":"{group}"}}"#))?;
        Query::new(filter).limit(self.results)
    }

    /// So many that each holds what one query is to find.
    fn groups(&self) -> usize {
        (self.entities / self.results).max(1)
    }

    fn group(number: usize) -> String {
        format!("g{number:08}")
    }

    /// Writes all of them, in commits of at most 100 and of about 1 MiB; their versions by
    /// their numbers.
    ///
    /// # Errors
    /// What the store reports.
    pub(super) async fn fill(&self, store: &dyn StorageStrategy) -> Result<Vec<Version>> {
        let at_once = self.filled_at_once(store.capabilities());
        let mut rng = Rng::with_seed(0);
        let mut versions = Vec::with_capacity(self.entities);
        while versions.len() < self.entities {
            let from = versions.len();
            let to = self.entities.min(from + at_once);
            let writes =
                (from..to).map(|number| self.write(number, Precondition::Absent, &mut rng));
            let written = store.commit(writes.collect::<Result<_>>()?).await?;
            versions.extend(written.into_iter().filter_map(repo_core::Written::version));
            if versions.len() != to {
                let why = "the store did not say which version each write made";
                return Err(Error::new(ErrorKind::Unexpected, "fill a scratch place", why)
                    .with("store", store.location()));
            }
        }
        Ok(versions)
    }

    fn filled_at_once(&self, can: &Capabilities) -> usize {
        let bytes = can.max_commit_bytes.unwrap_or(usize::MAX).min(BYTES_AT_ONCE);
        let keys = can.max_commit_keys.unwrap_or(usize::MAX).min(FILLED_AT_ONCE);
        (bytes / self.document_bytes).clamp(1, keys.max(1))
    }
}

#[cfg(test)]
mod tests {
    use repo_core::MemoryStrategy;
    use repo_core::strategy::OpenOptions;

    use super::*;
    use crate::advise::stores::requirements::from_text;

    fn wanted(entities: u64, bytes: usize, load: &str) -> Requirements {
        from_text(&format!(
            r#"{{"data":{{"entities":{entities},"document_bytes":{bytes}}},"load":{{{load}}}}}"#
        ))
    }

    #[test]
    fn a_sample_has_bounds_and_room_for_what_is_under_way() {
        let reads = r#""reads_per_second":1"#;
        let of = |entities, bytes, load| Sample::of(&wanted(entities, bytes, load), 2_000);
        assert_eq!(of(1_000_000, 600, reads).unwrap().entities, 2_000);
        assert_eq!(of(10, 600, reads).unwrap().entities, 10);
        assert_eq!(of(1_000_000, 1_048_576, reads).unwrap().entities, 256);
        let many = r#""writes_per_second":1,"concurrency":100,"keys_per_commit":30"#;
        assert_eq!(of(1_000_000, 600, many).unwrap().entities, 3_000);
        let error = of(1_000_000, 1_048_576, many).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    }

    #[tokio::test]
    async fn documents_have_the_size_and_queries_find_as_many() {
        let wanted = wanted(1_000, 300, r#""queries_per_second":1,"query_results":25"#);
        let sample = Sample::of(&wanted, 1_000).unwrap();
        let mut rng = Rng::with_seed(1);
        assert_eq!(sample.document(999, &mut rng).unwrap().size(), 300);
        let store = MemoryStrategy::new(OpenOptions::default());
        store.prepare(&[sample.schema().unwrap()]).await.unwrap();
        let versions = sample.fill(&store).await.unwrap();
        assert_eq!(versions.len(), 1_000);
        for _ in 0..20 {
            let query = sample.query(&mut rng).unwrap();
            let page = store.query(sample.collection(), &query).await.unwrap();
            assert_eq!(page.entities.len(), 25);
        }
    }
}
