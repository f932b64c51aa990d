//! From recorded queries to indexes.

use std::collections::BTreeMap;

use repo_core::{CollectionName, FieldPath, QueryShape, RecordedQueries, Schemas};
use serde::Serialize;

use crate::indexes::{Index, index_for};

/// What the queries of one collection lead to.
#[derive(Debug, Serialize)]
pub(super) struct Advice {
    pub(super) collection: CollectionName,
    /// What `x-repository.indexes` would be: what is declared, and what is proposed.
    pub(super) indexes: Vec<Vec<FieldPath>>,
    /// What is proposed, the most scans first.
    pub(super) proposed: Vec<Proposal>,
    /// Queries that were answered by scans though an index for them is declared.
    pub(super) declared: Vec<RecordedQueries>,
}

/// An index, and what it is for.
#[derive(Debug, Serialize)]
pub(super) struct Proposal {
    pub(super) fields: Vec<FieldPath>,
    /// How many pages would have been read by it.
    pub(super) pages: u64,
    /// How many of them were read record by record.
    pub(super) scans: u64,
    /// The queries that it would serve.
    pub(super) serves: Vec<QueryShape>,
}

/// Indexes for those of the queries that were answered by scans.
pub(super) fn propose(
    schemas: &Schemas,
    recorded: impl IntoIterator<Item = RecordedQueries>,
) -> Vec<Advice> {
    let mut found: BTreeMap<CollectionName, Found> = BTreeMap::new();
    for one in recorded.into_iter().filter(|one| one.scans > 0) {
        let schema = schemas.get(&one.shape.collection);
        match index_for(&schema, &one.shape) {
            Some(Index::Proposed(fields)) => {
                let found = found.entry(one.shape.collection.clone()).or_default();
                found.proposed.entry(fields).or_default().push(one);
            }
            Some(Index::Declared(_)) => {
                found.entry(one.shape.collection.clone()).or_default().declared.push(one);
            }
            None => {}
        }
    }
    let advice = |(collection, found): (CollectionName, Found)| {
        let mut proposed = joined(found.proposed);
        proposed.sort_by(|a, b| b.scans.cmp(&a.scans).then_with(|| a.fields.cmp(&b.fields)));
        let mut indexes = schemas.get(&collection).indexes;
        indexes.extend(proposed.iter().map(|proposal| proposal.fields.clone()));
        Advice { collection, indexes, proposed, declared: found.declared }
    };
    found.into_iter().map(advice).collect()
}

#[derive(Debug, Default)]
struct Found {
    proposed: BTreeMap<Vec<FieldPath>, Vec<RecordedQueries>>,
    declared: Vec<RecordedQueries>,
}

/// Proposals of which none begins another: a longer one serves what a shorter one would.
fn joined(found: BTreeMap<Vec<FieldPath>, Vec<RecordedQueries>>) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = Vec::new();
    // The longer ones come first.
    for (fields, queries) in found.into_iter().rev() {
        let at = proposals.iter().position(|longer| longer.fields.starts_with(&fields));
        let at = at.unwrap_or_else(|| {
            proposals.push(Proposal { fields, pages: 0, scans: 0, serves: Vec::new() });
            proposals.len() - 1
        });
        let Some(proposal) = proposals.get_mut(at) else { continue };
        for one in queries {
            proposal.pages = proposal.pages.saturating_add(one.pages);
            proposal.scans = proposal.scans.saturating_add(one.scans);
            proposal.serves.push(one.shape);
        }
    }
    proposals
}

#[cfg(test)]
mod tests {
    use repo_core::{CollectionSchema, Filter, Query};

    use super::*;

    fn recorded(filter: &str, scans: u64) -> RecordedQueries {
        let query = Query::new(Filter::parse(filter).unwrap());
        let shape = QueryShape::of(&CollectionName::new("m").unwrap(), &query);
        RecordedQueries { shape, pages: 10, scans, returned: 3 }
    }

    fn advice(recorded: Vec<RecordedQueries>) -> Vec<Advice> {
        let schema = CollectionSchema::builder("m", "id").index(&["status"]).build().unwrap();
        propose(&[schema].into_iter().collect(), recorded)
    }

    fn fields(proposal: &Proposal) -> String {
        proposal.fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn a_longer_index_serves_what_a_shorter_one_would() {
        let found = advice(vec![
            recorded(r#"{"owner":1}"#, 4),
            recorded(r#"{"owner":1,"price":{"$lt":1}}"#, 3),
            recorded(r#"{"zone":1}"#, 5),
        ]);
        let [machines] = found.as_slice() else { panic!("{found:?}") };
        let proposed: Vec<_> =
            machines.proposed.iter().map(|one| (fields(one), one.pages, one.scans)).collect();
        assert_eq!(proposed, [("owner,price".to_owned(), 20, 7), ("zone".to_owned(), 10, 5)]);
        assert_eq!(machines.proposed[0].serves.len(), 2);
        let whole = serde_json::to_string(&machines.indexes).unwrap();
        assert_eq!(whole, r#"[["status"],["owner","price"],["zone"]]"#);
    }

    #[test]
    fn what_an_index_serves_already_needs_none() {
        assert!(advice(vec![recorded(r#"{"owner":1}"#, 0)]).is_empty());
        assert!(advice(vec![recorded(r#"{"id":"x"}"#, 5)]).is_empty());
        let found = advice(vec![recorded(r#"{"status":"on","owner":1}"#, 5)]);
        assert!(found[0].proposed.is_empty());
        assert_eq!(found[0].declared[0].scans, 5);
    }
}
