//! Proposals as results: words for people, JSON for programs.

use std::fmt::Write as _;

use cli_output::failure::Outcome;
use cli_output::output::Output;
use repo_core::{FieldPath, QueryShape};
use serde_json::json;

use super::proposals::Advice;

pub(super) fn print(output: Output, all: &[Advice]) -> Outcome<()> {
    if all.iter().all(|advice| advice.proposed.is_empty()) {
        output.note("no index is missing for what was recorded");
    }
    let whole = json!({ "collections": all });
    output.list(&whole, all, || {
        let text: String = all.iter().map(in_words).collect();
        text.trim_end().to_owned()
    })
}

fn in_words(advice: &Advice) -> String {
    let mut text = format!("{}\n", advice.collection);
    // Writing into a string does not fail.
    for proposal in &advice.proposed {
        let (fields, scans, pages) = (listed(&proposal.fields), proposal.scans, proposal.pages);
        let _ = writeln!(text, "  propose {fields}: {scans} of {pages} pages were scans");
        for shape in &proposal.serves {
            let _ = writeln!(text, "    serves {}", asked(shape));
        }
    }
    for one in &advice.declared {
        let (scans, pages) = (one.scans, one.pages);
        let asked = asked(&one.shape);
        let _ = writeln!(
            text,
            "  declared for {asked}, but {scans} of {pages} pages were scans; see whether \
             `repoctl init` was run"
        );
    }
    if !advice.proposed.is_empty() {
        let indexes: Vec<String> = advice.indexes.iter().map(|fields| listed(fields)).collect();
        let _ = writeln!(text, "  \"indexes\": [{}]", indexes.join(", "));
    }
    text
}

/// Fields as a schema lists them.
fn listed(fields: &[FieldPath]) -> String {
    let names: Vec<String> = fields.iter().map(|field| json!(field).to_string()).collect();
    format!("[{}]", names.join(", "))
}

/// What a shape asks for, as a filter without values.
fn asked(shape: &QueryShape) -> String {
    let equal = shape.equal.iter().map(|field| format!("{field} = …"));
    let compared = shape.compared.iter().map(|field| format!("{field} < …"));
    let mut words = equal.chain(compared).collect::<Vec<_>>().join(", ");
    if let Some(order) = &shape.order {
        words.push_str(&format!(", by {order}"));
    }
    words
}

#[cfg(test)]
mod tests {
    use repo_core::{CollectionName, CollectionSchema, Filter, Query, RecordedQueries};

    use super::super::proposals::propose;
    use super::*;

    #[test]
    fn people_read_what_to_paste_and_what_it_serves() {
        let filter = Filter::parse(r#"{"owner":"me","price":{"$lt":1}}"#).unwrap();
        let query = Query::new(filter).order_by("at").unwrap();
        let shape = QueryShape::of(&CollectionName::new("m").unwrap(), &query);
        let recorded = RecordedQueries { shape, pages: 9, scans: 7, returned: 1 };
        let schema = CollectionSchema::builder("m", "id").index(&["status"]).build().unwrap();
        let advice = propose(&[schema].into_iter().collect(), [recorded]);
        let expected = "m\n  propose [\"owner\", \"price\"]: 7 of 9 pages were scans\n    \
            serves owner = …, price < …, by at\n  \"indexes\": [[\"status\"], [\"owner\", \"price\"]]\n";
        assert_eq!(in_words(&advice[0]), expected);
    }
}
