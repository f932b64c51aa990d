//! How much work the rows do.

/// The sizes of all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// Entities in a store that commits and reads go to.
    pub store: usize,
    /// Entities in the small store that commits are compared with.
    pub small: usize,
    /// Entities in the stores of SQL that queries and scans go to.
    pub large: usize,
    /// Entities in the JSON stores that are opened.
    pub opened: Vec<usize>,
    /// Commits of one caller in one time.
    pub commits: usize,
    /// Callers that commit at the same time.
    pub callers: usize,
    /// Commits of each of them in one time.
    pub commits_each: usize,
    /// Commits of each of 8 callers that a consumer follows.
    pub followed: usize,
    /// Reads by id in one time.
    pub reads: usize,
    /// Queries in one time.
    pub queries: usize,
    /// Entities of one bulk load.
    pub load: usize,
    /// Entities of one bulk load and scan of DynamoDB.
    pub dynamo: usize,
    /// Entities of one migration.
    pub migrate: usize,
}

impl Scale {
    /// Millions of entities: a long run.
    #[must_use]
    pub fn full() -> Self {
        Self {
            large: 1_000_000,
            opened: vec![100_000, 1_000_000],
            load: 100_000,
            dynamo: 5_000,
            migrate: 200_000,
            ..Self::quick()
        }
    }

    /// A few minutes on two cores.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            store: 100_000,
            small: 100,
            large: 100_000,
            opened: vec![100_000],
            commits: 30,
            callers: 64,
            commits_each: 10,
            followed: 500,
            reads: 1_000,
            queries: 100,
            load: 20_000,
            dynamo: 1_000,
            migrate: 20_000,
        }
    }

    /// As little as there can be, for tests of the benchmark itself.
    #[must_use]
    pub fn tiny() -> Self {
        Self {
            store: 400,
            small: 100,
            large: 400,
            opened: vec![400],
            commits: 4,
            callers: 8,
            commits_each: 2,
            followed: 5,
            reads: 20,
            queries: 5,
            load: 400,
            dynamo: 50,
            migrate: 400,
        }
    }
}
