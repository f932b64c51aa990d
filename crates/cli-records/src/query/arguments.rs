//! The flags of `query`.

use clap::{Args, ValueEnum};
use cli_output::failure::{usage, wrong_usage};
use repo_core::{CollectionName, Cursor, Filter, Query, Result, Timestamp};

/// What can be typed after `query` and the collection.
#[derive(Debug, Args)]
// A command flattens it into its own arguments, whose group has this name already.
#[group(skip)]
pub struct Arguments {
    /// Which entities, as JSON: '{"status": {"$in": ["RUNNING"]}}'
    #[arg(long, value_name = "JSON", default_value = "{}")]
    filter: String,
    /// The field to order by, `field` or `field:desc`
    #[arg(long, value_name = "FIELD[:desc]")]
    order_by: Option<String>,
    /// Print one page of at most this many, and where the next one starts
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print the page that starts here, from the page before it
    #[arg(long, value_name = "CURSOR", requires = "limit")]
    cursor: Option<String>,
    /// Print only how the store finds the entities: `plan` by which index, `analyze` also
    /// what it looks at for one page
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, default_missing_value = "plan")]
    explain: Option<Explain>,
    /// Find what matched at this time, in the history of the collection:
    /// 2026-11-29T03:10:00Z; an order needs --limit
    #[arg(long, value_name = "TIME", conflicts_with_all = ["cursor", "explain"])]
    as_of: Option<String>,
}

/// How much is printed of how a store finds entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Explain {
    /// The index, or that everything is read
    Plan,
    /// What the store looks at for one page, measured
    Analyze,
}

/// What is asked of a store.
#[derive(Debug)]
pub struct Question {
    pub(super) query: Query,
    pub(super) kind: Kind,
}

/// What the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The entities.
    Entities,
    /// The entities that matched at a time.
    AsOf(Timestamp),
    /// How the store finds them.
    Plan,
    /// What it looks at for that.
    Analysis,
}

impl Arguments {
    /// The time of `--as-of`, as it was typed.
    #[must_use]
    pub fn as_of(&self) -> Option<&str> {
        self.as_of.as_deref()
    }

    /// What is asked of a collection, with the time that `--as-of` means.
    ///
    /// # Errors
    /// `ConfigInvalid` for what is no filter, order, limit or cursor of this query, and for
    /// an order at a time without a limit.
    pub fn question(
        &self,
        collection: &CollectionName,
        as_of: Option<Timestamp>,
    ) -> Result<Question> {
        let query = self.query(collection).map_err(usage)?;
        if as_of.is_some() && query.order().is_some() && !query.has_limit() {
            let why = "an order of what was valid at a time needs a limit";
            return Err(wrong_usage("query", why).hint("add --limit N"));
        }
        let kind = match (as_of, self.explain) {
            (Some(time), _) => Kind::AsOf(time),
            (None, Some(Explain::Plan)) => Kind::Plan,
            (None, Some(Explain::Analyze)) => Kind::Analysis,
            (None, None) => Kind::Entities,
        };
        Ok(Question { query, kind })
    }

    fn query(&self, name: &CollectionName) -> Result<Query> {
        let mut query = Query::new(Filter::parse(&self.filter)?);
        if let Some(order) = &self.order_by {
            query = query.order_by(order)?;
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit)?;
        }
        if let Some(cursor) = &self.cursor {
            let cursor = Cursor::parse(cursor)?;
            cursor.position_in(name, &query)?;
            query = query.after(cursor);
        }
        Ok(query)
    }
}
