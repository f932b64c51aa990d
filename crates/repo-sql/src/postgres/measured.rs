//! What PostgreSQL says of a statement that it ran under `EXPLAIN (ANALYZE)`.

use repo_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};

/// What the statements of one page took together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Measured {
    /// Rows that were found and rows that were left out where the table is read.
    pub(super) examined: u64,
    /// Rows that the planner expected where the first statement reads the table.
    pub(super) estimated: Option<u64>,
    /// The first index that a condition was looked up in.
    pub(super) searched: Option<String>,
}

impl Measured {
    /// Adds a plan as `EXPLAIN (ANALYZE, FORMAT JSON)` prints it.
    ///
    /// # Errors
    /// `Unexpected` for a text that is no such plan.
    pub(super) fn add(&mut self, text: &str) -> Result<()> {
        let plans: Json = serde_json::from_str(text)
            .map_err(|source| unknown().with("reason", &source).caused_by(source))?;
        let plan = plans.pointer("/0/Plan").and_then(Json::as_object).ok_or_else(unknown)?;
        self.examined += self.node(plan).round() as u64;
        Ok(())
    }

    /// Rows that this node and those below it looked at in a table.
    fn node(&mut self, node: &Map<String, Json>) -> f64 {
        let number = |name: &str| node.get(name).and_then(Json::as_f64).unwrap_or(0.0);
        let text = |name: &str| node.get(name).and_then(Json::as_str);
        // An index that is read from end to end, for its order, was not searched.
        if let (Some(index), Some(_)) = (text("Index Name"), text("Index Cond")) {
            self.searched.get_or_insert_with(|| index.to_owned());
        }
        let mut looked_at = 0.0;
        if node.contains_key("Relation Name") {
            self.estimated.get_or_insert(number("Plan Rows").round() as u64);
            // All are means of the times that the node ran.
            let rows = number("Actual Rows")
                + number("Rows Removed by Filter")
                + number("Rows Removed by Index Recheck");
            looked_at = rows * number("Actual Loops");
        }
        let below = node.get("Plans").and_then(Json::as_array).into_iter().flatten();
        looked_at + below.filter_map(Json::as_object).map(|plan| self.node(plan)).sum::<f64>()
    }
}

fn unknown() -> Error {
    Error::new(ErrorKind::Unexpected, "query", "PostgreSQL describes a plan in an unknown form")
        .hint("ask without the analysis, or report the version of the server")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(plan: &str) -> Measured {
        let mut measured = Measured::default();
        measured.add(&format!(r#"[{{"Plan":{plan},"Execution Time":0.1}}]"#)).unwrap();
        measured
    }

    #[test]
    fn what_a_scan_left_out_was_looked_at() {
        let found = measured(
            r#"{"Node Type":"Limit","Plan Rows":1,"Actual Rows":3,"Actual Loops":1,"Plans":[
                {"Node Type":"Seq Scan","Relation Name":"m_records","Plan Rows":9,
                 "Actual Rows":3,"Actual Loops":1,"Rows Removed by Filter":997}]}"#,
        );
        assert_eq!(found, Measured { examined: 1_000, estimated: Some(9), searched: None });
    }

    #[test]
    fn an_index_counts_where_a_condition_was_looked_up_in_it() {
        let found = measured(
            r#"{"Node Type":"Bitmap Heap Scan","Relation Name":"m_records","Plan Rows":12,
                "Actual Rows":10.00,"Actual Loops":1,"Rows Removed by Index Recheck":2,"Plans":[
                {"Node Type":"Bitmap Index Scan","Index Name":"by-kind","Actual Rows":12,
                 "Actual Loops":1,"Index Cond":"(kind = 'a'::text)"}]}"#,
        );
        let searched = Some("by-kind".to_owned());
        assert_eq!(found, Measured { examined: 12, estimated: Some(12), searched });
        let in_order = measured(
            r#"{"Node Type":"Index Scan","Relation Name":"m_records","Index Name":"m_pkey",
                "Plan Rows":5,"Actual Rows":5,"Actual Loops":1}"#,
        );
        assert_eq!(in_order.searched, None);
    }

    #[test]
    fn parts_that_ran_several_times_count_each_time() {
        let found = measured(
            r#"{"Node Type":"Gather","Actual Rows":30,"Actual Loops":1,"Plans":[
                {"Node Type":"Parallel Seq Scan","Relation Name":"m_records","Plan Rows":9,
                 "Actual Rows":10,"Actual Loops":3,"Rows Removed by Filter":90}]}"#,
        );
        assert_eq!(found.examined, 300);
    }

    #[test]
    fn what_is_no_plan_is_said() {
        for text in ["", "[]", "{}", r#"[{"Plan":1}]"#] {
            let error = Measured::default().add(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unexpected, "{text}");
        }
    }
}
