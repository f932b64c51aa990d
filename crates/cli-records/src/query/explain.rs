//! How a store finds what a query asks for.

use cli_output::failure::Outcome;
use cli_output::output::Output;
use repo_core::strategy::StorageStrategy;
use repo_core::{
    Access, CollectionName, CollectionSchema, FieldPath, Plan, Query, QueryAnalysis, QueryShape,
};
use serde_json::json;

use crate::indexes::{Index, index_for};

/// How many times what it returns a query may look at without a warning.
const LOOKED_AT_IN_VAIN: u64 = 100;
/// Looking at fewer is cheap in any case.
const FEW: u64 = 500;

/// Prints by which index, or that everything is read.
pub(super) async fn plan(
    output: Output,
    store: &dyn StorageStrategy,
    name: &CollectionName,
    query: &Query,
) -> Outcome<()> {
    let query = if query.has_limit() { query.clone() } else { query.clone().limit(1)? };
    let plan = store.query(name, &query).await?.plan;
    let answer = json!({ "collection": name, "plan": plan });
    output.result(&answer, || match &plan {
        Plan::Index { name } => format!("by the index {name}"),
        Plan::Scan => format!("by reading all of {name}"),
    })
}

/// Prints what one page takes, and warns where that is much for what it returns.
pub(super) async fn analysis(
    output: Output,
    store: &dyn StorageStrategy,
    schema: &CollectionSchema,
    query: &Query,
) -> Outcome<()> {
    let name = &schema.collection;
    let analysis = store.analyze(name, query).await?;
    let answer = json!({ "collection": name, "analysis": analysis });
    output.result(&answer, || in_words(name, &analysis))?;
    if let Some(warning) = warning(schema, &QueryShape::of(name, query), &analysis) {
        output.warning(&warning);
    }
    Ok(())
}

fn in_words(name: &CollectionName, analysis: &QueryAnalysis) -> String {
    let access = match &analysis.access {
        Access::Key { index } => format!("by the ids, index {index}"),
        Access::Index { index } => format!("by the index {index}"),
        Access::Scan => format!("by reading {name} record by record"),
    };
    let number = |count: Option<u64>| count.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    format!(
        "{access}\nexamined: {}\nreturned: {}\nleft out by the engine: {}\n\
         expected by the planner: {}",
        number(analysis.examined),
        analysis.returned,
        number(analysis.engine_filtered),
        number(analysis.estimated),
    )
}

/// What to say where a store looks at far more than it returns.
fn warning(
    schema: &CollectionSchema,
    shape: &QueryShape,
    analysis: &QueryAnalysis,
) -> Option<String> {
    let examined = analysis.examined?;
    let most = analysis.returned.max(1).saturating_mul(LOOKED_AT_IN_VAIN);
    if examined < FEW || examined < most {
        return None;
    }
    let found = format!("the store looked at {examined} records for {}", analysis.returned);
    Some(match index_for(schema, shape) {
        None => format!("{found}; no index serves this filter"),
        Some(Index::Proposed(fields)) => format!(
            "{found}; an index on {} would serve the query: declare it in `x-repository.indexes` \
             of {}, then run `repoctl init`",
            listed(&fields),
            schema.collection
        ),
        Some(Index::Declared(fields)) => format!(
            "{found}, though an index on {} is declared: `repoctl init` makes it where it is \
             missing; a store may pass over it where many records are alike, and JSON files have \
             it only in a program that asks often",
            listed(&fields)
        ),
    })
}

fn listed(fields: &[FieldPath]) -> String {
    fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use repo_core::Filter;

    use super::*;

    fn warned(filter: &str, examined: Option<u64>, returned: u64) -> Option<String> {
        let schema = CollectionSchema::builder("m", "id").index(&["status"]).build().unwrap();
        let query = Query::new(Filter::parse(filter).unwrap());
        let (access, engine_filtered) = (Access::Scan, None);
        let analysis =
            QueryAnalysis { access, examined, returned, engine_filtered, estimated: None };
        warning(&schema, &QueryShape::of(&schema.collection, &query), &analysis)
    }

    #[test]
    fn much_in_vain_is_warned_of() {
        let owner = r#"{"owner":"me"}"#;
        for (examined, returned) in [(None, 0), (Some(499), 0), (Some(999), 10)] {
            assert_eq!(warned(owner, examined, returned), None);
        }
        assert!(warned(owner, Some(500), 0).is_some());
        let text = warned(owner, Some(1_000), 10).unwrap();
        assert!(text.contains("looked at 1000 records for 10; an index on owner"), "{text}");
    }

    #[test]
    fn it_says_what_to_do() {
        let declared = warned(r#"{"status":"on"}"#, Some(900), 1).unwrap();
        assert!(declared.contains("an index on status is declared"), "{declared}");
        let none = warned(r#"{"note":{"$regex":"x"}}"#, Some(900), 1).unwrap();
        assert!(none.contains("no index serves"), "{none}");
    }
}
