//! One store after another: asked what it can do, and then tried in a scratch place of its own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cli_output::exit_code::Signal;
use cli_output::failure::for_people;
use cli_output::output::Output;
use cli_output::signals::Interruption;
use repo_core::strategy::{
    CaptureHolder, HistoryState, OpenOptions, Reach, Scratch, StorageStrategy, StoreUpdate,
    StrategyFactory,
};
use repo_core::{ErrorKind, Result, Schemas};
use serde_json::Value as Json;

use super::load::carry;
use super::refusals::{Refusal, refusals};
use super::report::{Answer, Found, Measured};
use super::requirements::Requirements;
use super::sample::Sample;

/// Why a server is not measured.
const ON_A_SERVER: &str = "it is on a server: --measure-servers allows to write to it, in a \
                           scratch place of its own";

/// A store that may be chosen.
#[derive(Clone)]
pub struct Candidate {
    /// What opens stores of this kind.
    pub factory: Arc<dyn StrategyFactory>,
    /// The settings of the strategy, checked.
    pub settings: Json,
    /// With which limits it is opened; the collections are those of the trial.
    pub options: OpenOptions,
}

impl fmt::Debug for Candidate {
    /// Without the settings: they may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("factory", &self.factory).finish_non_exhaustive()
    }
}

/// What is tried.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) wanted: &'a Requirements,
    pub(super) sample: &'a Sample,
    pub(super) length: Duration,
    /// Whether stores on servers are written to.
    pub(super) servers: bool,
    pub(super) output: Output,
    pub(super) interruption: &'a Interruption,
}

/// Whether a trial came to its end.
type Ended<T> = std::result::Result<T, Signal>;

impl Trial<'_> {
    /// Looks at one store. What was made for it is removed, also after a signal.
    ///
    /// # Errors
    /// The signal that asked to stop.
    pub(super) async fn of(&self, candidate: &Candidate) -> Ended<Found> {
        let name = candidate.factory.name();
        let scratch = match candidate.factory.scratch(&candidate.settings) {
            Ok(scratch) => scratch,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let reasons = vec![Refusal::new("load", error.message())];
                return Ok(Found { name, place: None, answer: Answer::Refused { reasons } });
            }
            Err(error) => {
                return Ok(Found { name, place: None, answer: Answer::failed(&error) });
            }
        };
        // A folder is there already.
        let mut is_made = scratch.reach() == Reach::Machine;
        let found = self.within(candidate, &scratch, &mut is_made).await;
        if is_made && let Err(error) = candidate.factory.remove_scratch(&scratch).await {
            self.output.warning(&format!("something is left of {name}\n{}", for_people(&error)));
        }
        found
    }

    async fn within(
        &self,
        candidate: &Candidate,
        scratch: &Scratch,
        is_made: &mut bool,
    ) -> Ended<Found> {
        let name = candidate.factory.name();
        let opened = async {
            let schemas: Schemas = [self.sample.schema()?].into_iter().collect();
            let options = candidate.options.clone().with_schemas(Arc::new(schemas));
            candidate.factory.open(scratch.settings(), options).await
        };
        let store = match self.unless_stopped(opened).await? {
            Ok(store) => store,
            Err(error) => return Ok(Found { name, place: None, answer: Answer::failed(&error) }),
        };
        let place = Some(store.location().to_owned());
        let answer = self.unless_stopped(self.ask(&store, scratch, is_made)).await;
        self.output.closed(store.close().await);
        Ok(Found { name, place, answer: answer?.unwrap_or_else(|error| Answer::failed(&error)) })
    }

    /// Ends what is under way when a signal comes.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Ended<T> {
        tokio::select! {
            done = work => Ok(done),
            signal = self.interruption.wait() => Err(signal),
        }
    }

    async fn ask(
        &self,
        store: &Arc<dyn StorageStrategy>,
        scratch: &Scratch,
        is_made: &mut bool,
    ) -> Result<Answer> {
        let refused = || refusals(self.wanted, store.capabilities(), scratch.reach());
        let reasons = refused();
        if !reasons.is_empty() {
            return Ok(Answer::Refused { reasons });
        }
        if scratch.reach() == Reach::Network && !self.servers {
            return Ok(Answer::NotMeasured { reason: ON_A_SERVER });
        }
        self.output.note(&format!("measuring {}", store.location()));
        *is_made = true;
        self.prepare(store).await?;
        // Capture may have lowered a limit.
        let reasons = refused();
        if !reasons.is_empty() {
            return Ok(Answer::Refused { reasons });
        }
        let begin = Instant::now();
        let versions = self.sample.fill(store.as_ref()).await?;
        let filled_per_second = versions.len() as f64 / begin.elapsed().as_secs_f64();
        let carried = carry(store, self.wanted, self.sample, versions, self.length).await?;
        Ok(Answer::Measured(Box::new(Measured::new(filled_per_second, carried))))
    }

    /// Makes the collection, and switches on what is asked for.
    async fn prepare(&self, store: &Arc<dyn StorageStrategy>) -> Result<()> {
        store.prepare(&[self.sample.schema()?]).await?;
        if self.wanted.needs.changes {
            let holder = CaptureHolder::new("advice", "requirements")?;
            store.update_store_record(StoreUpdate::HoldCapture(holder)).await?;
        }
        if self.wanted.needs.history {
            let history = HistoryState::new(repo_core::Clock::now(&repo_core::SystemClock));
            let update = StoreUpdate::History {
                collection: self.sample.collection().clone(),
                expected: None,
                history: Some(history),
            };
            store.update_store_record(update).await?;
        }
        Ok(())
    }
}
