//! Lists of datapoints, and questions.

use repo_core::{Condition, Filter, Query, Result, field};

use crate::model::{Datapoint, DatapointStatus};
use crate::paging::{PageOf, PageRequest};
use crate::refusal::Refusal;
use crate::service::DataService;

impl DataService {
    /// A page of active datapoints, the latest `data_timestamp` first, as text. Values in blobs
    /// are not there: see [`with_values`](Self::with_values).
    ///
    /// # Errors
    /// `Invalid` for a limit out of bounds, or a cursor of another list.
    pub async fn list_datapoints(&self, page: &PageRequest) -> Result<PageOf<Datapoint>> {
        self.query_datapoints(Filter::default(), page).await
    }

    /// A page of the active datapoints that match, the latest first. Paths are those of
    /// [`Datapoint::stored_path`].
    ///
    /// # Errors
    /// The refusal `SpilledValue` for a filter on values while a datapoint that it may be about
    /// has its value in a blob; `Invalid` as for lists.
    pub async fn query_datapoints(
        &self,
        filter: Filter,
        page: &PageRequest,
    ) -> Result<PageOf<Datapoint>> {
        self.check_unspilled(&filter).await?;
        let query = page.query(active(filter)?)?.order_by("data_timestamp:desc")?;
        self.page(&query).await
    }

    /// How many active datapoints match.
    ///
    /// # Errors
    /// As [`query_datapoints`](Self::query_datapoints).
    pub async fn count_datapoints(&self, filter: Filter) -> Result<u64> {
        self.check_unspilled(&filter).await?;
        let collection = crate::records::collection::<Datapoint>()?;
        let filter = active(filter)?;
        self.strategy().count(&collection, &filter, repo_core::Consistency::Eventual).await
    }

    /// Refuses a filter that would have to look into blobs: what is there is never left out
    /// silently. Conditions on other fields, joined by *and*, narrow what has to be free of
    /// such values.
    ///
    /// # Errors
    /// The refusal `SpilledValue`.
    pub async fn check_unspilled(&self, filter: &Filter) -> Result<()> {
        if !touches(filter, "value") {
            return Ok(());
        }
        let rest = without(filter, "value").unwrap_or_default();
        let spilled = Condition::from(active(rest)?).and(field("spilled").exists());
        let query = Query::new(spilled.filter()?).limit(1)?;
        match self.page::<Datapoint>(&query).await?.items.first() {
            None => Ok(()),
            Some(found) => Err(Refusal::SpilledValue
                .error("query", "a value is too large to be looked at by a filter")
                .with("id", &found.value.id)
                .with("bytes", found.value.size)),
        }
    }
}

fn active(filter: Filter) -> Result<Filter> {
    field("status").eq(DatapointStatus::Active).and(filter).filter()
}

/// Whether a filter looks at a field.
pub(crate) fn touches(filter: &Filter, name: &str) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(|part| touches(part, name)),
        Filter::Not(part) => touches(part, name),
        Filter::Field(path, _) => path.steps().first().is_some_and(|step| step == name),
        // A kind of filter that is not known here may look anywhere.
        _ => true,
    }
}

/// The parts of a conjunction that do not look at a field: more matches them than the whole.
fn without(filter: &Filter, name: &str) -> Option<Filter> {
    match filter {
        Filter::And(parts) => {
            Some(Filter::And(parts.iter().filter_map(|part| without(part, name)).collect()))
        }
        other if touches(other, name) => None,
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_conjunctions_narrow() {
        let parse = |text| Filter::parse(text).unwrap();
        let both = parse(r#"{"$and":[{"label":"a"},{"value.x":1}]}"#);
        assert!(touches(&both, "value"));
        assert_eq!(without(&both, "value"), Some(Filter::And(vec![parse(r#"{"label":"a"}"#)])));
        let either = parse(r#"{"$or":[{"label":"a"},{"value.x":1}]}"#);
        assert_eq!(without(&either, "value"), None);
        assert!(!touches(&parse(r#"{"values":1}"#), "value"));
        assert!(touches(&parse(r#"{"$not":{"value":1}}"#), "value"));
    }
}
