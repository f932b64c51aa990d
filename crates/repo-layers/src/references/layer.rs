//! The layer, and the protocol of its commits.

use std::sync::Arc;

use repo_core::strategy::{Capabilities, Prepared};
use repo_core::{CollectionSchema, Error, ErrorKind, Key, Result, Schemas, Write, Written};

use super::plan::{Failure, Marks, Plan, removals};
use super::referrers::check_unreferred;
use super::refusals::overtaken;
use super::rules::Rules;
use crate::{Inner, Layer, operations as op};

/// How often a commit begins again because others were faster. Each time one of the others
/// has ended.
const MOST_TRIES: usize = 16;

/// Enforces the references of the collections whose schemas say so
/// ([`CollectionSchema::enforce_references`]), by `commit`:
///
/// - a document that refers to what is not there is refused, unless the same commit creates it;
/// - what a document refers to is not deleted, unless the same commit deletes or changes all
///   who refer to it. The error names one of them, with its collection and field.
///
/// Both hold against everybody who writes through such a layer, in whatever process, at
/// whatever moment. Who writes to the store without one is not stopped; nor are `apply` and
/// what copies with it, which bring what another store accepted. `repoctl schema validate` and
/// migrations report what refers to nothing.
///
/// A commit that writes references checks two more keys for each entity that it refers to. A
/// commit that deletes what may be referred to sends two more writes for each and asks one
/// strong query of each field that may refer to it: index those fields. Commits of other
/// collections are handed on as they are.
///
/// It stands within whatever changes documents: what is checked has to be what is stored. It
/// makes the collection [`REFERENCE_MARKS`](crate::REFERENCE_MARKS) beside those that it
/// prepares.
///
/// ```
/// # use std::sync::Arc;
/// use repo_core::strategy::{OpenOptions, StorageStrategy as _, StorageStrategyExt as _};
/// use repo_core::{CollectionSchema, Document, ErrorKind, Key, MemoryStrategy, Schemas};
/// use repo_layers::{Layer as _, ReferenceLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> repo_core::Result<()> {
/// let requests = CollectionSchema::undeclared("requests".parse()?);
/// let machines = CollectionSchema::builder("machines", "id")
///     .reference("request_id", "requests")
///     .index(&["request_id"])
///     .enforce_references()
///     .build()?;
/// let schemas = [requests, machines];
/// let layer = ReferenceLayer::new(&schemas.iter().cloned().collect::<Schemas>())?;
/// let store = layer.around(Arc::new(MemoryStrategy::new(OpenOptions::default())));
/// store.prepare(&schemas).await?;
///
/// let request = Key::new("requests".parse()?, "r".parse()?);
/// let machine = Key::new("machines".parse()?, "m".parse()?);
/// let document = Document::parse(r#"{"id": "m", "request_id": "r"}"#)?;
/// let early = store.save(machine.clone(), document.clone()).await;
/// assert_eq!(early.unwrap_err().kind(), ErrorKind::Invalid);
///
/// store.save(request.clone(), Document::parse(r#"{"id": "r"}"#)?).await?;
/// store.save(machine.clone(), document).await?;
/// let refused = store.delete(request.clone()).await.unwrap_err();
/// assert_eq!(refused.context_value("id"), Some("m"));
///
/// store.delete(machine).await?;
/// store.delete(request).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ReferenceLayer {
    rules: Arc<Rules>,
    /// What was said of capabilities; lent as long as the layer is there.
    capabilities: boxcar::Vec<Capabilities>,
}

impl Clone for ReferenceLayer {
    fn clone(&self) -> Self {
        Self { rules: Arc::clone(&self.rules), capabilities: boxcar::Vec::new() }
    }
}

impl ReferenceLayer {
    /// Enforces the references of those of these collections that say so.
    ///
    /// # Errors
    /// `ConfigInvalid` when one of them has the name of the layer's own collection.
    pub fn new(schemas: &Schemas) -> Result<Self> {
        let rules = Arc::new(Rules::of(schemas)?);
        Ok(Self { rules, capabilities: boxcar::Vec::new() })
    }

    /// Whether any of these collections wants its references enforced, so that it takes a layer.
    #[must_use]
    pub fn is_needed(schemas: &Schemas) -> bool {
        schemas.iter().any(|schema| schema.enforce_references)
    }

    /// The collections to prepare for these, where the layer is not there yet to prepare them:
    /// they themselves, and that of the layer where it is needed.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn prepared_with(schemas: &Schemas) -> Result<Vec<CollectionSchema>> {
        let declared: Vec<CollectionSchema> = schemas.iter().cloned().collect();
        Ok(Rules::of(schemas)?.with_marks(&declared)?.unwrap_or(declared))
    }

    /// Announces the deletions, looks for who refers to what goes, and commits. `None` when
    /// others were faster; `met` then says which marks are there.
    async fn attempt(
        &self,
        inner: &Inner,
        plan: &Plan,
        writes: &[Write],
        met: &mut Marks,
    ) -> Result<Option<Vec<Written>>> {
        let Some(announced) = announce(inner, plan).await? else { return Ok(None) };
        let done = async {
            check_unreferred(inner, &self.rules, plan).await.map_err(Failure::Told)?;
            let all = plan.complete(writes, met, &announced);
            let done = inner.commit(all).await;
            done.map_err(|error| plan.judge(error, writes))
        };
        match done.await {
            Ok(mut answers) => {
                answers.truncate(writes.len());
                Ok(Some(answers))
            }
            Err(Failure::Told(error)) => {
                withdraw(inner, &announced).await;
                Err(error)
            }
            Err(Failure::Overtaken(marks)) => {
                for (mark, version) in marks {
                    match version {
                        Some(version) => met.insert(mark, version),
                        None => met.remove(&mark),
                    };
                }
                Ok(None)
            }
        }
    }
}

/// Sees to it that what is about to be deleted has marks, and gives their versions. One that is
/// there already, of another deletion or of a process that is gone, serves as well: what counts
/// is that it stays as it was from here on. `None` when others were faster each time.
async fn announce(inner: &Inner, plan: &Plan) -> Result<Option<Marks>> {
    let mut marks = Marks::new();
    for _ in 0..MOST_TRIES {
        let writes = plan.announcement(&marks)?;
        if writes.is_empty() {
            return Ok(Some(marks));
        }
        let new: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let error = match inner.commit(writes).await {
            Ok(written) => {
                marks.extend(versions(new, written)?);
                return Ok(Some(marks));
            }
            Err(error) => error,
        };
        if error.failed_preconditions().is_empty() {
            return Err(match error.kind() {
                // Of the caller's writes nothing was sent, and a mark alone does no harm.
                ErrorKind::OutcomeUnknown => error.into_kind(ErrorKind::Unavailable),
                _ => error,
            });
        }
        let met = error.failed_preconditions().iter();
        marks.extend(met.filter_map(|met| Some((met.key.clone(), met.actual?))));
    }
    Ok(None)
}

/// The versions that a commit of marks left.
fn versions(marks: Vec<Key>, written: Vec<Written>) -> Result<Marks> {
    let unanswered = || {
        let why = "the store answered something else than asked";
        Error::new(ErrorKind::Corrupt, "commit", why)
    };
    if written.len() != marks.len() {
        return Err(unanswered());
    }
    let version = |written: Written| written.version().ok_or_else(unanswered);
    marks.into_iter().zip(written).map(|(mark, done)| Ok((mark, version(done)?))).collect()
}

/// Takes marks back, as far as they are as they were. What is left of them costs the next one
/// who meets it a round trip, so a failure here is none of the commit.
async fn withdraw(inner: &Inner, announced: &Marks) {
    if !announced.is_empty() {
        let _ = inner.commit(removals(announced).collect()).await;
    }
}

impl Layer for ReferenceLayer {
    fn capabilities<'a>(&'a self, inner: &'a Inner) -> &'a Capabilities {
        let within = inner.capabilities();
        let Some(most) = within.max_commit_keys.filter(|_| !self.rules.is_empty()) else {
            return within;
        };
        let now = within.with_max_commit_keys(Some(self.rules.fitting(most)));
        let known = self.capabilities.iter().find(|(_, known)| **known == now);
        let place = known.map_or_else(|| self.capabilities.push(now), |(place, _)| place);
        &self.capabilities[place]
    }

    async fn commit(&self, inner: &Inner, mut writes: Vec<Write>) -> Result<Vec<Written>> {
        if self.rules.is_empty() {
            return self.call(inner, op::Commit { writes }).await;
        }
        let Some(plan) = Plan::of(&self.rules, &mut writes)? else {
            return self.call(inner, op::Commit { writes }).await;
        };
        let mut met = Marks::new();
        for _ in 0..MOST_TRIES {
            if let Some(answers) = self.attempt(inner, &plan, &writes, &mut met).await? {
                return Ok(answers);
            }
        }
        Err(overtaken())
    }

    async fn prepare(&self, inner: &Inner, schemas: &[CollectionSchema]) -> Result<Vec<Prepared>> {
        let Some(all) = self.rules.with_marks(schemas)? else {
            return self.call(inner, op::Prepare { schemas }).await;
        };
        let prepared = self.call(inner, op::Prepare { schemas: &all }).await?;
        Ok(of_these(prepared, schemas))
    }

    async fn prepare_for_load(
        &self,
        inner: &Inner,
        schemas: &[CollectionSchema],
    ) -> Result<Vec<Prepared>> {
        let Some(all) = self.rules.with_marks(schemas)? else {
            return self.call(inner, op::PrepareForLoad { schemas }).await;
        };
        let prepared = self.call(inner, op::PrepareForLoad { schemas: &all }).await?;
        Ok(of_these(prepared, schemas))
    }

    async fn check_prepare(&self, inner: &Inner, schemas: &[CollectionSchema]) -> Result<()> {
        match self.rules.with_marks(schemas)? {
            Some(all) => self.call(inner, op::CheckPrepare { schemas: &all }).await,
            None => self.call(inner, op::CheckPrepare { schemas }).await,
        }
    }
}

/// What was answered about the collections that the caller named.
fn of_these(mut prepared: Vec<Prepared>, schemas: &[CollectionSchema]) -> Vec<Prepared> {
    prepared.retain(|done| schemas.iter().any(|schema| schema.collection == done.collection));
    prepared
}
