//! Searching entries by what is said of them and by their text.

use repo_core::{
    Comparison, Cursor, Document, Error, ErrorKind, FieldPath, Filter, Pattern, Predicate, Query,
    Result, Value, field,
};

use crate::entries::EntryFilter;
use crate::model::{Content, Entry, Json};
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
/// Most bytes of large texts that one search looks into.
const MOST_SPILLED_BYTES: u64 = 256 * 1024 * 1024;

impl DataService {
    /// The entries that are found, the oldest first. A text that is in a blob is looked into as
    /// well, one after another.
    ///
    /// # Errors
    /// `Invalid` for a field, an operand or a number out of bounds; the refusal `SpilledValue`
    /// for a search that would have to look into more than 256 MiB of texts in blobs.
    pub async fn search(&self, search: &Search) -> Result<Vec<Versioned<Entry>>> {
        if !(1..=1_000).contains(&search.limit) || search.offset > 100_000 {
            return Err(invalid("limit is 1 to 1000, and offset 0 to 100000"));
        }
        let exact = search.filter(Criterion::filter)?;
        let wide = search.filter(Criterion::wide)?;
        let query = Query::new(wide).order_by("created_at")?.limit(PAGE)?;
        let mut budget = MOST_SPILLED_BYTES;
        let (mut skip, mut found) = (search.offset, Vec::new());
        let mut next = Some(query.clone());
        while let Some(asked) = next.take() {
            let page = self.page::<Entry>(&asked).await?;
            for entry in page.items {
                if !self.is_found(&entry.value, &exact, &mut budget).await? {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                found.push(entry);
                if found.len() == search.limit {
                    return Ok(found);
                }
            }
            if let Some(cursor) = page.next {
                next = Some(query.clone().after(Cursor::parse(&cursor)?));
            }
        }
        Ok(found)
    }

    /// Whether an entry of the wide filter is one of the exact one: they differ in texts that
    /// are in blobs.
    async fn is_found(&self, entry: &Entry, exact: &Filter, budget: &mut u64) -> Result<bool> {
        let Content::Spilled(blob) = &entry.content else { return Ok(true) };
        // Another condition may decide it, and nothing has to be read.
        if exact.matches(&Document::from_serialize(entry)?) {
            return Ok(true);
        }
        *budget = budget.checked_sub(blob.size).ok_or_else(|| {
            Refusal::SpilledValue
                .error("search", "there are too many large texts to look into all of them")
                .with("most_bytes", MOST_SPILLED_BYTES)
        })?;
        let Some(text) = self.text(&entry.content).await? else { return Ok(false) };
        let whole = Entry { content: Content::Inline(text), ..entry.clone() };
        Ok(exact.matches(&Document::from_serialize(&whole)?))
    }
}

impl Search {
    fn filter(&self, of: impl Fn(&Criterion) -> Result<Filter>) -> Result<Filter> {
        if !(1..=50).contains(&self.criteria.len()) {
            return Err(invalid("a search has 1 to 50 conditions"));
        }
        let conditions = self.criteria.iter().map(of).collect::<Result<_>>()?;
        let joined = if self.any { Filter::Or(conditions) } else { Filter::And(conditions) };
        Ok(Filter::And(vec![self.within.filter()?, joined]))
    }
}

impl Criterion {
    /// As [`filter`](Self::filter), and every entry whose text is in a blob when it is the text
    /// that is looked at.
    fn wide(&self) -> Result<Filter> {
        let exact = self.filter()?;
        match self.field.as_str() {
            "content" | "text" => {
                Ok(Filter::Or(vec![exact, field("content.spilled").exists().filter()?]))
            }
            _ => Ok(exact),
        }
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
