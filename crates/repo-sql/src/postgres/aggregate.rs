//! Groups, and what is computed of them: by the database where it does so exactly, else
//! of each entity that may match.

use repo_core::strategy::{Aggregator, ExactSum, FieldSummary, Measured, Record};
use repo_core::{
    Aggregates, Aggregation, Consistency, Decimal, Error, ErrorKind, Extreme, GroupedBy, Result,
};

use super::group_select::GroupSelect;
use super::read;
use super::rows;
use super::rows::PgRow;
use super::select::Select;
use super::shared::Shared;
use super::table::Table;
use crate::chunk::Chunk;

const OPERATION: &str = "aggregate";

pub(super) async fn aggregate(
    shared: &Shared,
    table: &Table,
    aggregation: &Aggregation,
    level: Consistency,
) -> Result<Aggregates> {
    let mut groups = Aggregator::new(&table.schema.collection, aggregation);
    match GroupSelect::new(&table.layout, aggregation) {
        Some(select) => {
            for row in read::run_at(shared, OPERATION, level, select.statement()).await? {
                add_row(&mut groups, aggregation, &row)?;
            }
            groups.finish(GroupedBy::Store)
        }
        None => {
            add_each(shared, table, aggregation, level, &mut groups).await?;
            groups.finish(GroupedBy::Engine)
        }
    }
}

/// Adds the entities that may match, chunk by chunk; the filter decides.
async fn add_each(
    shared: &Shared,
    table: &Table,
    aggregation: &Aggregation,
    level: Consistency,
    groups: &mut Aggregator<'_>,
) -> Result<()> {
    let select = Select::new(&table.layout, aggregation.filter());
    let mut chunk = Chunk::default();
    let mut after = None;
    loop {
        let page = select.page(after.as_ref(), chunk.rows);
        let rows = read::run_at(shared, OPERATION, level, page).await?;
        let records = rows::records(&table.schema.collection, &rows)?;
        for document in records.iter().filter_map(Record::document) {
            groups.offer(document)?;
        }
        if chunk.is_last(&records) {
            return Ok(());
        }
        after = records.last().map(|record| record.id().clone());
    }
}

/// Adds a group, in the columns that [`GroupSelect`] names.
fn add_row(groups: &mut Aggregator<'_>, aggregation: &Aggregation, row: &PgRow) -> Result<()> {
    let fields = aggregation.group_fields().len();
    let values = (0..fields).map(|at| json_at(row, at)).collect::<Result<Vec<_>>>()?;
    let key: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
    let mut cells = Cells { row, next: fields };
    let count = cells.count()?;
    let summaries = aggregation.measured().iter().map(|measured| cells.summary(measured));
    let summaries = summaries.collect::<Result<Vec<_>>>()?;
    groups.add_group(&key, count, summaries)
}

/// The JSON text of a `jsonb` value; `None` for NULL.
fn json_at(row: &PgRow, at: usize) -> Result<Option<String>> {
    let Some(bytes) = rows::raw_at(row, at) else { return Ok(None) };
    // The version of the binary form, then the text.
    match bytes.split_first() {
        Some((1, text)) => String::from_utf8(text.to_vec()).map(Some).map_err(|_| damaged()),
        _ => Err(damaged()),
    }
}

/// The cells of a row, one after the other.
struct Cells<'r> {
    row: &'r PgRow,
    next: usize,
}

impl Cells<'_> {
    fn place(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn count(&mut self) -> Result<u64> {
        let at = self.place();
        u64::try_from(rows::number_at(self.row, at)?).map_err(|_| damaged())
    }

    fn text(&mut self) -> Result<Option<String>> {
        let at = self.place();
        rows::optional_text_at(self.row, at)
    }

    fn summary(&mut self, measured: &Measured) -> Result<FieldSummary> {
        let (numbers, texts, others) = (self.count()?, self.count()?, self.count()?);
        let mut found = FieldSummary::counted(numbers, texts, others);
        if measured.sum
            && let Some(text) = self.text()?
        {
            found.sum = ExactSum::parse(&text).ok_or_else(damaged)?;
        }
        if measured.least {
            let (number, text) = (self.number()?, self.text()?);
            found.least = number.or(text.map(Extreme::Text));
        }
        if measured.greatest {
            let (number, text) = (self.number()?, self.text()?);
            found.greatest = text.map(Extreme::Text).or(number);
        }
        Ok(found)
    }

    fn number(&mut self) -> Result<Option<Extreme>> {
        let read = |text: String| Decimal::parse(&text).map_err(|_| damaged());
        Ok(self.text()?.map(read).transpose()?.map(Extreme::Number))
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::Corrupt, OPERATION, "the database answered what no document holds")
        .hint("find the record with a deep check of the store's health, and repair it")
}
