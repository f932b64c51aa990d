//! What reading one page of a query took.

use crate::{Page, Plan};

/// How a store found the entities of a page, measured while it read that page. The same
/// shape for every store.
///
/// As JSON it is one object: `{"access": "index", "index": "status-index", "examined": 12,
/// "returned": 12, "engine_filtered": 0, "estimated": null}`; a scan has no `index`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct QueryAnalysis {
    /// By what the entities were found.
    #[serde(flatten)]
    pub access: Access,
    /// How many records or entries of an index the store looked at, tombstones that it has
    /// to pass among them; at least `returned`. What it read ahead and did not look at does
    /// not count. `None` where the store does not say.
    pub examined: Option<u64>,
    /// How many entities are on the page.
    pub returned: u64,
    /// How many of those that the store handed over did not match, so that the engine left
    /// them out. `None` where nobody counts them.
    pub engine_filtered: Option<u64>,
    /// How many records the store's planner expected to find, where it has one.
    pub estimated: Option<u64>,
}

/// By what a store found entities.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "access", rename_all = "snake_case")]
pub enum Access {
    /// By their ids.
    Key {
        /// The index of the ids; the name is the store's own.
        index: String,
    },
    /// By an index that the schema declares.
    Index {
        /// The index; the name is the store's own.
        index: String,
    },
    /// By reading one record after the other, until the page was full or there were no more.
    Scan,
}

/// What a page has cost so far; counted by who reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// As [`QueryAnalysis::examined`].
    pub examined: u64,
    /// As [`QueryAnalysis::engine_filtered`].
    pub engine_filtered: u64,
}

impl Effort {
    /// Counts an entity that was handed over, and whether it matches.
    pub fn hand_over(&mut self, matches: bool) {
        self.engine_filtered += u64::from(!matches);
    }

    /// Counts an entity of a store that looks at exactly what it hands over.
    pub fn look_at(&mut self, matches: bool) {
        self.examined += 1;
        self.hand_over(matches);
    }
}

impl QueryAnalysis {
    /// As much as a page itself tells.
    #[must_use]
    pub fn of_page(page: &Page) -> Self {
        let access = match &page.plan {
            Plan::Index { name } => Access::Index { index: name.clone() },
            Plan::Scan => Access::Scan,
        };
        let returned = page.entities.len() as u64;
        Self { access, examined: None, returned, engine_filtered: None, estimated: None }
    }

    /// A page with what it has cost.
    #[must_use]
    pub fn counted(page: &Page, effort: Effort) -> Self {
        Self {
            examined: Some(effort.examined),
            engine_filtered: Some(effort.engine_filtered),
            ..Self::of_page(page)
        }
    }

    /// The same, where indexes of some names are those of the ids.
    #[must_use]
    pub fn with_keys(mut self, is_of_ids: impl FnOnce(&str) -> bool) -> Self {
        self.access = match self.access {
            Access::Index { index } if is_of_ids(&index) => Access::Key { index },
            other => other,
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_index() -> QueryAnalysis {
        let plan = Plan::Index { name: "ids".to_owned() };
        let page = Page { entities: Vec::new(), next: None, plan };
        let mut effort = Effort::default();
        effort.look_at(false);
        effort.look_at(true);
        QueryAnalysis::counted(&page, effort)
    }

    #[test]
    fn the_index_of_the_ids_is_access_by_key() {
        let index = "ids".to_owned();
        assert_eq!(by_index().access, Access::Index { index: index.clone() });
        assert_eq!(by_index().with_keys(|name| name == "ids").access, Access::Key { index });
        assert_eq!(by_index().with_keys(|name| name == "other").access, by_index().access);
    }

    #[test]
    fn it_is_one_flat_object() {
        let json = serde_json::to_string(&by_index()).unwrap();
        let whole = r#"{"access":"index","index":"ids","examined":2,"returned":0,"engine_filtered":1,"estimated":null}"#;
        assert_eq!(json, whole);
    }
}
