//! What was found out about each store.

use cli_output::failure::ErrorView;
use repo_core::Error;
use serde::Serialize;

use super::load::Carried;
use super::refusals::Refusal;
use super::requirements::Requirements;
use super::sample::Sample;
use super::times::Figures;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    pub(super) requirements: &'a Requirements,
    pub(super) sample: &'a Sample,
    /// For how long the load lasted.
    pub(super) seconds: u64,
    pub(super) candidates: &'a [Found],
}

/// What was found out about one store.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    /// The strategy.
    pub(super) name: &'static str,
    /// Where it was tried; without a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    #[serde(flatten)]
    pub(super) answer: Answer,
}

/// The answer for one store.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Answer {
    /// It cannot do what is asked.
    Refused { reasons: Vec<Refusal> },
    /// It can, and how fast was not tried.
    NotMeasured { reason: &'static str },
    /// It carried the load, or what it could of it.
    Measured(Box<Measured>),
    /// It could not be tried.
    Failed { error: ErrorView },
}

/// How a store carried the load.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    /// Entities in a second while the sample was written, one commit after another.
    pub(super) filled_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reads: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) writes: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queries: Option<Figures>,
    /// Whether each kind of operation is as required.
    pub(super) met: bool,
}

impl Measured {
    pub(super) fn new(filled_per_second: f64, carried: Carried) -> Self {
        let Carried { reads, writes, queries } = carried;
        let met = [&reads, &writes, &queries].into_iter().flatten().all(|figures| figures.met);
        Self { filled_per_second, reads, writes, queries, met }
    }
}

impl Answer {
    pub(super) fn failed(error: &Error) -> Self {
        Self::Failed { error: ErrorView::new(error) }
    }
}
