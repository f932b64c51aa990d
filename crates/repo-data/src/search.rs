//! Searching entries by what is said of them and by their text.

use repo_core::{
    Comparison, Condition, Cursor, Error, ErrorKind, FieldPath, Filter, Pattern, Predicate, Query,
    Result, Value, field,
};

use crate::entries::EntryFilter;
use crate::model::{Entry, Json};
use crate::records::Versioned;
use crate::refusal::Refusal;
use crate::service::DataService;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Search {
    /// Where; with its `reader` only what he may read is found.
    pub within: EntryFilter,
    /// The conditions, 1 to 50.
    pub criteria: Vec<Criterion>,
    /// Whether one of the conditions is enough; all of them otherwise.
    pub any: bool,
    /// Most entries: 1 to 1,000.
    pub limit: usize,
    /// Entries that are passed over: 0 to 100,000.
    pub offset: usize,
}

/// One condition.
#[derive(Debug, Clone)]
pub struct Criterion {
    /// `name`, `description`, `content`, `text` for any of these three, `tags`, `metadata.…`,
    /// `status`, `file_path`, `content_type`, `size`, `created_at`, `modified_at`, `id`,
    /// `user_id`, `dataset_id`, `project_id`, `parent_id`.
    pub field: String,
    /// How it is compared.
    pub operator: SearchOperator,
    /// What with; a list for `In`, and of two for `Between`.
    pub value: Json,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchOperator {
    /// It is this.
    Equals,
    /// It has this part, or this element.
    Contains,
    /// It begins so.
    StartsWith,
    /// It ends so.
    EndsWith,
    /// It is greater.
    GreaterThan,
    /// It is less.
    LessThan,
    /// It is between two values, or one of them.
    Between,
    /// It is one of these.
    In,
}

/// Entries that are read at once.
const PAGE: usize = 500;

impl DataService {
    /// The entries that are found, the oldest first.
    ///
    /// # Errors
    /// `Invalid` for a field, an operand or a number out of bounds; the refusal `SpilledValue`
    /// for a search in texts while one of those that it may be about is in a blob.
    pub async fn search(&self, search: &Search) -> Result<Vec<Versioned<Entry>>> {
        if !(1..=1_000).contains(&search.limit) || search.offset > 100_000 {
            return Err(invalid("limit is 1 to 1000, and offset 0 to 100000"));
        }
        let filter = self.search_filter(search).await?;
        let query = Query::new(filter).order_by("created_at")?.limit(PAGE)?;
        let (mut skip, mut found) = (search.offset, Vec::new());
        let mut next = Some(query.clone());
        while let Some(asked) = next.filter(|_| found.len() < search.limit) {
            let page = self.page::<Entry>(&asked).await?;
            let passed = skip.min(page.items.len());
            skip -= passed;
            let room = search.limit - found.len();
            found.extend(page.items.into_iter().skip(passed).take(room));
            next = match page.next {
                Some(cursor) => Some(query.clone().after(Cursor::parse(&cursor)?)),
                None => None,
            };
        }
        Ok(found)
    }

    async fn search_filter(&self, search: &Search) -> Result<Filter> {
        if !(1..=50).contains(&search.criteria.len()) {
            return Err(invalid("a search has 1 to 50 conditions"));
        }
        let within = search.within.filter()?;
        let conditions: Vec<Filter> =
            search.criteria.iter().map(Criterion::filter).collect::<Result<_>>()?;
        if search.criteria.iter().any(Criterion::looks_at_text) {
            // What all entries have to satisfy besides: fewer of them matter then.
            let besides = search
                .criteria
                .iter()
                .zip(&conditions)
                .filter(|(criterion, _)| !search.any && !criterion.looks_at_text());
            let mut narrowed = vec![within.clone()];
            narrowed.extend(besides.map(|(_, condition)| condition.clone()));
            self.check_no_spilled_text(Filter::And(narrowed)).await?;
        }
        let joined = if search.any { Filter::Or(conditions) } else { Filter::And(conditions) };
        Ok(Filter::And(vec![within, joined]))
    }

    async fn check_no_spilled_text(&self, among: Filter) -> Result<()> {
        let spilled = Condition::from(among).and(field("content.spilled").exists());
        let query = Query::new(spilled.filter()?).limit(1)?;
        match self.page::<Entry>(&query).await?.items.first() {
            None => Ok(()),
            Some(found) => Err(Refusal::SpilledValue
                .error("search", "a text is too large to be looked at by a search")
                .with("id", &found.value.id)
                .with("bytes", found.value.size)),
        }
    }
}

impl Criterion {
    fn looks_at_text(&self) -> bool {
        matches!(self.field.as_str(), "content" | "text")
    }

    fn filter(&self) -> Result<Filter> {
        if self.field == "text" {
            let fields = ["name", "description", "content"];
            let one = |name: &str| Self { field: name.to_owned(), ..self.clone() }.filter();
            return Ok(Filter::Or(fields.into_iter().map(one).collect::<Result<_>>()?));
        }
        let path = FieldPath::parse(&self.path()?)?;
        let at = |predicate| Ok(Filter::Field(path.clone(), predicate));
        let value = self.value.to_value();
        match (self.operator, value) {
            (SearchOperator::Equals, value) => at(Predicate::Eq(value)),
            (SearchOperator::Contains, value) => at(Predicate::Contains(value)),
            (SearchOperator::StartsWith, Value::String(text)) => at(Predicate::BeginsWith(text)),
            (SearchOperator::EndsWith, Value::String(text)) => {
                at(Predicate::Regex(Pattern::new(&format!("{}\\z", regex::escape(&text)))?))
            }
            (SearchOperator::GreaterThan, value) => {
                at(Predicate::Compare(Comparison::Greater, value))
            }
            (SearchOperator::LessThan, value) => at(Predicate::Compare(Comparison::Less, value)),
            (SearchOperator::In, Value::Array(values)) => at(Predicate::In(values)),
            (SearchOperator::Between, Value::Array(values)) => match <[Value; 2]>::try_from(values)
            {
                Ok([low, high]) => Ok(Filter::And(vec![
                    at(Predicate::Compare(Comparison::GreaterOrEqual, low))?,
                    at(Predicate::Compare(Comparison::LessOrEqual, high))?,
                ])),
                Err(_) => Err(self.wrong_operand()),
            },
            _ => Err(self.wrong_operand()),
        }
    }

    /// Where the field is stored.
    fn path(&self) -> Result<String> {
        Ok(match self.field.as_str() {
            "content" => "content.inline".to_owned(),
            "user_id" => "owner".to_owned(),
            "dataset_id" => "dataset".to_owned(),
            "project_id" => "project".to_owned(),
            "parent_id" => "parent".to_owned(),
            "name" | "description" | "tags" | "metadata" | "status" | "file_path"
            | "content_type" | "size" | "created_at" | "modified_at" | "id" => self.field.clone(),
            other if other.starts_with("metadata.") => self.field.clone(),
            _ => {
                let shown: String = self.field.chars().take(64).collect();
                return Err(invalid("entries cannot be searched by this field")
                    .with("field", format!("{shown:?}"))
                    .hint("use name, description, content, text, tags or metadata.…"));
            }
        })
    }

    fn wrong_operand(&self) -> Error {
        invalid("the value does not fit the operator")
            .with("field", &self.field)
            .with("operator", format!("{:?}", self.operator))
    }
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "search", why)
}
